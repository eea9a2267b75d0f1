"""Links of one vendor's account: which listed record stands for whom of ours (M-1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.models import QuerySet

from integrations.models import RecordLink
from integrations.sync.work import Work
from people.bulk import insert_rows, update_rows

COLUMNS = (
    "vendor",
    "tenant",
    "external_id",
    "person_id",
    "saas_user_id",
    "decision",
    "decided_by",
    "created_at",
)


@dataclass(frozen=True, slots=True)
class Link:
    """A RecordLink."""

    id: int
    external_id: str
    person_id: int | None
    saas_user_id: int | None
    decision: str


def own_links(work: Work) -> QuerySet[RecordLink]:
    """The links of the run's vendor and tenant; other accounts have links of their own."""
    return RecordLink.objects.filter(vendor=work.vendor.key, tenant=work.tenant)


def read_links(links: QuerySet[RecordLink]) -> list[Link]:
    """Read the links. One query."""
    rows = links.values_list("id", "external_id", "person_id", "saas_user_id", "decision")
    return [Link(*row) for row in rows]


def links_by_external_id(work: Work, external_ids: Iterable[str]) -> dict[str, Link]:
    """The links of this vendor and tenant by external id. One query."""
    found = read_links(own_links(work).filter(external_id__among=list(external_ids)))
    return {link.external_id: link for link in found}


def write_links(
    work: Work,
    links: Mapping[str, Link],
    person_of: Mapping[str, int],
    user_of: Mapping[str, int],
) -> None:
    """Remember whose record is whose (M-1); links are never moved. Up to two statements."""
    new, changed = [], []
    for external_id in {**person_of, **user_of}:
        link = links.get(external_id)
        person, user = person_of.get(external_id), user_of.get(external_id)
        if link is None:
            new.append((work.vendor.key, work.tenant, external_id, person, user, "", "", work.now))
            continue
        wanted = (link.person_id or person, link.saas_user_id or user)
        if wanted != (link.person_id, link.saas_user_id):
            changed.append((link.id, *wanted))
    if new:
        insert_rows(RecordLink, COLUMNS, new)
    update_rows(RecordLink, ["person_id", "saas_user_id"], changed)
