"""Starting workflows by hand: for all that match, for one record, or for what was selected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters

from integrations.admin.reauth import PasswordForm, ask_before, is_confirmed, remember
from integrations.admin.unseen import unseen_fields
from integrations.errors import IntegrationsError
from people.models import Person
from saas.models import SaaSUser
from workflows.admin.activation import is_destructive
from workflows.admin.pages import WorkflowPage, back_to, tell
from workflows.admin.shown import RUN, VIEW_RUNS, read_number
from workflows.admin.validation import told_of
from workflows.definition import Definition
from workflows.errors import CannotStart
from workflows.facts import read_facts
from workflows.models import Workflow, WorkflowRun, WorkflowVersion
from workflows.readiness import calls_in_words, limit_of_removals, readiness
from workflows.records import Record, read_records
from workflows.rules import judge_of, matching_ids
from workflows.starts import check_can_start, start_run
from workflows.validation import check, is_valid
from workflows.versions import definition_of

_MOST_LISTED = 200
_LONGEST_NUMBER = 12
_MANUAL = WorkflowRun.Trigger.MANUAL
_KINDS: dict[str, type[Person | SaaSUser]] = {"person": Person, "account": SaaSUser}


@dataclass(frozen=True)
class Selection:
    """Which records are meant, and what a form has to carry so that they stay the same.

    `application_ids` are those of selected SaaS users.
    """

    object: str
    ids: Sequence[int]
    application_ids: Sequence[int]
    words: str
    back: str
    carried: Sequence[tuple[str, str]] = ()


class StartPages(WorkflowPage):
    """For the WorkflowAdmin: Run now, and starting for one person or account."""

    def start_urls(self) -> list[URLPattern]:
        """`start` has no id: it comes before all that have one."""
        wrap = self.admin_site.admin_view
        return [
            path("start/", wrap(self.start_view), name="workflows_workflow_start"),
            path("<path:object_id>/run/", wrap(self.run_view), name="workflows_workflow_run"),
        ]

    def run_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Say what it would do now, as before activating; POST starts it for all that match."""
        row = self.find_row(request, object_id, RUN)
        try:
            version = check_can_start(row, trigger=_MANUAL)
        except CannotStart as problem:
            tell(request, problem)
            return back_to(row)
        definition = definition_of(version)
        mistakes = check(definition, read_facts(row))
        usable = is_valid(mistakes)
        now = timezone.now()
        ready = readiness(row, definition, now=now, starts_all=True) if usable else None
        destructive = is_destructive(definition)
        errors: list[str] = []
        if request.method == "POST" and ready is not None:
            if destructive and not is_confirmed(request):
                return ask_before(request, request.path)
            errors = why_not_yet(request, version, ready.must_type)
            if not errors:
                return _start(request, row, None, back_to(row))
        context = {
            **self.page_context(request, row, f"Run {row} now"),
            "version": version,
            "ready": ready,
            "mistakes": [one for one in told_of(row, definition, mistakes) if not one.warning],
            "destructive": destructive,
            "errors": errors,
            "typed": request.POST.get("typed", ""),
        }
        return TemplateResponse(request, "admin/workflows/starting/run.html", context)

    def start_view(self, request: HttpRequest) -> HttpResponse:
        """Choose a workflow for one person (`?person=`) or account (`?account=`), then start it."""
        if not request.user.has_perm(RUN):
            raise PermissionDenied
        kind = "person" if "person" in request.GET else "account"
        model = _KINDS[kind]
        record = model.objects.filter(pk=read_number(request.GET.get(kind))).first()
        if record is None:
            raise Http404
        if not request.user.has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}"):
            raise PermissionDenied
        account = isinstance(record, SaaSUser)
        page = "saas_saasuser_change" if account else "people_person_change"
        selection = Selection(
            object="saas_user" if account else "person",
            ids=[record.pk],
            application_ids=[record.application_id] if isinstance(record, SaaSUser) else [],
            words=str(record),
            back=reverse(f"admin:{page}", args=(record.pk,)),
        )
        return choose_and_start(request, selection)


@sensitive_post_parameters("password")
def choose_and_start(request: HttpRequest, selection: Selection) -> HttpResponse:
    """Ask which workflow, say what it means for these records, then start it. Three pages."""
    workflows = _fitting(selection)
    wanted = read_number(request.POST.get("workflow") or request.GET.get("workflow"))
    row = next((one for one in workflows if one.pk == wanted), None)
    context = {
        **admin.site.each_context(request),
        "title": f"Start a workflow: {selection.words}",
        "opts": Workflow._meta,
        "selection": selection,
        "workflows": workflows[:_MOST_LISTED],
        "row": row,
    }
    if row is None:
        return TemplateResponse(request, "admin/workflows/starting/choose.html", context)
    try:
        version = check_can_start(row, trigger=_MANUAL)
        context |= _about(request, row, version, selection)
    except (CannotStart, IntegrationsError) as problem:
        messages.error(request, problem.message)
        return redirect(selection.back)
    if not context["reasons"]:
        started = _confirm(request, row, selection, context)
        if started is not None:
            return started
    return TemplateResponse(request, "admin/workflows/starting/confirm.html", context)


def _confirm(
    request: HttpRequest, row: Workflow, selection: Selection, context: dict[str, Any]
) -> HttpResponse | None:
    """Start it where that was confirmed; else put what is still asked for into the context.

    The password is asked for on this page: the way to another would lose the selection.
    """
    confirmed = request.method == "POST" and "confirmed" in request.POST
    form = None
    if context["destructive"] and not is_confirmed(request):
        form = PasswordForm(request.POST if confirmed else None, request=request)
    context["password"] = form["password"] if form is not None else None
    if not confirmed:
        return None
    if form is not None and not form.is_valid():
        return None
    if form is not None:
        remember(request)
        context["password"] = None
    count = len(selection.ids)
    context["errors"] = why_not_yet(request, context["version"], context["must_type"], count)
    if context["errors"]:
        return None
    return _start(request, row, selection.ids, redirect(selection.back))


def _fitting(selection: Selection) -> list[Workflow]:
    """The active workflows on such records. One query."""
    rows = Workflow.objects.select_related("application", "active_version").filter(
        state=Workflow.State.ACTIVE, object=selection.object
    )
    if selection.object == Workflow.Object.SAAS_USER:
        rows = rows.filter(application__in=selection.application_ids)
    return list(rows.order_by("name"))


def _about(
    request: HttpRequest, row: Workflow, version: WorkflowVersion, selection: Selection
) -> dict[str, Any]:
    """What starting means for these records: how many match, which rule does not hold."""
    definition = definition_of(version)
    destructive = is_destructive(definition)
    one = selection.ids[0] if len(selection.ids) == 1 else None
    reasons: list[str] = []
    matching = 0
    if one is not None:
        record = read_records(row, [one]).get(one)
        reasons = _reasons(request, row, version, record)
        matching = 0 if reasons else 1
    else:
        chosen = matching_ids(row, definition.begin, now=timezone.now(), among=selection.ids)
        matching = sum(len(ids) for ids in chosen)
        reasons = [] if matching else ["None of them matches the rules of Begin now."]
    preview = request.user.has_perm("workflows.change_workflow")
    return {
        "version": version,
        "destructive": destructive,
        "matching": matching,
        "reasons": reasons,
        "calls": [] if reasons else calls_in_words(row, definition),
        "left_out": len(selection.ids) - matching,
        "must_type": must_type(row, definition, matching),
        "preview_url": _preview_url(row, one) if preview else "",
        "typed": request.POST.get("typed", ""),
        "errors": [],
    }


def _reasons(
    request: HttpRequest, row: Workflow, version: WorkflowVersion, record: Record | None
) -> list[str]:
    """Why a workflow is not for this record, rule by rule, without hidden values."""
    if record is None:
        return ["The record is gone."]
    hidden = frozenset().union(*unseen_fields(request).values())
    begin = definition_of(version).begin
    zone = timezone.get_default_timezone()
    judge = judge_of(row, begin, now=timezone.now(), zone=zone)
    return judge.why_not(record, shows=lambda field: field.rpartition(".")[2] not in hidden)


def _preview_url(row: Workflow, one: int | None) -> str:
    page = reverse("admin:workflows_workflow_preview", args=(row.pk,))
    return f"{page}?record={one}" if one is not None else page


def must_type(row: Workflow, definition: Definition, number: int) -> int | None:
    """The number, where that is more records than may be removed without approval."""
    if number <= 1 or not is_destructive(definition):
        return None
    limit = limit_of_removals(row, definition, timezone.now())
    return number if limit is not None and number > limit else None


def why_not_yet(
    request: HttpRequest, version: WorkflowVersion, wanted: int | None, count: int | None = None
) -> list[str]:
    """What keeps a confirmed start from being done: the page is not what it was, or no count."""
    if request.POST.get("version") != str(version.number):
        return [f"Version {version.number} runs by now. Look again, then start it."]
    if count is not None and read_number(request.POST.get("count")) != count:
        return ["The list changed since it was shown. Look again, then start it."]
    typed = request.POST.get("typed", "").replace(",", "").replace(" ", "")[:_LONGEST_NUMBER]
    if wanted is not None and typed != str(wanted):
        return [f"Type {wanted}: so many records are meant."]
    return []


def _start(
    request: HttpRequest, row: Workflow, ids: Sequence[int] | None, back: HttpResponse
) -> HttpResponse:
    by = request.user.get_username()
    try:
        run = start_run(row, trigger=_MANUAL, started_by=by, ids=ids)
    except CannotStart as problem:
        tell(request, problem)
        return back
    messages.success(request, f'"{row}" was started: run {run.pk}.')
    if request.user.has_perm(VIEW_RUNS):
        return redirect("admin:workflows_workflowrun_change", run.pk)
    return back


def url_for_record(request: HttpRequest, object_: str, record_id: int) -> str:
    """The page that starts a workflow for a record; empty for who may not."""
    if not request.user.has_perm(RUN):
        return ""
    kind = "person" if object_ == Workflow.Object.PERSON else "account"
    return f"{reverse('admin:workflows_workflow_start')}?{kind}={record_id}"
