"""Calls that a person asked for again: each under the key of the first, with a number behind it."""

from __future__ import annotations

from collections.abc import Collection

from integrations.models import Operation

# So often anybody asks for one call again, for whoever looks for the newest.
_MOST = 20


def repeated_key(first: str, number: int) -> str:
    """The key of the call that was asked for again for the so manieth time."""
    return f"{first[:190]}#{number}"


def newest_calls(keys: Collection[str]) -> dict[str, Operation]:
    """The call with each of these keys, or the newest that was asked for again in its place.

    By the key that was given; only a call that was refused can be asked for again. One query, two
    where some were refused.
    """
    found = {row.key: row for row in Operation.objects.filter(key__among=list(keys))}
    again = {
        repeated_key(key, number): key
        for key, row in found.items()
        if row.state == Operation.State.REFUSED
        for number in range(1, _MOST + 1)
    }
    if again:
        repeats = Operation.objects.filter(key__among=list(again))
        found |= {again[row.key]: row for row in repeats.order_by("retry")}
    return found
