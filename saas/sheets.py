"""SaaS users for a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from django.db.models import QuerySet

from people.history import labels_of
from people.models import CustomField
from people.sheets import Sheet
from saas.models import SaaSUser
from saas.queries import RoleSummary, current_roles

_CHUNK = 2_000
_PLAIN = ("external_id", "email", "name", "status", "last_activity")


class SaaSUserSheet(Sheet):
    """Accounts with their roles of now and the person that they belong to."""

    object = CustomField.Object.SAAS_USER.value
    title = "SaaS users"

    def columns(self) -> dict[str, str]:
        labels = labels_of(self.object, self.sight)
        keys = [*_PLAIN, "roles", "person", *(field.key for field in self.sight.custom)]
        shown = {key: labels[key] for key in keys if self.sight.shows(key)}
        return {"application": "Application", **shown}

    def rows(self, queryset: QuerySet[SaaSUser]) -> Iterable[Sequence[Any]]:
        found = queryset.values_list(
            "pk", "application__name", *_PLAIN, "person__email", "custom"
        ).iterator(chunk_size=_CHUNK)
        custom = [field.key for field in self.sight.custom]
        for piece in _pieces(found):
            roles = current_roles(row[0] for row in piece)
            for pk, *values, person, held in piece:
                summary = roles.get(pk, RoleSummary(()))
                yield [*values, summary.text, person, *(held.get(key) for key in custom)]


def _pieces(rows: Iterator[Any]) -> Iterator[list[Any]]:
    while piece := list(islice(rows, _CHUNK)):
        yield piece
