"""Renames that cannot happen: the e-mail or username is not given up, or two would get it (M-3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.db.models import Q

from people.identity import email_key, username_key
from people.models import Person

_KEY_OF = {"email": email_key, "username": username_key}
_WORDS = {"email": "e-mail", "username": "username"}
Place = tuple[str, str | None]


def find_stuck(rows: Sequence[Mapping[str, Any]], moved: Mapping[int, str]) -> dict[int, str]:
    """Which planned rows would take a key that its holder keeps, or that two rows bring, and why.

    `rows` are all rows of the plan that change keys, `moved` are ids of people whose row is no
    longer as it was planned, with the reason. One that is stuck keeps its own key, and so the next
    one may be stuck. One query.
    """
    moves = {
        row["target_id"]: dict(_new_keys(row)) for row in rows if row["target_id"] not in moved
    }
    brought = Counter(place for keys in moves.values() for place in keys.items())
    holders = _holders(brought)
    stuck = {row["id"]: moved[row["target_id"]] for row in rows if row["target_id"] in moved}
    while True:
        more = {
            row["id"]: reason
            for row in rows
            if row["target_id"] in moves
            and (reason := _why_stuck(row["target_id"], moves, brought, holders))
        }
        if not more:
            return stuck
        stuck |= more
        for row in rows:
            if row["id"] in more:
                moves.pop(row["target_id"], None)


def _why_stuck(
    person: int,
    moves: Mapping[int, Mapping[str, str | None]],
    brought: Mapping[Place, int],
    holders: Mapping[Place, int],
) -> str:
    for name, key in moves[person].items():
        holder = holders.get((name, key))
        if key is None or holder == person:
            continue
        if brought[name, key] > 1:
            return f"Another record brings the same {_WORDS[name]}. Change one at the vendor."
        if holder is not None and moves.get(holder, {}).get(name, key) == key:
            return (
                f"Its {_WORDS[name]} still belongs to person {holder}, who keeps it. "
                "Change one of the two at the vendor."
            )
    return ""


def _holders(places: Mapping[Place, int]) -> dict[Place, int]:
    emails = [key for name, key in places if name == "email" and key]
    usernames = [key for name, key in places if name == "username" and key]
    people = Person.objects.filter(Q(email_key__among=emails) | Q(username_key__among=usernames))
    holders: dict[Place, int] = {}
    for pk, email, username in people.values_list("pk", "email_key", "username_key"):
        holders["email", email] = holders["username", username] = pk
    return holders


def _new_keys(row: Mapping[str, Any]) -> Iterator[Place]:
    for name, key_of in _KEY_OF.items():
        if name in row["changes"]:
            yield name, key_of(row["changes"][name][1])
