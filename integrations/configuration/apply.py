"""Making what a configuration file says: read, check all of it, compare, then write at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Q

from integrations import services
from integrations.configuration.check import (
    check_credentials,
    check_fields,
    check_variables,
)
from integrations.configuration.check_integrations import (
    Surroundings,
    check_integration,
    check_users,
)
from integrations.configuration.differences import Secrets, changes, find_secrets
from integrations.configuration.ownership import moved_fields, notes_about
from integrations.configuration.parse import TOO_LARGE, parse
from integrations.configuration.problems import Path, Problems
from integrations.configuration.reader import MAX_BYTES
from integrations.configuration.receipt import Change, Receipt
from integrations.configuration.rights import refuse_without_rights
from integrations.configuration.sections import SECTIONS, After, Work, look_ahead
from integrations.configuration.world import (
    Wishes,
    World,
    read_wishes,
    read_world,
)
from integrations.configuration.write import (
    Author,
    needs_another_look,
    write_credentials,
    write_field,
    write_integration,
    write_state,
    write_variable,
)
from integrations.errors import ConfigurationRefused, FileProblem, NotReady
from integrations.holding import SECRETS, what_is_missing
from integrations.models import Integration
from people.errors import FieldInvalid
from people.models import CustomField
from people.queries import custom_target


def apply_file(path: FilePath | str, *, by: str, plan: bool = False) -> Receipt:
    """Make what the file says; with `plan` only say what would change. Safe to repeat.

    Secrets in files are looked for beside this one. Raises ConfigurationRefused.
    """
    file = FilePath(path)
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:  # what follows was not read, so nothing of it is applied
            raise ConfigurationRefused(str(path), [_about_file(TOO_LARGE)])
        text = content.decode("utf-8-sig")
    except OSError as problem:
        reason = problem.strerror or type(problem).__name__
        raise ConfigurationRefused(str(path), [_about_file(f"cannot be read: {reason}")]) from None
    except UnicodeDecodeError:
        raise ConfigurationRefused(str(path), [_about_file("is no UTF-8 text")]) from None
    return apply_text(text, by=by, plan=plan, file=str(path), folder=file.parent)


def _about_file(message: str) -> FileProblem:
    return FileProblem(None, "", message)


def apply_text(
    text: str,
    *,
    by: str,
    plan: bool = False,
    file: str = "configuration",
    folder: FilePath | None = None,
) -> Receipt:
    """Make what the text says, as `apply_file` does, in one transaction.

    Where `by` is the name of a user, their permissions count.
    """
    parts, _document, problems = parse(text, file=file)
    folder = folder or FilePath.cwd()
    author = _author(by)
    refuse_without_rights(parts, author.user, problems)
    if plan:
        return _prepare(parts, folder, author, problems, plan=True)[0]
    try:
        with transaction.atomic():
            receipt, work = _prepare(parts, folder, author, problems, plan=False)
            if receipt.changes:
                _write(work, author, problems)
    except IntegrityError:
        raise ConfigurationRefused(
            file,
            [_about_file("Somebody changed the same things at the same moment; apply it again.")],
        ) from None
    return receipt


def _author(by: str) -> Author:
    return Author(by, User.objects.filter(**{User.USERNAME_FIELD: by}).first())


@dataclass(frozen=True)
class _Work:
    """What was checked and is to be written; `losers` are integrations that lose a field.

    `above` is the same of the sections that apps above bring.
    """

    wishes: Wishes
    world: World
    secrets: Mapping[str, Secrets]
    found: Sequence[tuple[Change, Any]]
    losers: frozenset[str]
    above: Sequence[Work]


def _prepare(
    parts: Any, folder: FilePath, author: Author, problems: Problems, *, plan: bool
) -> tuple[Receipt, _Work]:
    """Check and compare everything. Raises ConfigurationRefused with every mistake."""
    world = read_world()
    wishes = read_wishes(parts, world, problems)
    check_variables(wishes.variables, problems)
    check_fields(wishes.fields, problems)
    for credentials in wishes.credentials:
        check_credentials(credentials, world, problems)
    secrets = {one.key: find_secrets(one, folder, problems) for one in wishes.credentials}
    around = _surroundings(wishes, world, secrets, problems)
    remarks = [
        remark
        for wish in wishes.integrations
        for remark in check_integration(wish, around, problems)
    ]
    check_users(wishes, world, problems)
    after = look_ahead(wishes, world, around.variables, around.with_secrets)
    above = _prepare_above(parts, after, author, problems)
    problems.refuse_if_any()
    found = list(changes(wishes, world, secrets))
    notes = [note for one in secrets.values() for note in one.notes]
    moved = moved_fields(wishes, world)
    notes += [*remarks, *notes_about(moved, planned=plan)]
    notes += [note for work in above for note in work.notes]
    told = [change for change, _about in found] + [one for work in above for one in work.changes]
    losers = frozenset(old for old, _new in moved)
    receipt = Receipt(tuple(told), tuple(notes), planned=plan)
    return receipt, _Work(wishes, world, secrets, found, losers, above)


def _prepare_above(parts: Any, after: After, author: Author, problems: Problems) -> list[Work]:
    """What apps above say of their sections."""
    return [
        section.prepare(getattr(parts, section.name), after, author, problems)
        for section in SECTIONS
    ]


def _surroundings(
    wishes: Wishes, world: World, secrets: dict[str, Secrets], problems: Problems
) -> Surroundings:
    targets = dict(world.targets)
    for object_, wish in wishes.fields:
        known = targets.get(wish.key)
        if object_ == CustomField.Object.PERSON or known is None or known.of_saas_user:
            targets[wish.key] = custom_target(
                CustomField(
                    object=object_,
                    key=wish.key,
                    label=wish.wanted["label"],
                    type=wish.wanted["type"],
                    unique=wish.wanted.get("unique", False),
                )
            )
    in_file = {one.key for one in wishes.integrations}
    return Surroundings(
        world=world,
        variables={**world.variables, **wishes.variables},
        targets=targets,
        credentials={one.key: one for one in wishes.credentials},
        with_secrets=frozenset(
            {
                one.key
                for one in wishes.credentials
                if secrets[one.key].names.issuperset(SECRETS[one.wanted["type"]])
            }
            # A secret that cannot be read is told where it stands, not again at each user.
            | {one.key for one in wishes.credentials if problems.are_under((*one.path, "secrets"))}
            | {
                name
                for name, row in world.credentials.items()
                if name not in secrets and not what_is_missing(row)
            }
        ),
        status_owners=frozenset(
            {
                one.key
                for one in wishes.integrations
                if one.wanted["state"] != Integration.State.DRAFT
                and any(mapping["target"] == "status" for mapping in one.wanted["mappings"])
            }
            | {
                name
                for name, row in world.integrations.items()
                if name not in in_file
                and row.state != Integration.State.DRAFT
                and any(mapping.target == "status" for mapping in row.mappings.all())
            }
        ),
    )


def _write(work: _Work, author: Author, problems: Problems) -> None:
    """Write in the order of the sections, so that what is named exists. Raises as `apply_text`."""
    owners = services.field_owners()
    again: set[int] = set()
    for change, about in work.found:
        if change.section == "variables":
            write_variable(about, work.wishes.variables[about], author)
        elif change.section == "credentials":
            write_credentials(about, work.secrets[about.key], work.world.groups, author)
        elif change.section == "integrations":
            row = _write_integration(about, author, problems)
            if needs_another_look(about):
                again.add(row.pk)
        else:
            object_, wish = about
            _write_field(object_, wish, problems)
    # The new owners look again by what `hold_new_owners` does; those who lost a field do so here.
    gained = {owner.integration_id for owner in services.hold_new_owners(owners)}
    to_look = Q(pk__in=again) | Q(name__in=work.losers)
    rows = Integration.objects.filter(to_look).exclude(pk__in=gained)
    for integration in rows:
        services.look_again(integration)
    for above in work.above:
        above.write(problems)


def _write_field(object_: str, wish: Any, problems: Problems) -> None:
    try:
        write_field(object_, wish)
    except FieldInvalid as problem:
        problems.add((*wish.path, problem.field), str(problem))
        problems.refuse_if_any()


def _write_integration(wish: Any, author: Author, problems: Problems) -> Integration:
    row = write_integration(wish, author)
    try:
        write_state(wish, row, author)
    except NotReady as mistakes:
        for one in mistakes.problems:
            path: Path = (*wish.path, *one.field.split("."))
            problems.add(path, one.message)
        problems.refuse_if_any()
    return row
