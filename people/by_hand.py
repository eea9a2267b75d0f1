"""What somebody writes about a person by hand: checked, written with its event, once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

import orjson
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from people.bulk import reserve_ids
from people.errors import PersonGone, PersonInvalid
from people.fields import to_json
from people.identity import email_key, look_alike, username_key
from people.models import CustomField, Event, Person, UniqueValue
from people.services import (
    DATE_FIELDS,
    TEXT_FIELDS,
    PersonChange,
    Writing,
    apply_people,
    unique_key,
)

_LINKS = ("department", "manager", "role")
_LONGEST_NOTE = 300


def _nothing_owns(_person_id: int, _fields: frozenset[str]) -> None:
    """Stand in until an app above knows owners."""


# Told (person id, fields) inside the transaction: whatever writes an owned field by hand must make
# its owner look again (M-7). The app that knows integrations puts its function here.
written_by_hand: Callable[[int, frozenset[str]], None] = _nothing_owns


def save_person(
    person: Person, changed: Mapping[str, Any], *, actor: str, note: str = ""
) -> Person:
    """Write `changed` {field: value as the model or the custom field takes it} and one event.

    A person without a key is created. Only what differs is written; when nothing does, nothing is.
    Raises PersonInvalid with the field of each problem, PersonGone. About twenty queries.
    """
    return write_person(person, changed, Writing(Event.Source.ADMIN, actor, timezone.now()), note)


def write_person(
    person: Person, changed: Mapping[str, Any], writing: Writing, note: str = ""
) -> Person:
    """As `save_person`, on behalf of whom `writing` says."""
    try:
        with transaction.atomic():
            return _save(person, changed, writing, note)
    except IntegrityError:
        # Somebody took the e-mail, username or unique value between our look and our write.
        raise PersonInvalid(_taken_keys(person.pk, changed) or _SOMEONE_WAS_FASTER) from None


_SOMEONE_WAS_FASTER = {"__all__": "Somebody saved the same values just now; look again and retry."}


def _save(person: Person, changed: Mapping[str, Any], writing: Writing, note: str) -> Person:
    current = None
    old_id: int | None = person.pk
    if old_id is None:
        changed = _with_full_name(changed)
    else:
        found = Person.objects.select_for_update(of=("self",)).filter(pk=person.pk)
        current = found.select_related(*_LINKS).first()
        if current is None:
            raise PersonGone("This person was removed meanwhile.")
    changes = _changes(current, changed)
    if current is not None and not changes:
        return current
    if problems := problems_of(person.pk, changed):
        raise PersonInvalid(problems)
    person_id = person.pk if current is not None else reserve_ids(Person, 1)[0]
    manager = changed["manager"] if "manager" in changes else None
    applied = apply_people(
        [
            PersonChange(
                person_id=person_id,
                is_new=current is None,
                changes=changes,
                changes_json=orjson.dumps(changes).decode(),
                manager_id=manager.pk if manager else None,
                note=note[:_LONGEST_NOTE],
            )
        ],
        writing,
    )
    if person_id in applied.moved:
        raise PersonInvalid({"__all__": applied.moved[person_id]})
    written_by_hand(person_id, frozenset(changes))
    return Person.objects.get(pk=person_id)


def _with_full_name(changed: Mapping[str, Any]) -> dict[str, Any]:
    """A new person's full name, from first and last name where nobody typed another."""
    names = (changed.get("first_name"), changed.get("last_name"))
    joined = " ".join(name.strip() for name in names if name and name.strip())
    return {**changed, "full_name": changed.get("full_name") or joined}


def problems_of(person_id: int | None, changed: Mapping[str, Any]) -> dict[str, str]:
    """Why `changed` cannot be saved, by field: empty when it can. About four queries.

    For forms, which show each sentence on its field before anything is written.
    """
    problems = {**_taken_keys(person_id, changed), **_taken_values(person_id, changed)}
    manager = changed.get("manager")
    if manager is not None and manager.pk == person_id:
        problems["manager"] = "A person cannot be their own manager."
    nameless = not (email_key(changed.get("email")) or username_key(changed.get("username")))
    if person_id is None and nameless:
        problems.setdefault("email", "Give an e-mail or a username: people are told apart by them.")
    return problems


def _changes(current: Person | None, changed: Mapping[str, Any]) -> dict[str, list[Any]]:
    """{field: [old, new]} in the JSON types of events, for the fields that differ."""
    blank = Person()
    changes = {}
    for name, value in changed.items():
        old, new = shown_value(current or blank, name), _as_shown(name, value)
        if name == "manager" and current is not None:
            differs = current.manager_id != (value.pk if value else None)
        else:
            differs = old != new
        if differs and not (current is None and new is None):
            changes[name] = [None if current is None else old, new]
    if current is None and "status" not in changes:
        changes["status"] = [None, Person.Status.ACTIVE.value]
    return changes


def shown_value(person: Person, name: str) -> Any:
    """A field's value as events hold it: text, ISO dates, names of linked rows; None when blank."""
    if name in TEXT_FIELDS or name in DATE_FIELDS or name in _LINKS or name == "status":
        return _as_shown(name, getattr(person, name))
    return person.custom.get(name)


def _as_shown(name: str, value: Any) -> Any:
    if value is None or value == "":
        return None
    if name == "manager":
        return value.email or str(value)
    if name in _LINKS:
        return value.name
    if name == "status":
        return str(value)
    return to_json(value.strip() if isinstance(value, str) else value)


def _taken_keys(person_id: int | None, changed: Mapping[str, Any]) -> dict[str, str]:
    """Who has the e-mail or username already, or one that only looks the same. Two queries."""
    problems = {}
    others = Person.objects.exclude(pk=person_id) if person_id else Person.objects.all()
    if key := email_key(changed.get("email")):
        holder = others.filter(email_key=key).first()
        if holder is not None:
            problems["email"] = f"This e-mail belongs to {_named(holder)}."
        elif twin := _twin(others, key):
            problems["email"] = (
                f"This e-mail looks like that of {_named(twin)}, but is written with other "
                "letters. Type it again by hand; if both are right, ask for another address."
            )
    if key := username_key(changed.get("username")):
        holder = others.filter(username_key=key).first()
        drawn = look_alike(key)
        if holder is not None:
            problems["username"] = f"This username belongs to {_named(holder)}."
        elif drawn and (twin := others.filter(username_key=drawn).first()):
            problems["username"] = (
                f"This username looks like that of {_named(twin)}, but is written with other "
                "letters. Type it again by hand."
            )
    return problems


def _twin(others: Any, key: str) -> Person | None:
    """Who has an e-mail that is drawn like this one but is another (M-2). One query."""
    drawn = look_alike(key)
    looks = Q(email_look_alike=key)
    if drawn:
        looks |= Q(email_key=drawn) | Q(email_look_alike=drawn)
    twin: Person | None = others.filter(looks).first()
    return twin


def _taken_values(person_id: int | None, changed: Mapping[str, Any]) -> dict[str, str]:
    """Who has the value of a unique custom field already. One query, and one per field."""
    problems = {}
    unique = CustomField.objects.filter(
        object=CustomField.Object.PERSON, unique=True, key__in=list(changed)
    )
    for field in unique:
        value = to_json(changed[field.key])
        if value is None:
            continue
        taken = UniqueValue.objects.filter(field=field, key=unique_key(value))
        row = taken.exclude(person=person_id).select_related("person").first()
        if row is not None:
            problems[field.key] = f"{_named(row.person)} has this {field.label} already."
    return problems


def _named(person: Person) -> str:
    return f"{person} (person {person.pk}, {person.get_status_display().lower()})"


def local_today(now: datetime | None = None) -> date:
    """Today in TIME_ZONE."""
    return timezone.localdate(now or timezone.now())
