"""The first page: how things stand, what needs attention, what to do first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from integrations.models import Credentials, GlobalVariable, Integration, SyncRun
from integrations.outbox import undelivered
from integrations.overview import (
    count_held_removals,
    count_open_issues,
    count_open_operations,
    find_trouble,
    last_runs,
    step_of_draft,
    with_counts,
)
from integrations.show import moment
from people.counting import CappedCount, add, counted_to
from people.models import Person
from saas.models import Application, SaaSUser
from workflows.admin.approvals import waits_for_them
from workflows.approvals import waiting_for
from workflows.held import held_rows
from workflows.models import Workflow

_SHOWN_RUNS = 8
_SHOWN_APPLICATIONS = 12
_MOST_COUNTED = 1_000
_MOST_PEOPLE = 50_000
_MOST_ACCOUNTS = 10_000
_WARN_DAYS = 30


@dataclass(frozen=True)
class Card:
    """A figure with where it comes from."""

    title: str
    figure: int
    more: str
    link: str


@dataclass(frozen=True)
class Attention:
    """Something that somebody should do; `kind` colours it."""

    text: str
    detail: str
    link: str
    kind: str


@dataclass(frozen=True)
class Step:
    """One of the first steps of a new installation."""

    text: str
    link: str
    done: bool


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add to the index page what this user may see. At most 21 queries, whatever there is."""
    may = request.user.has_perm
    cards: list[Card] = []
    if may("people.view_person"):
        cards.append(_people())
    if may("saas.view_saasuser"):
        cards.extend(_applications())
    if waits_for_them(request):
        cards.append(_approvals(request))
    context["cards"] = cards
    if not may("integrations.view_integration"):
        return context
    known = Integration.objects.select_related("credentials").defer("credentials__sealed")
    integrations = list(with_counts(known))
    newest = last_runs(integrations, ended=True)
    context["attention"] = [*_attention(request, integrations, newest)]
    context["runs"] = SyncRun.objects.defer("warnings", "listing")[:_SHOWN_RUNS]
    context["shows_configuration"] = True
    if may("integrations.add_integration") and not any(
        run.state in {SyncRun.State.DONE, SyncRun.State.PARTIAL} for run in newest.values()
    ):
        context["steps"] = _first_steps(integrations, has_run=bool(newest))
    return context


def _people() -> Card:
    """Counted up to 50,000 of each status, by an index. One query."""
    counted = [
        CappedCount(
            Person.objects.filter(status=status).order_by().values("pk")[: _MOST_PEOPLE + 1]
        )
        for status in (Person.Status.ACTIVE, Person.Status.DEACTIVATED)
    ]
    numbers = Person.objects.order_by().values_list(*counted)[:1]
    active, gone = (counted_to(number, _MOST_PEOPLE) for number in next(iter(numbers), (0, 0)))
    page = reverse("admin:people_person_changelist")
    return Card("Active people", active, f"{gone:,} deactivated", page)


def _approvals(request: HttpRequest) -> Card:
    """What workflows ask whoever is signed in. Three queries."""
    user: Any = request.user
    counted = waiting_for(user).order_by()[: _MOST_COUNTED + 1].count()
    number = counted_to(counted, _MOST_COUNTED)
    page = reverse("admin:workflows_runitem_changelist")
    return Card("Approvals", number, "wait for you", page)


def _applications() -> Iterator[Card]:
    """The applications with the most active accounts; up to 10,000 of each are counted. One query.

    Of two with more than that, the one that comes first by name stands first.
    """
    users = SaaSUser.objects.filter(application=OuterRef("pk")).order_by()
    statuses = SaaSUser.Status.values
    counted = {
        status: CappedCount(users.filter(status=status).values("pk")[: _MOST_ACCOUNTS + 1])
        for status in statuses
    }
    rows = Application.objects.filter(Exists(users)).annotate(**counted)
    most = rows.order_by(f"-{statuses[0]}", "name").values_list("pk", "name", *statuses)
    for pk, name, *numbers in most[:_SHOWN_APPLICATIONS]:
        active, *others = (counted_to(number, _MOST_ACCOUNTS) for number in numbers)
        yield Card(
            name,
            active,
            f"active SaaS users; {add(*others):,} others",
            reverse("admin:saas_application_change", args=(pk,)),
        )


def _attention(
    request: HttpRequest, integrations: Sequence[Integration], newest: Any
) -> Iterator[Attention]:
    may = request.user.has_perm
    for row in integrations:
        run = newest.get(row.pk)
        trouble = find_trouble(row, [run])
        if trouble is not None:
            link = reverse("admin:integrations_integration_change", args=(row.pk,))
            text = f"{row}: {trouble.text[0].lower()}{trouble.text[1:]}"
            yield Attention(text, trouble.advice, link, trouble.kind)
        elif run is not None and run.state == SyncRun.State.FAILED:
            link = reverse("admin:integrations_syncrun_change", args=(run.pk,))
            when = moment(run.finished_at)
            yield Attention(
                f'The last run of "{row}" failed', f"{run.error_message} ({when})", link, "bad"
            )
        if row.state == Integration.State.DRAFT:
            link = reverse("admin:integrations_integration_change", args=(row.pk,))
            yield Attention(f'"{row}" is not launched', f"Next: {step_of_draft(row)}", link, "warn")
    if may("integrations.view_recordissue"):
        yield from _waiting(
            count_open_issues(most=_MOST_COUNTED),
            "issue is open|issues are open",
            "Records that a run could not place by itself.",
            reverse("admin:integrations_recordissue_changelist"),
        )
    if may("integrations.view_syncrun"):
        yield from _waiting(
            count_held_removals(most=_MOST_COUNTED),
            "removal is held|removals are held",
            "More than the limit in 24 hours: look at the names, then approve or reject.",
            reverse("admin:integrations_syncrun_changelist") + "?state__exact=held",
        )
    yield from _workflows(request)
    if may("integrations.view_operation"):
        yield from _waiting(
            count_open_operations(most=_MOST_COUNTED),
            "vendor call may have gone through|vendor calls may have gone through",
            "Nobody knows yet. Some are looked up, some ask for a person.",
            reverse("admin:integrations_operation_changelist"),
        )
    if may("integrations.view_notification"):
        yield from _waiting(
            undelivered().order_by()[:_MOST_COUNTED].count(),
            "mail could not be delivered|mails could not be delivered",
            "Tried in vain, perhaps sent, or nobody to send it to.",
            reverse("admin:integrations_notification_changelist"),
        )
    if may("integrations.view_credentials"):
        yield from _credentials()


def _workflows(request: HttpRequest) -> Iterator[Attention]:
    """Workflows that something paused, and records that they hold. At most two queries."""
    if not request.user.has_perm("workflows.view_workflowrun"):
        return
    paused = Workflow.objects.filter(state=Workflow.State.PAUSED).exclude(paused_because="")
    for row in paused.order_by("name")[:_SHOWN_RUNS]:
        link = reverse("admin:workflows_workflow_change", args=(row.pk,))
        yield Attention(f'The workflow "{row}" is paused', row.paused_because, link, "bad")
    yield from _waiting(
        held_rows().order_by()[:_MOST_COUNTED].count(),
        "record is held by a workflow|records are held by workflows",
        "More than a limit lets pass: look at the names, then approve or reject.",
        reverse("admin:workflows_workflowrun_changelist") + "?state__exact=held",
    )


def _waiting(count: int, words: str, detail: str, link: str) -> Iterator[Attention]:
    if count:
        one, several = words.split("|")
        shown = f"{count:,}" if count < _MOST_COUNTED else f"{count:,} or more"
        yield Attention(f"{shown} {one if count == 1 else several}", detail, link, "warn")


def _credentials() -> Iterator[Attention]:
    """Credentials that fail, or soon will. One query."""
    today = timezone.localdate()
    soon = today + timedelta(days=_WARN_DAYS)
    rows = Credentials.objects.filter(
        Q(test_state=Credentials.Test.FAILED)
        | Q(expires_on__lte=soon)
        | Q(reconnect_since__isnull=False)
    )[:_SHOWN_RUNS]
    for row in rows:
        link = reverse("admin:integrations_credentials_change", args=(row.pk,))
        if row.reconnect_since is not None:
            yield Attention(f'"{row}" has to be connected again', row.test_message, link, "bad")
        elif row.test_state == Credentials.Test.FAILED:
            yield Attention(f'"{row}" did not connect', row.test_message, link, "bad")
        if row.expires_on and row.expires_on <= soon:
            over = row.expires_on < today
            text = f'"{row}" {"expired" if over else "expires"} on {moment(row.expires_on)}'
            yield Attention(text, "Enter the new key before then.", link, "bad" if over else "warn")


def _first_steps(integrations: Sequence[Integration], *, has_run: bool) -> list[Step]:
    """What a new installation needs, in order. Two queries."""
    draft = integrations[0] if integrations else None
    page = (
        reverse("admin:integrations_integration_change", args=(draft.pk,))
        if draft
        else reverse("admin:integrations_integration_add")
    )
    return [
        Step(
            "Add credentials of a vendor",
            reverse("admin:integrations_credentials_add"),
            Credentials.objects.exists(),
        ),
        Step(
            "Set the sub-domain as a global variable, such as Vendor.Subdomain",
            reverse("admin:integrations_globalvariable_add"),
            GlobalVariable.objects.exists(),
        ),
        Step(
            "Add an integration and map its fields",
            reverse("admin:integrations_integration_add"),
            draft is not None,
        ),
        Step("Preview it: see what would change", page, has_run),
        Step(
            "Launch it and run it",
            page,
            any(row.state == Integration.State.ACTIVE for row in integrations) and has_run,
        ),
    ]
