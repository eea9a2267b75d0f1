"""Adding a workflow: what it is about first, then its name."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from integrations.forms.lines import LinesField
from saas.models import Application, SaaSUser
from workflows.admin.pages import WorkflowPage, back_to
from workflows.editing import make_workflow
from workflows.errors import WorkflowInvalid
from workflows.models import Workflow

_MOST_APPLICATIONS = 500
_LONGEST_ID = 18


class NameForm(forms.Form):
    """Name and description of a new workflow."""

    name = forms.CharField(
        max_length=150,
        widget=forms.TextInput(
            attrs={"class": "rc-input", "autocomplete": "off", "autofocus": True}
        ),
        help_text="What it does, such as: Create Betterworks accounts.",
    )
    description = LinesField(
        required=False,
        max_length=2_000,
        widget=forms.Textarea(attrs={"class": "rc-input", "rows": 3}),
        help_text="For whom it is, and who asked for it. It stands in the list.",
    )


class AddPages(WorkflowPage):
    """For the WorkflowAdmin."""

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Choose People or the SaaS users of an application; then give a name (BW-39, GT-32)."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        kind = request.GET.get("object", "")
        application = _find_application(request.GET.get("application", ""))
        if kind == Workflow.Object.PERSON:
            return self._name_view(request, kind, None)
        if kind == Workflow.Object.SAAS_USER and application is not None:
            return self._name_view(request, kind, application)
        context = {
            **self.admin_site.each_context(request),
            "title": "New workflow",
            "opts": self.model._meta,
            "applications": list(_applications().order_by("name")[:_MOST_APPLICATIONS]),
        }
        return TemplateResponse(request, "admin/workflows/workflow/choose.html", context)

    def _name_view(
        self, request: HttpRequest, kind: str, application: Application | None
    ) -> HttpResponse:
        form = NameForm(request.POST or None)
        user: Any = request.user
        if request.method == "POST" and form.is_valid():
            given = form.cleaned_data
            try:
                made = make_workflow(
                    given["name"], kind, application, given["description"], by=user.get_username()
                )
            except WorkflowInvalid as problem:
                for one in problem.mistakes:
                    form.add_error(one.field if one.field in form.fields else None, one.message)
            else:
                self.log_addition(request, made, [{"added": {}}])
                messages.success(
                    request,
                    f'"{made}" is a draft now. Say below when it begins, and add blocks. Nothing '
                    "runs before it is activated.",
                )
                return back_to(made)
        context = {
            **self.admin_site.each_context(request),
            "title": f"New workflow on {_in_words(kind, application)}",
            "opts": self.model._meta,
            "form": form,
            "application": application,
        }
        return TemplateResponse(request, "admin/workflows/workflow/name.html", context)


def _in_words(kind: str, application: Application | None) -> str:
    return f"the SaaS users of {application}" if application is not None else "people"


def _applications() -> QuerySet[Application]:
    """Every application, with whether it has SaaS users (C-23)."""
    users = SaaSUser.objects.filter(application=OuterRef("pk"))
    return Application.objects.annotate(has_users=Exists(users))


def _find_application(typed: str) -> Any:
    """The application with this id; None for anything else."""
    if not (typed.isascii() and typed.isdigit() and len(typed) <= _LONGEST_ID):
        return None
    return _applications().filter(pk=int(typed)).first()
