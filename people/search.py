"""Searching people by name and e-mail: one text per row, which PostgreSQL can index by trigrams."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db.models import F, Func, Model, Q, QuerySet, TextField

from people.identity import email_key

PERSON_SEARCH = (
    "full_name",
    "first_name",
    "last_name",
    "preferred_name",
    "email",
    "username",
)


Row = TypeVar("Row", bound=Model)


class SearchText(Func):
    """The columns joined by spaces, written as the index of the migration writes them."""

    arg_joiner = " || ' ' || "
    template = "(%(expressions)s)"
    output_field = TextField()

    def __init__(self, *columns: str, **extra: Any) -> None:
        super().__init__(*(F(column) for column in columns), **extra)


def search_rows(
    rows: QuerySet[Row], columns: tuple[str, ...], term: str, *, whole: tuple[str, ...] = ()
) -> QuerySet[Row]:
    """Rows that hold every word of the term; an e-mail is found however it is written (M-2).

    A value of the columns `whole` is found by the whole of it.
    """
    found_rows: QuerySet[Any] = rows.alias(search_text=SearchText(*columns))
    for word in term.split():
        found = Q(search_text__icontains=word)
        key = email_key(word)
        if key and "@" in key:
            found |= Q(email_key=key)
        for column in whole:
            found |= Q(**{column: word})
        found_rows = found_rows.filter(found)
    return found_rows
