"""What a block kind is, what it gets and gives, and the registry of all kinds.

A module under `workflows/blocks/` with a class `Kind` is a kind; being there is the registration.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from workflows.definition import BlockPart, Definition
from workflows.errors import Mistake
from workflows.models import Workflow, WorkflowVersion
from workflows.records import Record

if TYPE_CHECKING:
    from workflows.facts import Facts


class Then(StrEnum):
    """What becomes of an item after its block ran."""

    # It leaves by `Outcome.exit`.
    GOES_ON = "goes on"
    # It stays, and the block runs again when its time, operation or approval has come.
    WAITS = "waits"
    # A person has to approve it by name first (M-15); then the block runs again.
    IS_HELD = "is held"
    # A person has to mend the workflow, its credentials, or Rolecall. It ends as failed here,
    # takes no exit, and can be retried from this block; the workflow is paused (F-40).
    STOPS = "stops"


@dataclass(frozen=True)
class Failure:
    """Why a block failed, as later blocks name it: {{ failure.reason }}, `.code`, `.status`."""

    reason: str
    code: str = ""
    status: int | None = None


@dataclass(frozen=True)
class Mail:
    """A mail that a block sends, once: it is queued in the transaction that moves the item on.

    `together`: it is about all items of the batch that carry it, and sent once for those of them
    that nobody cancelled meanwhile.
    """

    subject: str
    body: str
    recipients: tuple[str, ...]
    together: bool = False


@dataclass(frozen=True)
class Outcome:
    """What one block did with one item. Everything that it wants written the engine writes.

    `sets` are fields of the record with their new values (M-24), `variables` those of the item;
    `roles` the rows that the account has now (None: not known), `removes` asks to deactivate the
    record here, which the guard may hold; `found` says whether the vendor knows the account.
    `request` and `answer` are kept masked and trimmed.
    """

    then: Then = Then.GOES_ON
    exit: str = "success"
    sets: Mapping[str, Any] = field(default_factory=dict, repr=False)
    variables: Mapping[str, Any] = field(default_factory=dict, repr=False)
    roles: Sequence[Mapping[str, str]] | None = None
    removes: str = ""  # why, for the event and for who approves; empty: it does not
    found: bool | None = None
    failure: Failure | None = None
    mails: tuple[Mail, ...] = ()
    request: Any = field(default=None, repr=False)
    answer: Any = field(default=None, repr=False)
    status: int | None = None
    code: str = ""
    note: str = ""
    operation_id: int | None = None
    waits_for: str = ""
    due_at: datetime | None = None
    # Of what a person would approve: another hash later means that it changed (M-14).
    held_hash: str = ""
    # For the item's context: {"since": ...} of a delay, and such.
    context: Mapping[str, Any] = field(default_factory=dict)


def failed(reason: str, *, code: str = "", status: int | None = None, **more: Any) -> Outcome:
    """An outcome by the exit `failure`."""
    return Outcome(
        exit="failure",
        failure=Failure(reason, code, status),
        code=code,
        status=status,
        note=reason,
        **more,
    )


def stops(reason: str, *, code: str = "not_ready") -> Outcome:
    """An outcome for what only a person can mend."""
    return Outcome(then=Then.STOPS, exit="", code=code, note=reason)


@dataclass(frozen=True)
class Item:
    """One claimed item, with its record as it is now."""

    id: int
    run_id: int
    record: Record
    fence: int
    retry: int = 0
    # The how-manieth try it is: a vendor that was away is tried again, five times in all (C-25).
    tries: int = 0
    context: Mapping[str, Any] = field(default_factory=dict, repr=False)
    event_changes: Mapping[str, Any] | None = field(default=None, repr=False)
    operation_id: int | None = None
    # Who approved by name what was held; then it does not count towards the guard (M-15).
    approved_by: str = ""
    held_hash: str = ""


def operation_key(item_id: int, block: str, retry: int) -> str:
    """The key of the call that a block makes for an item; grows only when a person asks (M-26)."""
    return f"item:{item_id}:{block}:{retry}"


@dataclass(frozen=True)
class Step:
    """One batch of items at one block. `clock` moves on while the block works.

    `taken`: how many of each run were claimed together and not approved, by run; also those that
    ended before it.
    """

    workflow: Workflow
    version: WorkflowVersion
    definition: Definition
    block: BlockPart
    items: Sequence[Item]
    now: datetime
    zone: tzinfo
    clock: Callable[[], datetime]
    variables: Mapping[str, str] = field(repr=False)  # global ones, read once per batch
    taken: Mapping[int, int] = field(default_factory=dict)

    def values(self, item: Item) -> dict[str, Any]:
        """What templates of this block may name for an item (reserved words: M-25)."""
        own = item.context.get("variables") or {}
        return {
            **item.record.values,
            "variables": {**self.variables, **own},
            "failure": item.context.get("failure") or {},
        }

    def operation_key(self, item: Item) -> str:
        """The key of the vendor call that this block makes for an item: the same on each try."""
        return operation_key(item.id, self.block.key, item.retry)


@dataclass(frozen=True)
class Planned:
    """What a block would do with one record, for a preview. Nothing is sent, nothing written.

    `action` is a verb such as `call`, `update`, `deactivate`, `notify`, `wait`, `choose`; `changes`
    {field: [old, new]} of our record; `request` is masked. `problem` is why it would not be done.
    `exit` is the exit that is followed; `values` are what later blocks may name.
    """

    action: str
    summary: str
    exit: str
    request: Any = None
    changes: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    problem: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class BlockKind:
    """One kind of block. Subclasses are stateless: one object serves every workflow and thread."""

    key: ClassVar[str]
    label: ClassVar[str]
    icon: ClassVar[str] = "crop_square"
    help: ClassVar[str] = ""
    exits: ClassVar[tuple[str, ...]] = ("success", "failure")
    # It only tells: whether it worked does not decide whether the item failed.
    only_tells: ClassVar[bool] = False
    objects: ClassVar[tuple[str, ...]] = ("person", "saas_user")
    # Whether it names a preset and credentials.
    calls: ClassVar[bool] = False
    # `workflows.forms.blocks:BlockForm` subclass, as a dotted path: forms import kinds.
    form: ClassVar[str] = ""

    def batch(self, block: BlockPart) -> int:
        """How many items are taken at once."""
        return 500

    def judges_again(self, block: BlockPart) -> bool:
        """Whether Begin's rules are judged on the record once more before it runs (M-23)."""
        return False

    def changes_vendor(self, block: BlockPart) -> bool:
        """Whether it may change something at a vendor."""
        return False

    def is_destructive(self, block: BlockPart) -> bool:
        """Whether it takes accounts or access away: activating asks for more (S-19)."""
        return False

    def check(self, block: BlockPart, facts: Facts) -> Iterator[Mistake]:
        """Every mistake in its settings, on its field. Pure: facts were read before."""
        raise NotImplementedError

    def defines(self, block: BlockPart) -> frozenset[str]:
        """The item variables that it sets, for later blocks to name."""
        return frozenset()

    def run(self, step: Step) -> Sequence[Outcome]:
        """Do it for every item, in their order. Not in a transaction; repeating it is safe.

        Raises nothing for what a vendor does: that is an outcome.
        """
        raise NotImplementedError

    def plan(self, step: Step) -> Sequence[Planned]:
        """Say what it would do for every item, in their order; sends and writes nothing."""
        raise NotImplementedError


@cache
def kinds() -> Mapping[str, BlockKind]:
    """Every kind by its key, in the order in which they are offered."""
    import workflows.blocks as folder

    found: dict[str, BlockKind] = {}
    for module in pkgutil.iter_modules(folder.__path__):
        made = getattr(importlib.import_module(f"workflows.blocks.{module.name}"), "Kind", None)
        if made is not None:
            found[made.key] = made()
    order = ["api", "saas_user_role", "condition", "update", "notification", "delay", "approval"]
    return dict(
        sorted(found.items(), key=lambda one: (order.index(one[0]) if one[0] in order else 99, one))
    )


def find_kind(key: str) -> BlockKind | None:
    """The kind with this key, if there is one."""
    return kinds().get(key)
