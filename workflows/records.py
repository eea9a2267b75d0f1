"""The records that workflows work on, with the values that templates and rules may name.

A record is read anew for each batch: nothing of it is kept between blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.presets.call import Target
from integrations.presets.records import person_targets, saas_user_targets
from integrations.registry import Vendor, get_vendor
from people.models import Person
from saas.models import Application, SaaSUser
from workflows.models import Workflow

ACTIVE = "active"
DEACTIVATED = "deactivated"


@dataclass(frozen=True)
class Record:
    """A person or SaaS user. `status` is active or deactivated: suspended accounts are active.

    `person_id` and `saas_user_id` as in `Target`; of a person in a workflow on people the account
    depends on the vendor of the block, so it is not known here.
    """

    object: str
    id: int
    label: str
    status: str
    values: Mapping[str, Any] = field(repr=False)
    person_id: int | None = None
    saas_user_id: int | None = None

    @property
    def target(self) -> Target:
        """The record as presets want it."""
        return Target(
            kind=self.object,
            id=self.id,
            label=self.label,
            values=self.values,
            person_id=self.person_id,
            saas_user_id=self.saas_user_id,
        )


def read_records(workflow: Workflow, ids: Iterable[int]) -> dict[int, Record]:
    """Records by id; those that are gone are left out. One query for people, two for accounts."""
    wanted = list(ids)
    if workflow.object == Workflow.Object.PERSON:
        people = Person.objects.select_related("department", "manager", "role")
        found = list(people.filter(pk__among=wanted))
        return {
            one.pk: _record(target, one.status)
            for one, target in zip(found, person_targets(found), strict=True)
        }
    users = SaaSUser.objects.select_related(
        "application", "person__department", "person__manager", "person__role"
    ).filter(pk__among=wanted, application=workflow.application_id)
    accounts = list(users)
    targets = saas_user_targets(vendor_of(workflow), accounts)
    return {
        one.pk: _record(target, one.status) for one, target in zip(accounts, targets, strict=True)
    }


def read_labels(workflow: Workflow, ids: Iterable[int]) -> Iterator[tuple[int, str]]:
    """(id, label) of these records, in the order of their ids; labels as in `Record`. One query."""
    if workflow.object == Workflow.Object.PERSON:
        people = Person.objects.filter(pk__among=list(ids)).order_by("pk")
        columns = ("pk", "email", "full_name", "first_name", "last_name", "username")
        for pk, email, full, first, last, username in people.values_list(*columns):
            yield pk, email or full or f"{first} {last}".strip() or username or f"Person {pk}"
        return
    users = SaaSUser.objects.filter(pk__among=list(ids)).order_by("pk")
    for pk, email, external_id in users.values_list("pk", "email", "external_id"):
        yield pk, email or external_id


def vendor_of(workflow: Workflow) -> Vendor | None:
    """The vendor of the application that a workflow is about; None for people."""
    application: Application | None = workflow.application
    return get_vendor(application.vendor) if application and application.vendor else None


def _record(target: Target, status: str) -> Record:
    gone = status == SaaSUser.Status.DEACTIVATED
    return Record(
        object=target.kind,
        id=target.id,
        label=target.label,
        status=DEACTIVATED if gone else ACTIVE,
        values=target.values,
        person_id=target.person_id,
        saas_user_id=target.saas_user_id,
    )
