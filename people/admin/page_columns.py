"""Columns whose values are asked for once per page of a list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest

from people.admin.common import PageColumn


class ColumnsChangeList(ChangeList):
    """Fetches each page column for the rows of this page."""

    def get_results(self, request: HttpRequest) -> None:
        """As Django's, and one query per page column."""
        super().get_results(request)
        self.result_list = list(self.result_list)
        for column in cast("Any", self.model_admin).page_columns:
            column.put(self.result_list)


class ColumnsMixin:
    """Adds `page_columns` behind the columns of `list_display`."""

    page_columns: Sequence[PageColumn] = ()

    def get_list_display(self, request: HttpRequest) -> Sequence[str | Callable[..., Any]]:
        shown: Sequence[Any] = super().get_list_display(request)  # type: ignore[misc]
        return [*shown, *self.page_columns]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ColumnsChangeList
