"""Making a draft of an integration, with the mappings that the vendor's folder suggests."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import transaction

from integrations.models import Credentials, FieldMapping, Integration
from integrations.registry import get_vendor
from integrations.timetable import default_schedule
from people.models import PersonRole
from people.queries import PERSON_FIELDS


@transaction.atomic
def make_draft(vendor_key: str, load_key: str, *, by: User) -> Integration:
    """Make a draft of one load of one vendor; `by` is proposed as the user of the integration.

    Credentials are chosen where the vendor has only one. Not safe to repeat: each call makes
    another draft. Raises UnknownVendor, UnknownLoad. About eleven queries.
    """
    vendor = get_vendor(vendor_key)
    load = vendor.load(load_key)
    credentials = list(Credentials.objects.filter(vendor=vendor_key)[:2])
    integration = Integration.objects.create(
        name=_free_name(load.label),
        vendor=vendor_key,
        load=load_key,
        credentials=credentials[0] if len(credentials) == 1 else None,
        run_as=by,
        schedule=default_schedule(Integration.objects.count()),
    )
    for position, suggestion in enumerate(load.suggested):
        if suggestion.target not in PERSON_FIELDS:
            continue
        constant = None if suggestion.constant is None else str(suggestion.constant)
        if suggestion.target == "role" and constant:
            PersonRole.objects.get_or_create(name=constant)
        FieldMapping.objects.create(
            integration=integration,
            source=suggestion.source or "",
            constant=constant,
            transform=suggestion.transform or "",
            target=suggestion.target,
            sync_key=suggestion.sync_key,
            policy=suggestion.policy,
            position=position,
        )
    return integration


def _free_name(label: str) -> str:
    """The label, or the label with the first number that no integration has yet."""
    taken = set(Integration.objects.filter(name__startswith=label).values_list("name", flat=True))
    if label not in taken:
        return label
    return next(name for n in range(2, len(taken) + 3) if (name := f"{label} {n}") not in taken)
