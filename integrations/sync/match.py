"""Which person a listed record is: by link, else by sync key, never by a guess (M-1 to M-4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from django.db.models import Count, Q

from integrations.models import RecordLink, StagedRecord
from integrations.sync.links import Link, own_links
from integrations.sync.records import Records, Staged
from integrations.sync.work import Work
from people.models import Person
from people.services import unique_key

Kind = Literal["linked", "matched", "nobody", "issue", "skip"]


@dataclass(frozen=True, slots=True)
class Match:
    """The verdict on one record; `reason` is a sentence for the plan."""

    kind: Kind
    person_id: int | None = None
    reason: str = ""
    code: str = ""
    candidates: tuple[int, ...] = ()


@dataclass(frozen=True)
class Claims:
    """Keys that several unlinked records of one listing share, among active and inactive ones."""

    active: dict[str, frozenset[str]]
    inactive: dict[str, frozenset[str]]


_CLAIM_KEYS = ("email_key", "username_key", "employee_id")


def find_claims(work: Work) -> Claims:
    """Find the keys that two or more unlinked records claim (M-3). Six queries."""
    linked = own_links(work).filter(
        Q(person__isnull=False) | Q(decision=RecordLink.Decision.ANOTHER_PERSON)
    )
    staged = StagedRecord.objects.filter(run=work.run.pk, outcome="mapped").exclude(
        external_id__in=linked.values("external_id")
    )
    found: dict[bool, dict[str, frozenset[str]]] = {True: {}, False: {}}
    for active in (True, False):
        for key in _CLAIM_KEYS:
            rows = (
                staged.filter(active=active, **{f"{key}__isnull": False})
                .values_list(key)
                .annotate(records=Count("id"))
                .filter(records__gt=1)
                .order_by()
            )
            found[active][key] = frozenset(value for value, _records in rows)
    return Claims(found[True], found[False])


def match(one: Staged, records: Records, claims: Claims, work: Work) -> Match:
    """Decide who the record is. No query: `records` and `claims` hold all that it needs."""
    link = records.links.get(one.external_id)
    if link is not None and link.person_id is not None:
        if speaker_of(link.person_id, records) != one.external_id:
            reason = "Another record of this listing speaks for the same person."
            return Match("skip", link.person_id, reason)
        return Match("linked", link.person_id)
    if link is not None and link.decision == RecordLink.Decision.ANOTHER_PERSON:
        return Match("nobody", reason="Settled by hand: another person.")
    claimed = _claimed_twice(one, records, claims)
    if claimed is not None:
        return claimed
    rehired = _by_employee_id(one, records, work)
    if rehired is not None:
        return rehired
    return _by_sync_keys(one, records, work)


def speaker_of(person_id: int, records: Records) -> str:
    """The one record, of those that are linked to a person and listed, whose values are taken.

    An active one before one that the source lists as inactive (M-3), one that passes the filters
    before one that does not, one that was settled by hand before others, then the latest.
    """
    ranked = []
    for link in records.links_of.get(person_id, []):
        listed = records.listed.get(link.external_id)
        if listed is not None:
            settled = link.decision == RecordLink.Decision.SAME_PERSON
            rank = (listed.active, listed.outcome == "mapped", settled, link.id)
            ranked.append((rank, link.external_id))
    return max(ranked)[1] if ranked else ""


def _claimed_twice(one: Staged, records: Records, claims: Claims) -> Match | None:
    """Two records that claim one person: an issue on each, but inactive ones never compete."""
    if not one.active and (
        one.email_key in records.active_emails or one.employee_id in records.active_employee_ids
    ):
        return Match(
            "skip", reason="Listed as inactive; an active record has its e-mail or employee ID."
        )
    shared = claims.active if one.active else claims.inactive
    for key in _CLAIM_KEYS:
        value = getattr(one, key)
        if value and value in shared[key]:
            word = {"email_key": "e-mail", "username_key": "username"}.get(key, "employee ID")
            holder = records.by_email.get(value) or records.by_username.get(value)
            return Match(
                "issue",
                code="two_records_one_person",
                reason=f"Several records of this listing have the same {word}. "
                "Mend it at the vendor, or say who this is.",
                candidates=(holder,) if holder else (),
            )
    return None


def _by_employee_id(  # noqa: PLR0911 - one return per case of M-4
    one: Staged, records: Records, work: Work
) -> Match | None:
    """Somebody with this employee id whom another record of the vendor stands for (M-4)."""
    if not one.employee_id:
        return None
    known = [
        pk for pk in records.by_employee_id.get(one.employee_id, []) if records.links_of.get(pk)
    ]
    if not known:
        return None
    if len(known) > 1:
        return Match(
            "issue",
            code="two_people_match",
            reason=f"Several people have the employee ID {one.employee_id}.",
            candidates=tuple(known),
        )
    person = known[0]
    standing = _still_listed(records.links_of[person], records)
    if standing is not None:
        return _claimed_by_listed(records, person, standing, "employee ID")
    if not work.complete:
        return _wait(work)
    by_email = records.by_email.get(one.email_key or "")
    if by_email is not None and by_email != person and "email" in work.sync_keys:
        return Match(
            "issue",
            code="two_people_match",
            reason="The employee ID names one person and the e-mail another.",
            candidates=(person, by_email),
        )
    return Match(
        "matched", person, "Same employee ID under a new record: the same person (re-hire)."
    )


def _by_sync_keys(one: Staged, records: Records, work: Work) -> Match:
    for key in work.sync_keys:
        found = _holders(key, one, records)
        if not found:
            continue
        if len(found) > 1:
            return Match(
                "issue",
                code="two_people_match",
                reason=f"Several people have the same {key.replace('_', ' ')}.",
                candidates=tuple(found),
            )
        person = found[0]
        verdict = _judge_holder(key, person, one, records, work)
        if verdict is not None:
            return verdict
    return _nobody(one, records, "")


def _holders(key: str, one: Staged, records: Records) -> list[int]:
    if key == "email":
        holder = records.by_email.get(one.email_key or "")
    elif key == "username":
        holder = records.by_username.get(one.username_key or "")
    elif key == "employee_id":
        return records.by_employee_id.get(one.employee_id or "", [])
    else:
        value = one.people.get(key)
        holder = None if value is None else records.by_unique.get((key, unique_key(value)))
    return [] if holder is None else [holder]


def _judge_holder(  # noqa: PLR0911 - one return per case of M-4
    key: str, person: int, one: Staged, records: Records, work: Work
) -> Match | None:
    """May the record be this person? None: the person gives the key up in this very listing."""
    others = records.links_of.get(person, [])
    if not others:
        return Match("matched", person, f"Matched by {key.replace('_', ' ')}.")
    standing = _still_listed(others, records)
    if standing is not None:
        if _gives_up(key, standing, one, records, work):
            return None
        return _claimed_by_listed(records, person, standing, key.replace("_", " "))
    if not work.complete:
        return _wait(work)
    row = records.people[person]
    if one.employee_id and row["employee_id"]:
        return Match(
            "issue",
            code="possible_rehire",
            reason=f"A possible re-hire: {row['email']} had the employee ID {row['employee_id']} "
            f"and is no longer listed; this record has {one.employee_id}. Say who it is.",
            candidates=(person,),
        )
    if row["status"] == Person.Status.ACTIVE:
        return Match(
            "matched", person, "A second record of this person; the first is no longer listed."
        )
    return Match(
        "issue",
        code="email_used_again",
        reason=f"The e-mail is used again: {row['email']} belongs to a person who left. "
        "Say who it is.",
        candidates=(person,),
    )


def _still_listed(links: list[Link], records: Records) -> Link | None:
    """The first of these records that the listing holds as active."""
    for link in links:
        listed = records.listed.get(link.external_id)
        if listed is not None and listed.active:
            return link
    return None


def _gives_up(key: str, standing: Link, one: Staged, records: Records, work: Work) -> bool:
    """Whether the person's own record has another e-mail (username) now, which we will write."""
    field = work.fields.get(key)
    if field is None or not field.owned or key not in {"email", "username"}:
        return False
    return records.listed[standing.external_id].has_other(key, getattr(one, f"{key}_key"))


def _claimed_by_listed(records: Records, person: int, standing: Link, word: str) -> Match:
    return Match(
        "issue",
        code="claimed_by_other_record",
        reason=f"The {word} belongs to {records.people[person]['email'] or f'person {person}'}, "
        f"whom the record {standing.external_id} stands for, and that one is still listed.",
        candidates=(person,),
    )


def _wait(work: Work) -> Match:
    return Match(
        "skip",
        reason=f"{work.vendor.label}'s listing was not complete; who this is will be judged on a "
        "complete one.",
    )


def _nobody(one: Staged, records: Records, reason: str) -> Match:
    if one.email_key in records.drawn_as_listed:
        return Match(
            "issue",
            code="look_alike",
            reason="The e-mail looks like that of another record of this listing, but has other "
            "letters. Check which one is meant.",
        )
    twin = records.drawn_alike.get(one.email_key or "")
    if twin is not None:
        return Match(
            "issue",
            code="look_alike",
            reason="The e-mail looks like that of "
            f"{records.people[twin]['email']}, but has other letters. Check which one is meant.",
            candidates=(twin,),
        )
    return Match("nobody", reason=reason)
