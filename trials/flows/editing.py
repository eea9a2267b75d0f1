"""What is edited or deleted while a run is in the midst of a request (F-40)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from trials.flows.children import LONGEST, Child, begin
from trials.flows.company import Company, joining_blocks, through
from trials.flows.driving import effects_of, has_ended, lead
from trials.flows.judging import Verdict, judge
from trials.killing.trap import Point
from trials.report import Promise

if TYPE_CHECKING:
    from integrations.models import Credentials
    from trials.flows.disturbing import Stage
    from workflows.models import RunItem, Workflow, WorkflowRun

SAVED, PAUSED, DELETED = "workflow saved and activated", "workflow paused", "credentials deleted"
CORRECTED, CHANGED, GONE = "preset corrected", "records edited", "a record deleted"
KINDS = (SAVED, PAUSED, DELETED, CORRECTED, CHANGED, GONE)
_OURS = "Rolecall met an error of its own"


@dataclass
class _Found:
    """What the edits came to."""

    tried: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)
    mixed: list[str] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    parked: int = 0


def try_edits(stage: Stage, *, short: bool) -> list[Promise]:
    """Edit something at each request of a run; what is promised of it."""
    found = _Found()
    requests = stage.courses["joining"].requests
    numbers = range(1, requests + 1)
    for at, kind in enumerate(KINDS):
        for number in [1 + (at * 5) % requests] if short else numbers:
            _try_one(stage, kind, number, found)
    number = sum(found.tried.values())
    verdict = found.verdict
    return [
        Promise("edits in the midst of a request (F-40)", number, found.missed, found.tried),
        Promise("edits: nothing lost", verdict.effects, verdict.lost + verdict.not_ended),
        Promise("edits: nothing twice", verdict.effects, verdict.twice + verdict.order),
        Promise("edits: each run keeps one version", number, found.mixed),
        Promise("edits: each effect in journal and way (S-21)", verdict.effects, verdict.audit),
        Promise("edits: no mistake of our own", number, found.mistakes),
        Promise(
            "edits: nothing is sent with deleted credentials",
            found.tried[DELETED],
            found.sent,
            {"runs parked": found.parked},
        ),
    ]


def _try_one(stage: Stage, kind: str, number: int, found: _Found) -> None:
    """Edit while the request with this number has not been sent, then let all go on."""
    company, about = stage.company, f"{kind} at request {number}"
    with _workflow_for(kind, company) as workflow:
        people = company.people("joining", 3)
        run = _start(workflow, [person.pk for person in people])
        point = Point("request", number, "not sent")
        child = begin(
            partial(lead, run.pk), company.trap, point, act=lambda _child: None, then="hold"
        )
        if _comes_to_it(company, child):
            found.tried[kind] += 1
            seen = len(company.sandbox.log)
            _DO[kind](company, workflow, run)
        else:
            found.missed.append(f"{about}: the run had no such request")
            seen = 0
        company.trap.release()
        child.wait()
        if child.failed:
            found.mistakes.append(f"{about}: a process ended with a mistake of its own")
        _afterwards(kind, workflow)
        stage.finish(run)
        if kind == DELETED and seen:
            found.sent += _sent_after(company, seen, about)
            found.parked += _is_parked(workflow)
    _look_at(company, kind, run, about, found)


@contextmanager
def _workflow_for(kind: str, company: Company) -> Iterator[Workflow]:
    """The workflow that is run; one with credentials of its own where they are deleted."""
    desk = company.desks["betterworks"]
    ours = desk.credentials
    if kind != DELETED:
        yield company.workflows["joining"]
        return
    desk.credentials = new_key(company)
    try:
        yield _like_joining(company)
    finally:
        desk.credentials = ours


def _comes_to_it(company: Company, child: Child) -> bool:
    """Wait for the request; whether it came."""
    end = time.monotonic() + LONGEST
    while not company.trap.sprung.is_set() and not child.has_ended() and time.monotonic() < end:
        time.sleep(0.005)
    return company.trap.sprung.is_set()


def _start(workflow: Workflow, ids: Sequence[int]) -> WorkflowRun:
    from workflows.starts import start_run

    return start_run(workflow, trigger="manual", started_by="trial", ids=ids)


def new_key(company: Company) -> Credentials:
    """Credentials of Betterworks that nothing else uses."""
    from integrations import secrets
    from integrations.models import Credentials

    desk = company.desks["betterworks"]
    given = company.sandbox.credentials("betterworks")
    row = Credentials(
        name=f"{desk.credentials.name} of {time.monotonic_ns()}",
        vendor="betterworks",
        type=given["type"],
        settings=given["settings"],
        base_url=company.sandbox.base_url("betterworks"),
        overrides=desk.credentials.overrides,
    )
    secrets.seal(row, given["secrets"], by="trial")
    row.save()
    key: Credentials = row
    return key


def _like_joining(company: Company) -> Workflow:
    from tests.workflows.makers import make_workflow

    through(company.desks["betterworks"], company.sandbox, company.wire)
    return make_workflow(joining_blocks(company.desks))


# The edits.


def _save(company: Company, workflow: Workflow, _run: WorkflowRun) -> None:
    from workflows.activating import activate
    from workflows.definition import Definition
    from workflows.editing import save_definition

    blocks = joining_blocks(company.desks, title=f"Otherwise {time.monotonic_ns()} in")
    data = {"begin": {"actions": ["manual"]}, "blocks": blocks}
    version = save_definition(workflow, Definition.from_data(data), by=company.boss, by_name="boss")
    activate(workflow, version, by="boss")


def _pause(_company: Company, workflow: Workflow, _run: WorkflowRun) -> None:
    from workflows.activating import pause

    pause(workflow, by="boss")


def _delete(company: Company, _workflow: Workflow, _run: WorkflowRun) -> None:
    from integrations.models import Credentials

    Credentials.objects.get(pk=company.desks["betterworks"].credentials.pk).delete()


def _correct(company: Company, _workflow: Workflow, _run: WorkflowRun) -> None:
    from integrations.models import Credentials

    row = Credentials.objects.get(pk=company.desks["betterworks"].credentials.pk)
    seconds = 20 + time.monotonic_ns() % 30
    corrected = {"presets.create_user.request.path": "users/", "timeouts.read": seconds}
    row.overrides = {**row.overrides, **corrected}
    row.save(update_fields=["overrides"])


def _change(_company: Company, _workflow: Workflow, run: WorkflowRun) -> None:
    from people.by_hand import save_person
    from people.models import Person

    for pk in run.items.values_list("record_id", flat=True):
        save_person(Person.objects.get(pk=pk), {"location": "Paris"}, actor="boss")


def _delete_record(_company: Company, _workflow: Workflow, run: WorkflowRun) -> None:
    from people.models import Person

    first = run.items.order_by("pk").values_list("record_id", flat=True)[0]
    Person.objects.get(pk=first).delete()


_DO: Mapping[str, Callable[[Company, Workflow, WorkflowRun], None]] = {
    SAVED: _save,
    PAUSED: _pause,
    DELETED: _delete,
    CORRECTED: _correct,
    CHANGED: _change,
    GONE: _delete_record,
}


def _afterwards(kind: str, workflow: Workflow) -> None:
    """What was paused is resumed; what was saved stays, which later runs begin with."""
    from workflows.activating import resume

    if kind == PAUSED:
        workflow.refresh_from_db()
        resume(workflow, by="boss")


# What became of it.


def _look_at(company: Company, kind: str, run: WorkflowRun, about: str, found: _Found) -> None:
    if kind in {SAVED, PAUSED, CORRECTED, CHANGED}:
        judge(company, run, "joining", about, found.verdict)
    else:
        _judge_broken_off(company, kind, run, about, found)
    title = _title_of(run)
    for item in run.items.all():
        if _OURS in item.note:
            found.mistakes.append(f"{about}: {item.note}")
        found.mixed += [f"{about}: {text}" for text in _mixed(item, title)]


def _title_of(run: WorkflowRun) -> str:
    (note,) = run.version.blocks.filter(key="note")
    return str(note.settings["set"]["title"]).partition(" {{")[0]


def _mixed(item: RunItem, title: str) -> Iterator[str]:
    """What another version of the workflow did."""
    from people.models import Event

    for one in Event.objects.filter(
        object="person", object_id=item.record_id, source=Event.Source.WORKFLOW
    ):
        if "title" in one.changes and not one.changes["title"][1].startswith(title):
            yield f"{item.label} got {one.changes['title'][1]}, not {title}"


def _judge_broken_off(
    company: Company, kind: str, run: WorkflowRun, about: str, found: _Found
) -> None:
    """It may end early, but does nothing twice, and what it did is in the journal."""
    from integrations.models import Operation

    if not has_ended(run.pk):
        found.verdict.not_ended.append(f"{about}: {list(run.items.values_list('state', 'note'))}")
        return
    effects = company.effects()
    for item in run.items.all():
        rows = list(Operation.objects.filter(key__startswith=f"item:{item.pk}:"))
        ours = [one for one in effects if one.key in {item.label, f"Room of {item.label}"}]
        found.verdict.effects += len(ours)
        known = []
        for row in rows:
            done = effects_of(effects, item.label, row.preset)
            known += done
            if len(done) > 1:
                found.verdict.twice.append(f"{about}: {row.preset}, {len(done)} times")
            if row.state == "done" and not done:
                found.verdict.lost.append(f"{about}: {row.preset} counts as done and never was")
            if row.state == "refused" and done:
                found.verdict.lost.append(f"{about}: {row.preset} counts as refused and was done")
        found.verdict.audit += [
            f"{about}: {one.op} has no row in the journal" for one in ours if one not in known
        ]
        if kind == GONE and item.state not in {"done", "failed"}:
            found.verdict.not_ended.append(f"{about}: {item.state} {item.note}")


def _sent_after(company: Company, seen: int, about: str) -> list[str]:
    """Requests to the vendor whose credentials were deleted, that began after it."""
    late: list[Any] = list(company.sandbox.log)[seen:]
    under_way = 3  # one for each record was on its way
    sent = [f"{one.method} {one.path}" for one in late if one.vendor == "betterworks"]
    return [f"{about}: {sent}"] if len(sent) > under_way else []


def _is_parked(workflow: Workflow) -> bool:
    workflow.refresh_from_db()
    return bool(workflow.state == "paused" and workflow.paused_because)
