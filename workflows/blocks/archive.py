"""Archive: deactivates the record here, within the guard; nothing happens at any vendor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from workflows.block_checks import unknown_settings
from workflows.definition import BlockPart
from workflows.errors import Mistake
from workflows.facts import Facts
from workflows.kinds import BlockKind, Item, Outcome, Planned, Step
from workflows.records import DEACTIVATED
from workflows.removals import foresee, removal_changes

_BECAUSE = "A workflow archives it."


class Kind(BlockKind):
    key = "archive"
    label = "Archive"
    icon = "archive"
    help = (
        "Deactivates the person or the account here; roles end. Nothing changes at the vendor, and "
        "a load that still lists the record may bring it back. More than the limit of 24 hours "
        "waits for a person's approval."
    )

    def batch(self, block: BlockPart) -> int:
        return 100_000  # the guard has to see all removals of a run

    def judges_again(self, block: BlockPart) -> bool:
        return True

    def is_destructive(self, block: BlockPart) -> bool:
        return True

    def check(self, block: BlockPart, facts: Facts) -> Iterator[Mistake]:
        yield from unknown_settings(block, ())

    def run(self, step: Step) -> Sequence[Outcome]:
        return [_outcome(item) for item in step.items]

    def plan(self, step: Step) -> Sequence[Planned]:
        """Say whom the guard and the shields would keep from it. Up to ten queries."""
        spared, held = foresee(step)
        return [_planned(item, spared.get(item.record.id, ""), held) for item in step.items]


def _outcome(item: Item) -> Outcome:
    if item.record.status == DEACTIVATED:
        return Outcome(note="It was deactivated here already.")
    return Outcome(removes=_BECAUSE, note="Deactivated here.")


def _planned(item: Item, shield: str, held: str) -> Planned:
    if item.record.status == DEACTIVATED:
        return Planned("deactivate", "Changes nothing: it is deactivated already.", "success")
    if shield:
        return Planned("deactivate", f"Left as it is. {shield}", "success")
    values = item.record.values
    roles = values.get("roles") if item.record.object == "saas_user" else ()
    changes = removal_changes(values["status"], roles or ())
    return Planned(
        "deactivate",
        "Deactivates the record here.",
        "success",
        changes=changes,
        warnings=(f"It would be held: {held}",) if held else (),
    )
