"""Old -> new for everything that a file changes; what is already so is left out. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from integrations.auth import lint_secret
from integrations.configuration.check import field_row
from integrations.configuration.describe import defaults, describe_field
from integrations.configuration.problems import Problems
from integrations.configuration.receipt import Change, FieldChange
from integrations.configuration.schema import PARTS, CredentialsPart
from integrations.configuration.world import OBJECTS, Wanted, Wishes, World
from integrations.errors import SecretsUnreadable, UnknownVendor
from integrations.holding import SECRETS
from integrations.models import Credentials
from integrations.references import SecretUnset, SecretUnusable, read_secret
from integrations.registry import get_vendor
from integrations.secrets import open_sealed

SECTION_OF = {object_: section for section, object_ in OBJECTS.items()}
# Values of these are told key by key.
_BY_KEY = frozenset({"settings", "inputs", "overrides", "limits"})


@dataclass(frozen=True)
class Secrets:
    """The secrets that a file brings for one set of credentials, opened; never shown.

    `changed` are those that differ from what is stored; `start_anew` when what is stored cannot be
    read any more and is to be replaced as a whole. `references` says where secrets are
    that are kept outside; then nothing is read.
    """

    changed: Mapping[str, str] = field(default_factory=dict, repr=False)
    stored: frozenset[str] = frozenset()
    start_anew: bool = False
    notes: tuple[str, ...] = ()
    references: Mapping[str, Mapping[str, str]] | None = None
    moved: tuple[FieldChange, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """The names of all secrets that the credentials hold, or name a place for, afterwards."""
        if self.references is not None:
            return frozenset(self.references)
        return (frozenset() if self.start_anew else self.stored) | frozenset(self.changed)


def find_secrets(
    wish: Wanted[CredentialsPart, Credentials], folder: FilePath, problems: Problems
) -> Secrets:
    """Read what `secrets` names and compare it with what is stored. One query where it is stored.

    An unset place keeps the stored secret and says so (M-35); the first time it is a mistake. An
    imported refresh token that was taken over before is not taken again: it has been renewed since.
    """
    if wish.wanted["stored"] == Credentials.Stored.REFERENCE:
        return _references(wish)
    stored, readable = _stored(wish.row)
    given: dict[str, str] = {}
    notes: list[str] = []
    for name, reference in wish.part.secrets.items():
        path = (*wish.path, "secrets", name)
        try:
            given[name] = read_secret(reference, folder)
        except SecretUnusable as problem:
            problems.add(path, str(problem))
        except SecretUnset as problem:
            if name in stored or (not readable and wish.row and name in wish.row.hints):
                notes.append(f'credentials "{wish.key}": {problem}; the stored {name} is kept')
            else:
                problems.add(path, str(problem))
    known = {**stored}
    if _is_other_client(wish, stored, given):
        known.pop("refresh_token", None)  # it goes with the client that it was given to
    elif given.get("refresh_token") == stored.get("imported"):
        known["refresh_token"] = given.get("refresh_token", "")
    changed = {name: value for name, value in given.items() if known.get(name) != value}
    notes += [
        f'credentials "{wish.key}": {warning}'
        for value in changed.values()
        if (warning := _lint(wish, value))
    ]
    of_other_type = wish.row is not None and wish.row.type != wish.wanted["type"]
    all_given = set(given) >= set(SECRETS[wish.wanted["type"]])
    anew = (not readable or of_other_type) and all_given
    if not readable and changed and not anew:
        problems.add(
            (*wish.path, "secrets"),
            "what is stored cannot be read with the keys in FERNET_KEYS; give all of its secrets",
        )
    return Secrets(changed, frozenset(stored), anew, tuple(notes))


def _is_other_client(
    wish: Wanted[CredentialsPart, Credentials],
    stored: Mapping[str, str],
    given: Mapping[str, str],
) -> bool:
    """Whether what was granted before ends with this file."""
    was = (wish.row.settings if wish.row else {}).get("grant_type")
    client = stored.get("client_id")
    return was != wish.wanted["settings"].get("grant_type") or client != given.get(
        "client_id", client
    )


def _references(wish: Wanted[CredentialsPart, Credentials]) -> Secrets:
    """Where secrets are that are kept outside: only names, of the file or as they are stored."""
    old: Mapping[str, Mapping[str, str]] = wish.row.references if wish.row else {}
    new: dict[str, Mapping[str, str]] = {**wish.part.secrets} or {**old}
    moved = tuple(
        FieldChange(f"secrets.{name}", old.get(name), new.get(name))
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    )
    return Secrets(references=new, moved=moved)


def _stored(row: Credentials | None) -> tuple[dict[str, str], bool]:
    if row is None:
        return {}, True
    try:
        return open_sealed(row), True
    except SecretsUnreadable:
        return {}, False


def _lint(wish: Wanted[CredentialsPart, Credentials], value: str) -> str | None:
    try:
        auth = get_vendor(wish.wanted["vendor"]).manifest.auth
    except UnknownVendor:
        return None
    return lint_secret(auth, wish.wanted["type"], value)


def changes(
    wishes: Wishes, world: World, secrets: Mapping[str, Secrets]
) -> Iterator[tuple[Change, Any]]:
    """Each change with what it is about: a key of the variables, or a Wanted."""
    for key, value in wishes.variables.items():
        old = world.variables.get(key)
        if old != value:
            yield Change("variables", key, old is None, (FieldChange("value", old, value),)), key
    for object_, wish in wishes.fields:
        wanted = describe_field(field_row(object_, wish))
        if change := _change(SECTION_OF[object_], wish.key, wish.current, wanted):
            yield change, (object_, wish)
    for credentials in wishes.credentials:
        extra = _secret_changes(secrets[credentials.key])
        if change := _change(
            "credentials", credentials.key, credentials.current, credentials.wanted, extra
        ):
            yield change, credentials
    for integration in wishes.integrations:
        if change := _change(
            "integrations", integration.key, integration.current, integration.wanted
        ):
            yield change, integration


def _secret_changes(secrets: Secrets) -> tuple[FieldChange, ...]:
    if secrets.references is not None:
        return secrets.moved
    return tuple(
        FieldChange(
            f"secrets.{name}", *(("set", "changed") if name in secrets.stored else (None, "set"))
        )
        for name in secrets.changed
    )


def _change(
    section: str,
    name: str,
    current: Mapping[str, Any] | None,
    wanted: Mapping[str, Any],
    extra: tuple[FieldChange, ...] = (),
) -> Change | None:
    # Of something new only what differs from nothing at all and from the defaults is told.
    old = defaults(PARTS[section]) if current is None else current
    fields = [
        change
        for key, value in wanted.items()
        if key != "name"
        for change in _field_changes(key, old.get(key), value)
    ]
    if current is None:
        fields = [FieldChange(one.name, None, one.new) for one in fields]
    elif not fields and not extra:
        return None
    return Change(section, name, current is None, (*fields, *extra))


def _field_changes(name: str, old: Any, new: Any) -> Iterator[FieldChange]:
    if old == new and _same_type(old, new):
        return
    if name == "mappings":
        yield from _mapping_changes(old or [], new)
    elif name in _BY_KEY:
        for key in {**(old or {}), **new}:
            was, becomes = (old or {}).get(key), new.get(key)
            if was != becomes or not _same_type(was, becomes):
                yield FieldChange(f"{name}.{key}", was, becomes)
    elif not (old is None and new in (None, [], {})):
        yield FieldChange(name, old, new)


def _same_type(old: Any, new: Any) -> bool:
    """Python takes True for 1 and 1 for 1.0; a filter does not."""
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() == new.keys() and all(_same_type(old[key], new[key]) for key in old)
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_same_type, old, new))
    return type(old) is type(new)


def _mapping_changes(old: list[Any], new: list[Any]) -> Iterator[FieldChange]:
    """One line per target; the target itself stands in the name."""
    before, after = _by_target(old), _by_target(new)
    told = False
    for target in {**before, **after}:
        if before.get(target) != after.get(target):
            told = True
            yield FieldChange(f"mappings.{target}", before.get(target), after.get(target))
    if not told:
        yield FieldChange("mappings", "the same in another order", list(after))


def _by_target(mappings: list[Any]) -> dict[str, Any]:
    return {
        one["target"]: {key: value for key, value in one.items() if key != "target"}
        for one in mappings
    }
