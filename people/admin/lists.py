"""What lists of people and of SaaS users share: searching, exporting, what an empty page says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import FieldError, ValidationError
from django.db import DataError, OperationalError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from import_export.admin import ExportMixin
from unfold.contrib.import_export.forms import ExportForm

from people.admin.common import page_url, sight_for
from people.admin_tools import _is_sane
from people.search import search_rows
from people.sheets import CSV, XLSX, Sheet

_BAD = (
    IncorrectLookupParameters,
    DisallowedModelAdminLookup,
    ValueError,
    TypeError,
    OverflowError,
    FieldError,
    ValidationError,
    DataError,
    OperationalError,
)


class SearchMixin:
    """Searches one text per row, see `people.search`."""

    search_columns: tuple[str, ...] = ()
    search_whole: tuple[str, ...] = ()

    def get_search_results(
        self,
        request: HttpRequest,
        queryset: QuerySet[Any],
        search_term: str,
    ) -> tuple[QuerySet[Any], bool]:
        """Rows that hold every word; never twice, as no other table is joined."""
        found = search_rows(queryset, self.search_columns, search_term, whole=self.search_whole)
        return found, False


class StepEmptyMixin:
    """An empty list says what comes next, or that only the filters left nothing."""

    change_list_template = "people/list.html"
    empty_title = "Nothing here yet"
    empty_text = ""
    empty_step: tuple[str, str] | None = None  # page name, label

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """As Django's; one query more when the list is empty."""
        response: HttpResponse = super().changelist_view(  # type: ignore[misc]
            request, extra_context
        )
        if isinstance(response, TemplateResponse):
            context = response.context_data or {}
            listed = context.get("cl")
            if listed is not None and not listed.result_list:
                context["empty"] = self._empty_page(request)
        return response

    def _empty_page(self, request: HttpRequest) -> dict[str, Any]:
        shown: QuerySet[Any] = self.get_queryset(request)  # type: ignore[attr-defined]
        if shown.exists():
            return {
                "title": "Nothing matches",
                "text": "No record matches the search and the filters that are set.",
                "url": f"{request.path}{self.everything_query(request)}",
                "label": "Show all",
            }
        page: dict[str, Any] = {"title": self.empty_title, "text": self.empty_text}
        if self.empty_step and self.may_take_step(request):
            page["url"], page["label"] = page_url(self.empty_step[0]), self.empty_step[1]
        return page

    def everything_query(self, request: HttpRequest) -> str:
        """The query string that takes every filter away."""
        return ""

    def may_take_step(self, request: HttpRequest) -> bool:
        """Say whether the next step's page is one that this user may open."""
        return request.user.has_perm("integrations.view_integration")


class ExportListMixin(ExportMixin):
    """Exports the rows that the list shows now, with the fields that the user may see (S-15)."""

    sheet_class: type[Sheet]
    export_form_class = ExportForm
    export_formats = [CSV, XLSX]
    import_export_change_list_template = "people/list_with_export.html"

    def has_export_permission(self, request: HttpRequest) -> bool:
        """Ask for the permission `export_<model>`, which groups hold by name (M-36)."""
        options = self.opts
        return request.user.has_perm(f"{options.app_label}.export_{options.model_name}")

    def get_export_resource_classes(self, request: HttpRequest) -> list[type[Sheet]]:
        return [self.sheet_class]

    def get_export_resource_kwargs(self, request: HttpRequest, **kwargs: Any) -> dict[str, Any]:
        return {"sight": sight_for(request, self.sheet_class.object)}

    def get_export_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """The rows of the list as it is filtered and searched now."""
        rows: QuerySet[Any] = super().get_export_queryset(request)
        return rows

    def export_action(self, request: HttpRequest) -> HttpResponse:
        """As the library's; an address that means nothing leads back to the list (G-11)."""
        if not _is_sane(request.GET.lists()):
            return self._refuse_export(request)
        try:
            response: HttpResponse = super().export_action(request)
        except _BAD:
            if not request.GET:
                raise
            return self._refuse_export(request)
        return response

    def get_export_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {**super().get_export_context_data(**kwargs), "export_url": ""}

    def _refuse_export(self, request: HttpRequest) -> HttpResponse:
        messages.warning(
            request, "The address asked for rows that this list cannot be filtered by."
        )
        options = self.opts
        return HttpResponseRedirect(
            reverse(f"admin:{options.app_label}_{options.model_name}_changelist")
        )


Context = Mapping[str, Any]
