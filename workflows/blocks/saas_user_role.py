"""SaaS User Role: reads the roles of many accounts at once, and deactivates here by choice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from workflows.definition import BlockPart
from workflows.errors import Mistake
from workflows.facts import Facts
from workflows.kinds import BlockKind, Item, Outcome, Planned, Step
from workflows.roles.check import check_block
from workflows.roles.opening import NotReady, Opened, open_account
from workflows.roles.outcomes import external_id_of
from workflows.roles.run import read_roles


class Kind(BlockKind):
    key = "saas_user_role"
    label = "SaaS User Role"
    icon = "badge"
    help = (
        "Reads the roles of SaaS users from their vendor. By choice it deactivates here whom the "
        "vendor deactivated or no longer knows; nothing is changed at the vendor."
    )
    objects = ("saas_user",)
    calls = True

    def batch(self, block: BlockPart) -> int:
        # One listing serves them all, and the guard has to see all removals of a run.
        return 100_000

    def judges_again(self, block: BlockPart) -> bool:
        return True

    def is_destructive(self, block: BlockPart) -> bool:
        return False  # it takes nothing away at the vendor; what it deactivates here is guarded

    def check(self, block: BlockPart, facts: Facts) -> Iterator[Mistake]:
        yield from check_block(block, facts)

    def run(self, step: Step) -> Sequence[Outcome]:
        return read_roles(step)

    def plan(self, step: Step) -> Sequence[Planned]:
        """Say what would be asked, with nothing sent. Five queries."""
        try:
            opened = open_account(step)
        except NotReady as problem:
            nothing = Planned("call", "Would stop the workflow.", "failure", problem=str(problem))
            return [nothing for _item in step.items]
        return [_planned(opened, item) for item in step.items]


def _planned(opened: Opened, item: Item) -> Planned:
    label = opened.label
    sentences = [f"Reads the roles of {item.record.label} at {label}."]
    if opened.by_status:
        sentences.append(f"Deactivates the account here if {label} says that it is not active.")
    if opened.by_absence:
        sentences.append(f"Deactivates the account here if {label} does not know it any more.")
    return Planned(
        "call",
        " ".join(sentences),
        "success",
        request=opened.look_up_request(external_id_of(item)),
    )
