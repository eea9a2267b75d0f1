"""Letting loads look again at records that somebody else wrote, in batches (M-7)."""

from __future__ import annotations

from collections.abc import Collection

from integrations.models import LinkState


def look_at_people_again(people: Collection[int], fields: Collection[str]) -> None:
    """Let the integrations that map these fields look at these people again. One query."""
    if people and fields:
        LinkState.objects.filter(
            link__person__among=people, integration__mappings__target__in=fields
        ).update(hash="")


def look_at_accounts_again(saas_users: Collection[int]) -> None:
    """Let the loads of these accounts look at them again. One query."""
    if saas_users:
        LinkState.objects.filter(link__saas_user__among=saas_users).update(hash="")
