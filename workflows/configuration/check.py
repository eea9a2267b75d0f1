"""Is what the file wants of workflows possible. Reads, never writes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from django.contrib.auth.models import User

from integrations.configuration.problems import Path, Problems
from integrations.errors import did_you_mean
from workflows.block_checks import is_unknown_setting
from workflows.configuration.describe import State
from workflows.configuration.facts import Ahead, facts_for
from workflows.configuration.wishes import Wish, change_of
from workflows.definition import BEGIN, Definition
from workflows.errors import Mistake
from workflows.keeping import what_cannot_be_kept
from workflows.kinds import kinds
from workflows.models import Workflow
from workflows.rights import what_is_not_theirs
from workflows.validation import check, in_words

_STEP = re.compile(r"[^.\[\]]+|\[\d+\]")


def check_workflow(
    wish: Wish, ahead: Ahead, user: User | None, problems: Problems
) -> Iterator[str]:
    """Note every mistake of one workflow; gives remarks, such as what a draft still lacks."""
    if change_of(wish) is not None:
        _check_rights(wish, user, problems)
    if not _fits_what_is_stored(wish, ahead, problems):
        return
    definition = wish.wanted.definition
    kept = list(what_cannot_be_kept(definition))
    add_mistakes(wish, kept, problems)
    unknown = _unknown_kinds(definition, wish, problems)
    if kept or unknown:
        return
    found = check(definition, facts_for(wish, ahead))
    add_mistakes(wish, [one for one in found if is_unknown_setting(one)], problems)
    forbids = [one for one in found if not one.warning]
    if wish.goes_live:
        add_mistakes(wish, forbids, problems)
        forbids = []
    if wish.is_changed or wish.goes_live or wish.wanted.state == State.DRAFT:
        warnings = [one for one in found if one.warning]
        for one in [*forbids, *warnings]:
            yield f'workflow "{wish.name}": {in_words(definition, one)}'


def add_mistakes(wish: Wish, mistakes: Iterable[Mistake], problems: Problems) -> None:
    """Note each at the line of its block."""
    for one in mistakes:
        problems.add(path_of(wish, one), one.message)


def path_of(wish: Wish, mistake: Mistake) -> Path:
    """Where in the file a mistake stands."""
    steps: list[str | int] = [
        int(step[1:-1]) if step.startswith("[") else step for step in _STEP.findall(mistake.field)
    ]
    if not mistake.block:
        return (*wish.path, *steps)
    if mistake.block == BEGIN:
        return (*wish.path, BEGIN, *steps)
    for number, block in enumerate(wish.wanted.definition.blocks):
        if block.key == mistake.block:
            return (*wish.path, "blocks", number, *steps)
    return (*wish.path, "blocks")


def _check_rights(wish: Wish, user: User | None, problems: Problems) -> None:
    """Who applies from a shell may everything; a user what the pages let them do (M-25, M-36)."""
    if user is None:
        return
    needed = ["workflows.change_workflow" if wish.stored else "workflows.add_workflow"]
    if wish.goes_live or wish.was != wish.wanted.state:
        needed.append("workflows.activate_workflow")
    for permission in needed:
        if not user.has_perm(permission):
            problems.add(
                wish.path,
                f'"{user}" may not do this: the permission {permission} is missing. '
                "The group IT admin has it.",
            )
    kept = wish.stored.described.definition if wish.stored else Definition()
    if not list(what_cannot_be_kept(wish.wanted.definition)):
        add_mistakes(wish, what_is_not_theirs(wish.wanted.definition, kept, user), problems)


def _fits_what_is_stored(wish: Wish, ahead: Ahead, problems: Problems) -> bool:
    """Object and application say what a workflow is about, and stay."""
    before = problems.count()
    wanted, old = wish.wanted, wish.stored.described if wish.stored else None
    known = ahead.after.applications
    if wanted.object == Workflow.Object.PERSON and wanted.application:
        problems.add(
            (*wish.path, "application"),
            "a workflow on people is about no application; leave it out, or write "
            "object: saas_user",
        )
    elif wanted.object == Workflow.Object.SAAS_USER and not wanted.application:
        problems.add(
            (*wish.path, "application"), "is missing: name the one whose SaaS users it is about"
        )
    elif wanted.application and wanted.application not in known:
        problems.add(
            (*wish.path, "application"),
            f'there is no application "{wanted.application}", and no integration of this file '
            f"makes it.{did_you_mean(wanted.application, known)}",
        )
    if old is not None:
        for name in ("object", "application"):
            if getattr(old, name) != getattr(wanted, name):
                problems.add(
                    (*wish.path, name),
                    f"is {getattr(old, name) or 'none'} and stays; make another workflow",
                )
        if old.state != State.DRAFT and wanted.state == State.DRAFT:
            problems.add(
                (*wish.path, "state"),
                "was activated and is no draft any more; write paused or archived to stop it",
            )
    return problems.count() == before


def _unknown_kinds(definition: Definition, wish: Wish, problems: Problems) -> bool:
    unknown = [one for one in enumerate(definition.blocks) if one[1].kind not in kinds()]
    for number, block in unknown:
        problems.add(
            (*wish.path, "blocks", number, "kind"),
            f'there is no kind of block "{block.kind}".{did_you_mean(block.kind, kinds())} '
            f"It is one of: {', '.join(kinds())}.",
        )
    return bool(unknown)
