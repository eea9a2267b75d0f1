"""Settling an issue by hand: who a record is, in a way that later syncs respect (M-3, M-4)."""

from __future__ import annotations

import orjson
from django.db import transaction
from django.utils import timezone

from integrations.errors import CannotSettle
from integrations.models import LinkState, RecordIssue, RecordLink
from integrations.services import look_at_person_again
from people.models import CustomField, Event, Person
from people.services import Writing, write_events

SETTLEABLE = frozenset(
    {
        "two_people_match",
        "two_records_one_person",
        "possible_rehire",
        "email_used_again",
        "claimed_by_other_record",
        "look_alike",
        "key_taken",
    }
)


def can_be_settled(issue: RecordIssue) -> bool:
    """Whether a person's word on who the record is would help. No query."""
    return issue.code in SETTLEABLE and not issue.settled_at and bool(issue.external_id)


@transaction.atomic
def settle_issue(
    issue: RecordIssue, *, decision: str, by: str, person_id: int | None = None
) -> RecordLink:
    """Note that the record is `same_person` as `person_id`, or `another_person`.

    The next sync acts on it. *Another person* takes the e-mail and username off a person who left
    and still has them, with an event; nobody who is active loses them. Raises CannotSettle.
    About eight queries.
    """
    if not can_be_settled(issue):
        raise CannotSettle("This issue is settled already, or is not about who the record is.")
    integration = issue.run.integration
    if integration is None or integration.tenant is None:
        raise CannotSettle("The integration of this run is gone, so nothing would act on it.")
    link, _made = RecordLink.objects.select_for_update().get_or_create(
        vendor=integration.vendor, tenant=integration.tenant, external_id=issue.external_id
    )
    if decision == RecordLink.Decision.SAME_PERSON:
        _same_person(link, person_id)
    elif decision == RecordLink.Decision.ANOTHER_PERSON:
        _another_person(link, issue, by)
    else:
        raise CannotSettle(f'Choose "Same person" or "Another person", not "{decision}".')
    now = timezone.now()
    link.decision, link.decided_by, link.decided_at = decision, by, now
    link.save()
    LinkState.objects.filter(link=link).update(hash="")
    RecordIssue.objects.filter(
        run__integration=integration, external_id=issue.external_id, settled_at__isnull=True
    ).update(settled_as=decision, settled_by=by, settled_at=now)
    return link


def _same_person(link: RecordLink, person_id: int | None) -> None:
    person = Person.objects.filter(pk=person_id).first() if person_id else None
    if person is None:
        raise CannotSettle("Choose the person that this record is.")
    if link.person_id not in (None, person.pk):
        raise CannotSettle(
            f"The record already stands for {link.person}; links are never moved silently."
        )
    link.person = person


def _another_person(link: RecordLink, issue: RecordIssue, by: str) -> None:
    if link.person_id is not None:
        raise CannotSettle(f"The record already stands for {link.person}.")
    for person in Person.objects.select_for_update().filter(pk__in=issue.candidates):
        if not _shares_key(person, issue):
            continue
        if person.status == Person.Status.ACTIVE:
            raise CannotSettle(
                f"{person} is active and has the same e-mail or username, and two people cannot "
                "share one. Change one of them at the vendor, or deactivate the person first."
            )
        _release_keys(person, by)


def _shares_key(person: Person, issue: RecordIssue) -> bool:
    from people.identity import email_key

    key = email_key(issue.key)
    return key is not None and key in (person.email_key, person.username_key)


def _release_keys(person: Person, by: str) -> None:
    """Take e-mail and username off a person who left; the event keeps them."""
    changes = {
        name: [old, None]
        for name, old in (("email", person.email), ("username", person.username))
        if old
    }
    now = timezone.now()
    Person.objects.filter(pk=person.pk).update(
        email="",
        email_key=None,
        email_look_alike=None,
        username="",
        username_key=None,
        updated_at=now,
    )
    look_at_person_again(person.pk, frozenset(changes))
    writing = Writing(source=Event.Source.ADMIN, actor=by, now=now)
    write_events(
        CustomField.Object.PERSON,
        [(person.pk, Event.Kind.EDIT, orjson.dumps(changes).decode(), "Used again by another.")],
        writing,
    )
