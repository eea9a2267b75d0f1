"""What is wrong with the end of a run: by ledger, way, events, mails and journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trials.flows.company import EFFECTS, MAY_REPEAT, WAYS, Company
from trials.flows.driving import effects_of, has_ended

if TYPE_CHECKING:
    from integrations.models import Operation
    from integrations.sandbox.ledger import Effect
    from workflows.models import BlockRun, RunItem, WorkflowRun

SETTLED_NOT_DONE = "settled_not_done"


@dataclass
class Verdict:
    """What was found wrong with one run or more, by what was promised."""

    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    not_ended: list[str] = field(default_factory=list)
    audit: list[str] = field(default_factory=list)
    effects: int = 0
    again: int = 0  # values that were set once more, which is no second effect
    items: int = 0
    block_runs: int = 0


def judge(company: Company, run: WorkflowRun, name: str, about: str, verdict: Verdict) -> None:
    """Look at everything that a run of this workflow left; add what is wrong to the verdict."""
    from integrations.models import Operation
    from integrations.operations.unsent import TAKEN_BACK

    if not has_ended(run.pk):
        verdict.not_ended.append(f"{about}: {_where_it_is(run)}")
        return
    effects = company.effects()
    for item in run.items.order_by("pk"):
        verdict.items += 1
        way = list(item.way.order_by("pk"))
        verdict.block_runs += len(way)
        asked = Operation.objects.filter(key__startswith=f"item:{item.pk}:")
        # What a pause took back before it was sent was asked for anew, under the same key.
        rows = asked.exclude(code=TAKEN_BACK, tries=0)
        calls = {row.key.split(":")[2]: row for row in rows}
        told = f"{about}: {item.label}"
        refused = {block for block, row in calls.items() if row.code == SETTLED_NOT_DONE}
        _judge_way(item, way, name, refused, told, verdict)
        _judge_effects(item, name, calls, effects, told, verdict)
        _judge_writes(item, name, told, verdict)
        _judge_audit(item, way, calls, effects, told, verdict)


def _where_it_is(run: WorkflowRun) -> str:
    rows = run.items.values_list("block", "state", "waits_for", "tries", "note")
    return f"run {run.state}: {list(rows)}"


def _judge_way(
    item: RunItem,
    way: Sequence[BlockRun],
    name: str,
    refused: set[str],
    told: str,
    verdict: Verdict,
) -> None:
    """One row per block, in the workflow's order; a person's No leads to the notification."""
    expected: list[tuple[str, str]] = []
    for block, exit_ in WAYS[name]:
        if block in refused:
            expected += [(block, "failure"), ("tell", "success")]
            break
        expected.append((block, exit_))
    went = [(row.block, row.exit) for row in way]
    if Counter(went) != Counter(expected):
        missing = Counter(expected) - Counter(went)
        extra = Counter(went) - Counter(expected)
        verdict.lost += [f"{told}: no row for {pair}" for pair in missing]
        verdict.twice += [f"{told}: a row too many for {pair}" for pair in extra]
    elif went != expected:
        verdict.order.append(f"{told}: {went}")
    moments = [moment for row in way for moment in (row.started_at, row.ended_at)]
    if sorted(row.ended_at for row in way) != [row.ended_at for row in way]:
        verdict.order.append(f"{told}: ended at {moments}")
    state = "failed" if refused else "done"
    if item.state != state:
        verdict.lost.append(f"{told}: it ended {item.state}, {item.note}")


def _judge_effects(
    item: RunItem,
    name: str,
    calls: dict[str, Operation],
    effects: Sequence[Effect],
    told: str,
    verdict: Verdict,
) -> None:
    """By the vendor's own ledger: each call once, and in the order of the blocks."""
    firsts = []
    for block, op in EFFECTS[name].items():
        row = calls.get(block)
        if row is None:
            if any(one.code == SETTLED_NOT_DONE for one in calls.values()):
                continue  # a person said that an earlier one was not done
            verdict.lost.append(f"{told}: {block} was never asked for")
            continue
        done = effects_of(effects, item.label, row.preset)
        verdict.effects += len(done)
        if row.state == "done" and not done:
            verdict.lost.append(f"{told}: {op} counts as done and never was")
        if row.state == "refused" and (done or row.code != SETTLED_NOT_DONE):
            verdict.lost.append(f"{told}: {op} counts as refused: {row.code}, {row.note}")
        if len(done) > 1 and op in MAY_REPEAT:
            verdict.again += len(done) - 1
        elif len(done) > 1:
            verdict.twice.append(f"{told}: {op}, {len(done)} times")
        firsts += [one.seq for one in done[:1]]
    if firsts != sorted(firsts):
        verdict.order.append(f"{told}: the vendor did it in the order {firsts}")


def _judge_writes(item: RunItem, name: str, told: str, verdict: Verdict) -> None:
    """Our own effects: the event of the update, and the mail."""
    from integrations.models import Notification
    from people.models import Event

    if name == "joining":
        events = Event.objects.filter(
            object="person", object_id=item.record_id, source=Event.Source.WORKFLOW
        )
        titles = [one.changes["title"] for one in events if "title" in one.changes]
        _count(len(titles), f"{told}: events of its new title", verdict)
    mails = Notification.objects.filter(episode__startswith=f"workflow:{item.pk}:tell:")
    _count(mails.count(), f"{told}: mails", verdict)


def _count(number: int, about: str, verdict: Verdict) -> None:
    if number == 0:
        verdict.lost.append(f"{about}: none")
    elif number > 1:
        verdict.twice.append(f"{about}: {number}")


def _judge_audit(
    item: RunItem,
    way: Sequence[BlockRun],
    calls: dict[str, Operation],
    effects: Sequence[Effect],
    told: str,
    verdict: Verdict,
) -> None:
    """Each effect has one row of the journal and one of the way, and the reverse (S-21).

    Each row of the way names the version that ran; nothing of it was approved by name.
    """
    verdict.audit += [
        f"{told}: {row.block} by version {row.version_id}, approved by {row.approved_by!r}"
        for row in way
        if row.version_id != item.version_id or row.approved_by
    ]
    ways = Counter(row.operation_id for row in way if row.operation_id is not None)
    for block, row in calls.items():
        if ways[row.pk] != 1:
            verdict.audit.append(f"{told}: {ways[row.pk]} rows of the way for the call of {block}")
        if not (row.started_by and row.vendor and row.target and row.created_at):
            verdict.audit.append(f"{told}: {block} does not say who, what or when")
    for number in ways.keys() - {row.pk for row in calls.values()}:
        verdict.audit.append(f"{told}: the way names call {number}, which is not its own")
    verdict.audit += [f"{told}: {text}" for text in _unexplained(item, calls, effects)]


def _unexplained(
    item: RunItem, calls: dict[str, Operation], effects: Sequence[Effect]
) -> Iterator[str]:
    known = {
        id(one)
        for row in calls.values()
        for one in effects_of(list(effects), item.label, row.preset)
    }
    ours = {item.label, f"Room of {item.label}"}
    for one in effects:
        # A licence's own mail is the vendor's, part of giving it.
        if one.key in ours and one.op != "mail.license" and id(one) not in known:
            yield f"{one.op} has no row in the journal"
