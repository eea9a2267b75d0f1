"""What every admin of the project shares: lists that no query string can break, capped counts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin import SimpleListFilter
from django.contrib.admin.exceptions import (
    DisallowedModelAdminLookup,
    DisallowedModelAdminToField,
)
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ERROR_FLAG, SEARCH_VAR
from django.core.exceptions import (
    FieldDoesNotExist,
    FieldError,
    PermissionDenied,
    ValidationError,
)
from django.core.paginator import Paginator
from django.db import DataError, OperationalError, models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.functional import cached_property

if TYPE_CHECKING:
    _Paginator = Paginator[Any]
else:
    _Paginator = Paginator  # Django's class takes no parameter when the program runs

_BIGGEST_ID = 2**63 - 1
_LONGEST_SEARCH = 200
_MOST_WORDS = 12
_LONGEST_VALUE = 4_000
_MOST_VALUES = 500
_INTEGER = re.compile(r"[+-]?\d{18,}")
_RANGE_END = re.compile(r"_(from|to)(_[01])?$")  # what unfold's range filters add to a field
_BAD_LOOKUP = (
    IncorrectLookupParameters,
    DisallowedModelAdminLookup,
    DisallowedModelAdminToField,
)
# What Django lets through when a look-up has a value that its column cannot be compared with.
_BAD_VALUE = (
    ValueError,
    TypeError,
    OverflowError,
    FieldError,
    FieldDoesNotExist,
    ValidationError,
    DataError,
    OperationalError,
)
# What may stand behind the path of a filter. A further path may not: `groups__user__password`
# would answer questions about columns that no list shows (S-07).
_COMPARISONS = frozenset(
    {"exact", "in", "isnull", "gt", "gte", "lt", "lte", "id__exact", "id__in", "pk__exact"}
)
_PLAIN_INITIAL = (models.CharField, models.TextField, models.IntegerField, models.BooleanField)


class CappedPaginator(_Paginator):
    """Counts no further than `cap`: a page costs the same in a table of any size."""

    cap = 10_000
    template_name = "admin/capped_pagination.html"

    @cached_property
    def count(self) -> int:
        """At most `cap`. One query, which reads at most `cap` + 1 rows of an index."""
        return min(self._counted, self.cap)

    @property
    def is_capped(self) -> bool:
        """Say whether there are more rows than were counted."""
        return self._counted > self.cap

    @cached_property
    def _counted(self) -> int:
        rows = self.object_list
        if isinstance(rows, models.QuerySet):
            return rows.order_by()[: self.cap + 1].count()
        return len(rows)


class ReadOnlyMixin:
    """Nobody adds, changes or deletes here: the rows are what happened, or what vendors say."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Work that is done makes the rows."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """They are looked at; what may be decided about them has a page of its own."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """They stay, as evidence (S-20, S-21)."""
        return False


class SafeQueryMixin:
    """For a ModelAdmin: nonsense in a query string leads back to the list, with a sentence (G-11).

    Look-ups are allowed only for what the list can be filtered by: what cannot be seen cannot be
    asked for either (S-07). `allowed_lookups` adds field paths that links of ours use.
    """

    paginator: type[Paginator[Any]] = CappedPaginator
    show_full_result_count = False
    list_max_show_all = 0
    allowed_lookups: tuple[str, ...] = ()

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Render here, so that what a lazy query refuses is met here too."""
        if not self.has_view_or_change_permission(request):  # type: ignore[attr-defined]
            raise PermissionDenied
        if ERROR_FLAG in request.GET:
            without = request.GET.copy()
            del without[ERROR_FLAG]
            request.GET = without  # type: ignore[assignment]
        if not _is_sane(request.GET.lists()):
            return self._back_to_list(request)
        try:
            response: HttpResponse = super().changelist_view(  # type: ignore[misc]
                request, extra_context
            )
            if request.method == "GET" and hasattr(response, "render"):
                response = response.render()
        except _BAD_LOOKUP:
            return self._back_to_list(request)
        except _BAD_VALUE:
            if request.method != "GET" or not request.GET:
                raise
            return self._back_to_list(request)
        else:
            return response

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """As Django's; a bad look-up leaves by `changelist_view`, whatever else the URL says."""
        try:
            changes = super().get_changelist_instance(request)  # type: ignore[misc]
        except IncorrectLookupParameters as problem:
            raise DisallowedModelAdminLookup(str(problem)) from problem
        if not (changes.query or changes.has_active_filters):
            changes.full_result_count = changes.result_count  # the theme offers no "Show all" then
        return changes

    def lookup_allowed(
        self,
        lookup: str,
        value: str,
        request: HttpRequest | None = None,
    ) -> bool:
        """Allow the filters that the list shows, `allowed_lookups`, and the id."""
        shown = self.get_list_filter(request)  # type: ignore[attr-defined]
        known = {"pk", "id", *self.allowed_lookups, *(_path_of(entry) for entry in shown)}
        if lookup in {_parameter_of(entry) for entry in shown}:
            return True
        hierarchy = getattr(self, "date_hierarchy", None)
        if hierarchy:
            known.add(hierarchy)
        base = _RANGE_END.sub("", lookup)
        return any(
            base == path or lookup.removeprefix(f"{path}__") in _COMPARISONS
            for path in known
            if path
        )

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Any], search_term: str
    ) -> tuple[models.QuerySet[Any], bool]:
        """As Django's; a term that no record can hold finds nothing."""
        too_much = len(search_term) > _LONGEST_SEARCH or len(search_term.split()) > _MOST_WORDS
        if too_much or "\x00" in search_term:
            return queryset.none(), False
        found: tuple[models.QuerySet[Any], bool] = super().get_search_results(  # type: ignore[misc]
            request, queryset, search_term
        )
        return found

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        """As Django's, for which a blank `_to_field` names a field that is not there."""
        return super().get_object(request, object_id, from_field or None)  # type: ignore[misc]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """As Django's, without values that a field of the form could not even show."""
        given: dict[str, Any] = super().get_changeform_initial_data(  # type: ignore[misc]
            request
        )
        options = self.model._meta  # type: ignore[attr-defined]
        return {name: value for name, value in given.items() if _can_show(options, name, value)}

    def _back_to_list(self, request: HttpRequest) -> HttpResponse:
        messages.warning(
            request, "The address asked for something that this list cannot be filtered by."
        )
        return HttpResponseRedirect(f"{request.path}?{ERROR_FLAG}=1")


def _is_sane(lists: Iterable[tuple[str, list[Any]]]) -> bool:
    """Refuse before the database does: in PostgreSQL a refused value ends the transaction."""
    for name, values in lists:
        for value in values:
            text = str(value)
            if "\x00" in name or "\x00" in text or len(text) > _LONGEST_VALUE:
                return False
            if name == SEARCH_VAR:
                continue
            pieces = text.split(",")
            if len(pieces) > _MOST_VALUES or any(_is_too_big(piece) for piece in pieces):
                return False
    return True


def _is_too_big(text: str) -> bool:
    return bool(_INTEGER.fullmatch(text.strip())) and not (
        len(text) <= len(str(_BIGGEST_ID)) and abs(int(text)) <= _BIGGEST_ID
    )


def _path_of(entry: Any) -> str | None:
    """The look-up path, or the parameter, of one entry of `list_filter`."""
    if isinstance(entry, list | tuple):
        entry = entry[0]
    if isinstance(entry, type) and issubclass(entry, SimpleListFilter):
        return None  # It takes its own parameter; no look-up that begins like it is meant.
    if isinstance(entry, str):
        return entry
    return getattr(entry, "parameter_name", None)


def _parameter_of(entry: Any) -> str | None:
    """The parameter of a filter that is a class of its own."""
    return entry.parameter_name if hasattr(entry, "parameter_name") else None


def _can_show(options: Any, name: str, value: Any) -> bool:
    try:
        field = options.get_field(name)
    except FieldDoesNotExist:
        return False
    if "\x00" in str(value) or len(str(value)) > _LONGEST_VALUE:
        return False
    if isinstance(field, models.ForeignKey):
        return str(value).isdecimal() and not _is_too_big(str(value))
    return isinstance(field, _PLAIN_INITIAL)


def per_request_cache(
    request: HttpRequest, name: str, make: Callable[[], Mapping[str, Any]]
) -> Mapping[str, Any]:
    """Give what `make` gives, asked once per request; ModelAdmin objects are shared by threads."""
    known: dict[str, Mapping[str, Any]] = request.__dict__.setdefault("_admin_cache", {})
    if name not in known:
        known[name] = make()
    return known[name]
