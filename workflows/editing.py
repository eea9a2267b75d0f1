"""What people do to workflows: make, save, rename, copy, restore. `activating` lets them run.

Who may do it is asked by pages and commands. What is asked here is what a save may contain (M-25).
"""

from __future__ import annotations

from collections.abc import Iterator

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from saas.models import Application
from workflows.definition import Definition
from workflows.errors import Mistake, NotNow, WorkflowInvalid
from workflows.keeping import what_cannot_be_kept
from workflows.models import Workflow, WorkflowVersion
from workflows.rights import what_is_not_theirs
from workflows.versions import read_definition, write_version

_LONGEST_NAME = 150
_LONGEST_DESCRIPTION = 2_000


@transaction.atomic
def make_workflow(
    name: str,
    object: str,  # noqa: A002 - the word of the configuration file
    application: Application | None,
    description: str = "",
    *,
    by: str,
) -> Workflow:
    """A draft with one empty version. Raises WorkflowInvalid, each mistake on its field."""
    wanted = name.strip()
    mistakes = [*_wrong_name(wanted), *_wrong_description(description)]
    if object not in Workflow.Object.values:
        mistakes.append(Mistake("", "object", "Choose People or Software SaaS Users."))
    elif object == Workflow.Object.SAAS_USER and application is None:
        mistakes.append(
            Mistake("", "application", "Choose the application whose SaaS users it is about.")
        )
    if mistakes:
        raise WorkflowInvalid(mistakes)
    workflow = Workflow(
        name=wanted,
        object=object,
        application=application if object == Workflow.Object.SAAS_USER else None,
        description=description.strip(),
    )
    _store_name(workflow, insert=True)
    write_version(workflow, Definition(), by=by)
    return workflow


def latest_version(workflow: Workflow) -> WorkflowVersion:
    """The version that was saved last, with its number; it may not be the one that runs."""
    return WorkflowVersion.objects.filter(workflow=workflow).order_by("-number")[0]


@transaction.atomic
def save_definition(
    workflow: Workflow,
    definition: Definition,
    *,
    by: User | None,
    by_name: str,
    note: str = "",
    base: int | None = None,
) -> WorkflowVersion:
    """Save as the next version, which runs once it is activated. About ten queries.

    What was saved before the first activation is not kept: the one version of a draft is replaced,
    and its number counts the saves. Without a change the latest version is given back. `base` is
    the number that the editor began with; `by` None is the command line, which may everything.
    Raises NotNow when somebody saved in between; WorkflowInvalid for what cannot be kept, or what
    this user may not write (M-25).
    """
    Workflow.objects.select_for_update().get(pk=workflow.pk)
    latest = WorkflowVersion.objects.filter(workflow=workflow).order_by("-number").first()
    if latest is not None and base is not None and base != latest.number:
        raise NotNow(
            f"{latest.created_by} saved version {latest.number} of this workflow while you worked "
            f"on version {base}. Nothing of yours was saved: keep what you typed, open the latest "
            "version, and make your change there."
        )
    kept = read_definition(latest) if latest is not None else Definition()
    mistakes = list(what_cannot_be_kept(definition))
    if by is not None and not mistakes:
        mistakes.extend(what_is_not_theirs(definition, kept, by))
    if mistakes:
        raise WorkflowInvalid(mistakes)
    if latest is not None and definition.as_data() == kept.as_data():
        return latest
    version = write_version(workflow, definition, by=by_name, note=note)
    if latest is not None and is_replaced(workflow, latest):
        latest.delete()
    _touch(workflow)
    return version


def is_replaced(workflow: Workflow, latest: WorkflowVersion) -> bool:
    """Whether nothing can ask for it any more: the workflow never ran."""
    was_live = WorkflowVersion.objects.filter(workflow=workflow, activated_at__isnull=False)
    return not (latest.activated_at or was_live.exists() or workflow.runs.exists())


@transaction.atomic
def rename(workflow: Workflow, name: str) -> None:
    """Give another name. Runs keep the one that they began with. Raises WorkflowInvalid."""
    wanted = name.strip()
    if mistakes := list(_wrong_name(wanted)):
        raise WorkflowInvalid(mistakes)
    workflow.name, workflow.updated_at = wanted, timezone.now()
    _store_name(workflow, insert=False)


def describe(workflow: Workflow, description: str) -> None:
    """Set the description. Raises WorkflowInvalid."""
    if mistakes := list(_wrong_description(description)):
        raise WorkflowInvalid(mistakes)
    workflow.description = description.strip()
    workflow.updated_at = timezone.now()
    workflow.save(update_fields=["description", "updated_at"])


@transaction.atomic
def copy_workflow(workflow: Workflow, name: str, *, by: User | None, by_name: str) -> Workflow:
    """A draft with another name and the latest saved blocks. Raises WorkflowInvalid, as saving."""
    made = make_workflow(
        name, workflow.object, workflow.application, workflow.description, by=by_name
    )
    definition = read_definition(latest_version(workflow))
    save_definition(made, definition, by=by, by_name=by_name, note=f"Copied from {workflow.name}")
    return made


def restore_version(
    workflow: Workflow,
    version: WorkflowVersion,
    *,
    by: User | None,
    by_name: str,
    base: int | None = None,
) -> WorkflowVersion:
    """An older definition as the latest version, saved by somebody new. As `save_definition`."""
    return save_definition(
        workflow,
        read_definition(version),
        by=by,
        by_name=by_name,
        note=f"Version {version.number} again",
        base=base,
    )


def _touch(workflow: Workflow) -> None:
    workflow.updated_at = timezone.now()
    workflow.save(update_fields=["updated_at"])


def _store_name(workflow: Workflow, *, insert: bool) -> None:
    try:
        with transaction.atomic():
            if insert:
                workflow.save(force_insert=True)
            else:
                workflow.save(update_fields=["name", "updated_at"])
    except IntegrityError as problem:
        taken = f'There is a workflow with the name "{workflow.name}" already. Choose another.'
        raise WorkflowInvalid([Mistake("", "name", taken)]) from problem


def _wrong_name(name: str) -> Iterator[Mistake]:
    if not name:
        yield Mistake("", "name", "Give the workflow a name.")
    elif len(name) > _LONGEST_NAME:
        yield Mistake("", "name", f"A name has at most {_LONGEST_NAME} characters.")
    elif not name.isprintable():
        yield Mistake("", "name", "A name is one line of characters that can be seen.")


def _wrong_description(description: str) -> Iterator[Mistake]:
    if len(description.strip()) > _LONGEST_DESCRIPTION:
        longest = f"A description has at most {_LONGEST_DESCRIPTION:,} characters."
        yield Mistake("", "description", longest)
    elif "\x00" in description:
        yield Mistake("", "description", "A description cannot hold the character NUL.")
