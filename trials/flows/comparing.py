"""A plan beside what came of it: record by record, and all that was sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from trials.flows.company import Company

if TYPE_CHECKING:
    from workflows.models import WorkflowRun
    from workflows.preview import BlockPreview, RecordPreview

# What the vendor writes down for a call, by the preset's path and method.
_OPS = {
    "create_user": "user.create",
    "create_department": "department.create",
    "deactivate_user": "user.update",
    "update_user": "user.update",
    "resend_welcome_email": "mail.welcome",
}
_LOOKS = "GET"


@dataclass
class Differences:
    """What differed, by what was compared."""

    matching: list[str] = field(default_factory=list)
    ways: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    ledger: list[str] = field(default_factory=list)
    outbox: list[str] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)
    approvals: list[str] = field(default_factory=list)
    not_ended: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    records: int = 0
    blocks: int = 0
    calls: int = 0
    effects: int = 0
    mails: int = 0
    items: int = 0
    approved: Counter[tuple[int, str]] = field(default_factory=Counter)  # (item, block)

    def approve(self, run_id: int, now: datetime) -> bool:
        """Approve what a run holds, as shown; whether there was something."""
        from workflows.held import approve, held_items
        from workflows.models import WorkflowRun

        held = held_items(WorkflowRun.objects.get(pk=run_id))
        if held:
            approve([(one.id, one.hash) for one in held], by="boss", now=now)
            self.approved.update((one.id, one.block) for one in held)
        return bool(held)


def compare(
    company: Company,
    about: str,
    plan: Sequence[RecordPreview],
    run: WorkflowRun,
    before: tuple[int, int],
    found: Differences,
    *,
    ended: bool,
) -> None:
    """Compare a plan with what a run did; `before` are the lengths of log and ledger before it."""
    items = {item.record_id: item for item in run.items.all()}
    found.items += len(items)
    if not ended:
        states = Counter(item.state for item in items.values())
        found.not_ended.append(f"{about}: run {run.state}, items {dict(states)}")
        return
    found.records += len(plan)
    matching = {one.id for one in plan if one.matches}
    if matching != set(items):
        found.matching.append(f"{about}: planned {len(matching)}, begun {len(items)}")
    for one in plan:
        item = items.get(one.id)
        went = list(item.way.order_by("pk")) if item is not None else []
        _compare_way(f"{about}: {one.key}", one, went, item, found)
    found.approvals += [f"{about}: {text}" for text in _wrong_approvals(items, found)]
    planned = [(one, block) for one in plan for block in one.way]
    _compare_log(company, about, planned, before[0], found)
    _compare_ledger(company, about, planned, before[1], found)
    _compare_mails(about, planned, run, found)
    found.rows += [f"{about}: {text}" for one in plan for text in _wrong_row(one)]


def _compare_way(
    told: str, plan: RecordPreview, went: Sequence[Any], item: Any, found: Differences
) -> None:
    """Exits, and the requests that were shown."""
    expected = [(one.key, one.exit) for one in plan.way]
    real = [(one.block, one.exit) for one in went]
    found.blocks += len(expected)
    if expected != real:
        end = f"{item.state}: {item.note}" if item is not None else "nothing"
        notes = [(one.block, one.note) for one in went if one.exit == "failure"]
        found.ways.append(f"{told}: planned {expected}, went {real} ({end}) {notes}")
        return
    for shown, one in zip(plan.way, went, strict=True):
        if shown.kind != "api" or shown.problem:
            continue
        found.calls += 1
        if shown.request != one.request:
            found.requests.append(f"{told}: {shown.key} showed {shown.request}, was {one.request}")


def _wrong_approvals(items: Mapping[int, Any], found: Differences) -> Iterator[str]:
    """Each step that somebody approved by name says so, and no other does (S-21)."""
    for item in items.values():
        for step in item.way.all():
            wanted = "boss" if (item.pk, step.block) in found.approved else ""
            if (step.approved_by, step.version_id) != (wanted, item.version_id):
                yield f"{item.label}: {step.block} approved by {step.approved_by!r}, not {wanted!r}"


def _calls(planned: Sequence[tuple[RecordPreview, BlockPreview]]) -> Iterator[BlockPreview]:
    return (block for _one, block in planned if block.kind == "api" and not block.problem)


def _compare_log(
    company: Company,
    about: str,
    planned: Sequence[tuple[RecordPreview, BlockPreview]],
    since: int,
    found: Differences,
) -> None:
    """What arrived at vendors; of what is only read for safety, nobody is shown anything."""
    wanted = Counter(
        (one.request["method"], _path(one.request["url"]))
        for one in _calls(planned)
        if one.request["method"] != _LOOKS
    )
    seen = Counter(
        (one.method, one.path)
        for one in list(company.sandbox.log)[since:]
        if one.method != _LOOKS and "oauth" not in one.path
    )
    for what, number in ((wanted - seen) | (seen - wanted)).items():
        word = "not sent" if wanted[what] > seen[what] else "not planned"
        found.requests.append(f"{about}: {number} of {what} {word}")


def _path(url: str) -> str:
    """Of an address, what the vendor's log shows: without host, and without its own folder."""
    path = url.partition("://")[2].partition("/")[2].partition("?")[0]
    return "/" + path.partition("/")[2]


def _compare_ledger(
    company: Company,
    about: str,
    planned: Sequence[tuple[RecordPreview, BlockPreview]],
    since: int,
    found: Differences,
) -> None:
    done = [one for one in company.effects()[since:] if one.op != "mail.license"]
    changing = [one for one in _calls(planned) if one.request["method"] != _LOOKS]
    found.effects += len(done)
    if len(done) != len(changing):
        ops = Counter(one.op for one in done)
        found.ledger.append(f"{about}: {len(changing)} calls planned, vendors did {dict(ops)}")


def _compare_mails(
    about: str,
    planned: Sequence[tuple[RecordPreview, BlockPreview]],
    run: WorkflowRun,
    found: Differences,
) -> None:
    from integrations.models import Notification

    wanted = Counter(
        (block.request["subject"], block.request["message"], tuple(block.request["to"]))
        for _one, block in planned
        if block.kind == "notification" and not block.problem
    )
    sent: Counter[Any] = Counter()
    tells = set(run.version.blocks.filter(kind="notification").values_list("key", flat=True))
    for item in run.items.all():
        for mail in Notification.objects.filter(episode__startswith=f"workflow:{item.pk}:"):
            if mail.episode.split(":")[2] in tells:
                sent[(mail.subject, mail.body, tuple(mail.recipients))] += 1
    found.mails += sum(wanted.values())
    if wanted != sent:
        found.outbox.append(f"{about}: planned {wanted - sent}, sent {sent - wanted}")


def _wrong_row(plan: RecordPreview) -> Iterator[str]:
    """Every change that was shown is there, in order, and no other event of the workflow."""
    from people.models import Event

    shown = [
        {name: list(pair) for name, pair in block.changes.items() if pair[0] != pair[1]}
        for block in plan.way
        if block.changes
    ]
    events = Event.objects.filter(object=plan.object, object_id=plan.id).order_by("pk")
    done = [dict(one.changes) for one in events if one.source == Event.Source.WORKFLOW]
    wanted = [_plain(one) for one in shown if one]
    real = [_plain(one) for one in done]
    if wanted != real:
        yield f"{plan.key}: planned {wanted}, written {real}"


def _plain(changes: dict[str, Any]) -> dict[str, list[str]]:
    return {
        name: ["" if one is None else str(one) for one in pair] for name, pair in changes.items()
    }
