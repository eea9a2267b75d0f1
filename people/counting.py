"""Counting no further than a page needs, in the database."""

from __future__ import annotations

from django.db.models import IntegerField, Subquery


class CappedCount(Subquery):
    """Counts the rows of a sliced query, per row of the outer one: `rows.values("pk")[:1001]`.

    A page costs the same however many rows there are.
    """

    template = "(SELECT COUNT(*) FROM (%(subquery)s) AS counted)"
    output_field = IntegerField()


class AtLeast(int):
    """A number that was counted no further: 10,001 is shown as `more than 10,000`."""

    def __format__(self, spec: str) -> str:
        return f"more than {int(self) - 1:,}"

    def __str__(self) -> str:
        return format(self)


def counted_to(number: int, most: int) -> int:
    """The number, shown as `more than {most}` where the count stopped behind that."""
    return AtLeast(number) if number > most else number


def add(*numbers: int) -> int:
    """The sum; `AtLeast` where one of the numbers is."""
    total = sum(numbers)
    return AtLeast(total) if any(isinstance(one, AtLeast) for one in numbers) else total
