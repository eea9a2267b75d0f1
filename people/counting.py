"""Counting no further than a page needs, in the database."""

from __future__ import annotations

from django.db.models import IntegerField, Subquery


class CappedCount(Subquery):
    """Counts the rows of a sliced query, per row of the outer one: `rows.values("pk")[:1001]`.

    A page costs the same however many rows there are.
    """

    template = "(SELECT COUNT(*) FROM (%(subquery)s) AS counted)"
    output_field = IntegerField()
