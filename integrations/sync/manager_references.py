"""References to managers, `kind:value` as the mapping writes them, and who they are (F-38)."""

from __future__ import annotations

from collections.abc import Iterable

from integrations.models import StagedRecord
from integrations.sync.links import links_by_external_id
from integrations.sync.work import Issue, Work
from people.models import Person

_COLUMNS = {"external_id": "external_id", "employee_id": "employee_id", "email": "email_key"}


def read_managers(work: Work, references: set[str]) -> dict[str, tuple[int | None, str]]:
    """Who the references are: reference -> (person id if there is one already, e-mail).

    Up to seven queries, none without references.
    """
    if not references:
        return {}
    found = find_managers(work, references)
    emails = dict(Person.objects.filter(pk__among=set(found.values())).values_list("pk", "email"))
    managers: dict[str, tuple[int | None, str]] = {
        reference: (pk, emails.get(pk) or f"person {pk}") for reference, pk in found.items()
    }
    for reference, key in _managers_in_listing(work, references - found.keys()).items():
        managers[reference] = (None, key)
    return managers


def find_managers(work: Work, references: Iterable[str]) -> dict[str, int]:
    """People by reference; up to three queries. Ambiguous ones are left out."""
    by_kind = _by_kind(references)
    found: dict[str, int] = {}
    if ids := by_kind.get("external_id"):
        for external_id, link in links_by_external_id(work, ids).items():
            if link.person_id is not None:
                found[f"external_id:{external_id}"] = link.person_id
    for kind in ("employee_id", "email"):
        if values := by_kind.get(kind):
            wanted = {value.casefold() if kind == "email" else value: value for value in values}
            people = _people_by(_COLUMNS[kind], wanted)
            found |= {
                f"{kind}:{wanted[value]}": pks[0] for value, pks in people.items() if len(pks) == 1
            }
    return found


def _people_by(column: str, values: Iterable[str]) -> dict[str, list[int]]:
    people: dict[str, list[int]] = {}
    rows = Person.objects.filter(**{f"{column}__among": values})
    for value, pk in rows.values_list(column, "pk"):
        people.setdefault(value, []).append(pk)
    return people


def _managers_in_listing(work: Work, references: Iterable[str]) -> dict[str, str]:
    """References to records of this listing, whose person comes with this run. Three queries."""
    by_kind = _by_kind(references)
    found: dict[str, str] = {}
    for kind, column in _COLUMNS.items():
        if values := by_kind.get(kind):
            rows = StagedRecord.objects.filter(
                run=work.run.pk,
                outcome="mapped",
                email_key__isnull=False,
                username_key__isnull=False,
                **{f"{column}__among": values},
            )
            found |= {f"{kind}:{value}": key for value, key in rows.values_list(column, "key")}
    return found


def _by_kind(references: Iterable[str]) -> dict[str, set[str]]:
    by_kind: dict[str, set[str]] = {}
    for reference in references:
        kind, _, value = reference.partition(":")
        by_kind.setdefault(kind, set()).add(value)
    return by_kind


def manager_unknown(external_id: str, key: str, reference: str, because: str) -> Issue:
    """The warning of a record whose manager is not set; `because` follows the manager's name."""
    return Issue(
        external_id,
        key,
        "manager_unknown",
        f'The manager "{reference.partition(":")[2]}" {because}',
        field="manager",
        warning=True,
    )
