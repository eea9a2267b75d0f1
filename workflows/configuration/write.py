"""Writing what a file changes of workflows, by the services that the pages use."""

from __future__ import annotations

from dataclasses import replace

from integrations.configuration.problems import Problems
from integrations.configuration.write import Author
from saas.models import Application
from workflows.activating import activate, archive, pause, resume
from workflows.configuration.check import add_mistakes
from workflows.configuration.describe import State
from workflows.configuration.wishes import Wish
from workflows.editing import describe, make_workflow, save_definition
from workflows.errors import Mistake, NotNow, WorkflowInvalid
from workflows.facts import read_facts
from workflows.models import Workflow, WorkflowVersion

_NOTE = "Configuration file"
_TYPED = (
    "That is more than may be taken away without approval, so no file can say that it is meant: "
    "write paused or draft here, and activate it on its page, where the number is asked."
)


def write_workflow(wish: Wish, author: Author, problems: Problems, *, gets_users: bool) -> None:
    """Make or change one workflow, then its state. Raises ConfigurationRefused with its mistakes.

    `gets_users`: its application has SaaS users, or a load of this file brings them.
    """
    try:
        row = _row(wish, author)
        version = _version(wish, row, author)
        _set_state(wish, row, version, author, gets_users=gets_users)
    except WorkflowInvalid as problem:
        add_mistakes(wish, map(_without_typing, problem.mistakes), problems)
    except NotNow as problem:
        problems.add((*wish.path, "state"), problem.message)
    problems.refuse_if_any()


def _without_typing(mistake: Mistake) -> Mistake:
    """A file types no number of records."""
    if mistake.field != "typed":
        return mistake
    head = mistake.message.split(". ")[0]
    return replace(mistake, field="state", message=f"{head}. {_TYPED}")


def _row(wish: Wish, author: Author) -> Workflow:
    wanted = wish.wanted
    if wish.stored is None:
        application = Application.objects.filter(name=wanted.application).first()
        return make_workflow(
            wish.name, wanted.object, application, wanted.description, by=author.name
        )
    row = wish.stored.row
    if wanted.description != wish.stored.described.description:
        describe(row, wanted.description)
    return row


def _version(wish: Wish, row: Workflow, author: Author) -> WorkflowVersion:
    """The version that stands for the workflow from now on: a new one only where it differs.

    An archived one is told by what was saved last, so that has to be what the file says.
    """
    if wish.stored is not None and not wish.is_changed and wish.wanted.state != State.ARCHIVED:
        return wish.stored.version
    return save_definition(
        row, wish.wanted.definition, by=author.user, by_name=author.name, note=_NOTE
    )


def _set_state(
    wish: Wish, row: Workflow, version: WorkflowVersion, author: Author, *, gets_users: bool
) -> None:
    state = wish.wanted.state
    resumes = state == State.ACTIVE and wish.was == State.PAUSED
    if wish.goes_live or resumes:
        facts = replace(read_facts(row), application_has_users=gets_users)
        if wish.goes_live:
            activate(row, version, by=author.name, facts=facts)
        else:
            resume(row, by=author.name, facts=facts)
    if state == State.PAUSED and row.state == State.ACTIVE:
        pause(row, by=author.name)
    if state == State.ARCHIVED and row.state != State.ARCHIVED:
        archive(row, by=author.name)
