"""The API block: one call to a vendor for each record, by a preset or an own request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from workflows.api.calls import run_calls
from workflows.api.check import check_block
from workflows.api.planning import plan_calls
from workflows.api.settings import changes_something, may_take_access, variables_set
from workflows.definition import BlockPart
from workflows.errors import Mistake
from workflows.facts import Facts
from workflows.kinds import BlockKind, Outcome, Planned, Step

_READS = 500
_CHANGES = 250
# All removals of a run are seen by the guard at once (M-15).
_REMOVALS = 10_000


class Kind(BlockKind):
    """Calls a vendor for each record; what it answers can be stored."""

    key = "api"
    label = "API"
    icon = "api"
    help = (
        "Calls a vendor for each record: a preset, or an own request. Parts of the answer can be "
        "stored in fields and variables."
    )
    calls = True
    form = "workflows.forms.api:ApiForm"

    def batch(self, block: BlockPart) -> int:
        """As many as the guard has to see at once, where access may be taken away."""
        if may_take_access(block):
            return _REMOVALS
        return _CHANGES if changes_something(block) else _READS

    def judges_again(self, block: BlockPart) -> bool:
        """Before every call that changes something (M-23)."""
        return changes_something(block)

    def changes_vendor(self, block: BlockPart) -> bool:
        return changes_something(block)

    def is_destructive(self, block: BlockPart) -> bool:
        return may_take_access(block)

    def check(self, block: BlockPart, facts: Facts) -> Iterator[Mistake]:
        return check_block(block, facts)

    def defines(self, block: BlockPart) -> frozenset[str]:
        return variables_set(block)

    def run(self, step: Step) -> Sequence[Outcome]:
        return run_calls(step)

    def plan(self, step: Step) -> Sequence[Planned]:
        return plan_calls(step)
