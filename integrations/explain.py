"""What a run made of one person, step by step, for `sync --person`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from django.db.models import Q

from integrations.models import PlannedChange, RecordIssue, RecordLink, StagedRecord, SyncRun
from people.identity import email_key
from people.models import Person
from people.services import unique_key

_OUTCOMES = {
    StagedRecord.Outcome.MAPPED: "The filters let it pass.",
    StagedRecord.Outcome.FILTERED: "The filters leave it out: it creates nothing.",
    StagedRecord.Outcome.ISSUE: "It could not be mapped.",
}


class Witness:
    """Sees the staged records of one person while the run works: they are gone when it ends."""

    def __init__(self, run: SyncRun, email: str) -> None:
        self._run = run
        self._key = email_key(email)
        self.records: dict[str, dict[str, Any]] = {}
        self.matches: dict[str, list[dict[str, Any]]] = {}

    def look(self) -> None:
        """Remember what is staged of the person now. Two queries, more when a record is new."""
        linked = self.links().values_list("external_id", flat=True)
        rows = StagedRecord.objects.filter(run=self._run).filter(
            Q(email_key=self._key) | Q(username_key=self._key) | Q(external_id__in=list(linked))
        )
        columns = ("external_id", "outcome", "active", "payload")
        for row in rows.values(*columns):
            if row["external_id"] not in self.records:
                # Asked before anything is applied: afterwards each key finds the new person.
                self.matches[row["external_id"]] = list(self._match(orjson.loads(row["payload"])))
            self.records[row["external_id"]] = row

    def _match(self, payload: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Whom each sync key finds, in the order in which they are asked. A query per key."""
        integration = self._run.integration
        if integration is None:
            return
        keys = integration.mappings.exclude(sync_key=None).order_by("sync_key")
        for target in keys.values_list("target", flat=True):
            value = payload.get("p", {}).get(target)
            found = [] if value in (None, "") else _people_with(target, value)
            yield {"field": target, "value": value, "people": found}

    def links(self) -> Any:
        """The links at this vendor's account of the person with this e-mail."""
        integration = self._run.integration
        return RecordLink.objects.filter(
            Q(person__email_key=self._key) | Q(saas_user__email_key=self._key),
            vendor=integration.vendor if integration else "",
            tenant=(integration.tenant if integration else None) or "",
        )


def _people_with(field: str, value: Any) -> list[int]:
    if field in {"email", "username"}:
        people = Person.objects.filter(**{f"{field}_key": email_key(str(value))})
    elif field == "employee_id":
        people = Person.objects.filter(employee_id=str(value))
    else:
        people = Person.objects.filter(
            unique_values__field__key=field, unique_values__key=unique_key(value)
        )
    return list(people.order_by("pk").values_list("pk", flat=True))


def explain(run: SyncRun, witness: Witness) -> dict[str, Any]:
    """{"email", "person", "links", "records", "plan", "issues"}: the run's view. Four queries.

    `records` is empty when nobody is listed under this e-mail, and when the run failed before.
    """
    person = Person.objects.filter(email_key=email_key(run.person)).first()
    return {
        "email": run.person,
        "person": person.pk if person else None,
        "links": [
            {"external_id": one.external_id, "decision": one.decision, "person": one.person_id}
            for one in witness.links()
        ],
        "records": [
            _record(row, witness.matches[external_id])
            for external_id, row in witness.records.items()
        ],
        "plan": list(
            PlannedChange.objects.filter(run=run).values(
                "action", "object", "key", "external_id", "reason", "changes", "state"
            )
        ),
        "issues": list(
            RecordIssue.objects.filter(run=run).values(
                "external_id", "key", "severity", "code", "reason", "detail"
            )
        ),
    }


def _record(row: Mapping[str, Any], matches: list[dict[str, Any]]) -> dict[str, Any]:
    payload = orjson.loads(row["payload"])
    return {
        "external_id": row["external_id"],
        "outcome": row["outcome"],
        "active": row["active"],
        "people": payload.get("p", {}),
        "saas_user": payload.get("u"),
        "roles": payload.get("r"),
        "problem": payload.get("i"),
        "sync_keys": matches,
    }


def as_lines(told: Mapping[str, Any]) -> Iterator[str]:
    """The same in sentences."""
    yield f"{told['email']}:"
    known = told["person"]
    yield f"  Known here: {f'person {known}' if known else 'nobody has this e-mail'}."
    for link in told["links"]:
        decision = f", decided: {link['decision'].replace('_', ' ')}" if link["decision"] else ""
        yield f"  Linked to the vendor's record {link['external_id']}{decision}."
    if not told["records"]:
        yield "  Listing: no record under this e-mail was looked at: not listed, or unchanged."
    for record in told["records"]:
        yield from _record_lines(record)
    for row in told["plan"]:
        reason = f" ({row['reason']})" if row["reason"] else ""
        yield f"  {row['action']} {row['object'].replace('_', ' ')} {row['key']}{reason}"
        for field, (old, new) in row["changes"].items():
            yield f"      {field}: {_word(old)} -> {_word(new)}"
    for issue in told["issues"]:
        yield f"  {issue['severity']}: {issue['reason']}"
    if not told["plan"] and not told["issues"]:
        yield "  Nothing is to be done."


def _record_lines(record: Mapping[str, Any]) -> Iterator[str]:
    listed = "active" if record["active"] else "no longer active"
    yield f"  Listing: record {record['external_id']}, {listed}."
    yield f"  Filters: {_OUTCOMES[record['outcome']]}"
    for match in record["sync_keys"]:
        people = ", ".join(f"person {one}" for one in match["people"]) or "nobody"
        yield f"  Sync key: {match['field']} = {_word(match['value'])} finds {people}."
    for field, value in record["people"].items():
        yield f"      {field} = {_word(value)}"
    for role, _scope_id, scope in record["roles"] or ():
        yield f"      role {role}{f' ({scope})' if scope else ''}"


def _word(value: Any) -> str:
    return "nothing" if value in (None, "") else orjson.dumps(value).decode()
