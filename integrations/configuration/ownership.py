"""Which integration owns a people field now, and which will when the file is applied (M-6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from integrations.configuration.describe import describe_integration
from integrations.configuration.world import Wishes, World
from integrations.models import Integration

_NOT_STORED_YET = 1 << 62


def moved_fields(wishes: Wishes, world: World) -> dict[tuple[str, str], list[str]]:
    """{(owner before, owner after): fields} of fields whose owner changes. No query."""
    stored = {name: describe_integration(row) for name, row in world.integrations.items()}
    wanted = {**stored, **{wish.key: wish.wanted for wish in wishes.integrations}}
    ids = {name: row.pk for name, row in world.integrations.items()}
    before, after = _owners(stored, ids), _owners(wanted, ids)
    moved: dict[tuple[str, str], list[str]] = {}
    for field, owner in before.items():
        if field in after and after[field] != owner:
            moved.setdefault((owner, after[field]), []).append(field)
    return moved


def notes_about(moved: Mapping[tuple[str, str], list[str]], *, planned: bool) -> Iterable[str]:
    """What the reader is told before the next owner writes over anything."""
    for (old, new), fields in moved.items():
        verb = "would own" if planned else "owns"
        yield (
            f'"{new}" {verb} {", ".join(fields)} of people, which "{old}" owned; its next run is '
            "only previewed, until somebody has looked at it and runs it again"
        )


def _owners(
    integrations: Mapping[str, Mapping[str, Any]], ids: Mapping[str, int]
) -> dict[str, str]:
    """The lowest priority number owns a field, of equals the older; drafts own nothing."""
    launched = [
        (one["priority"], ids.get(name, _NOT_STORED_YET), name)
        for name, one in integrations.items()
        if one["state"] != Integration.State.DRAFT
    ]
    owners: dict[str, str] = {}
    for _priority, _id, name in sorted(launched):
        for mapping in integrations[name]["mappings"]:
            owners.setdefault(mapping["target"], name)
    return owners
