"""Who owns which people field, as pages tell it (M-6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpRequest

from integrations.models import Integration
from integrations.overview import Move, field_claims
from people.queries import Target, mapping_targets


def show_claims(
    row: Integration, mapped: Sequence[str], targets: Mapping[str, Target]
) -> list[dict[str, Any]]:
    """Who owns each people field that is mapped here, and who is next in line. One query."""
    claims = field_claims(mapped)
    shown = []
    for key in mapped:
        target, claim = targets.get(key), claims.get(key)
        if target is not None and target.of_saas_user:
            continue  # ownership is about people (M-6)
        owner = claim.owner if claim else None
        later = [one.name for one in claim.next if one.integration_id != row.pk] if claim else []
        shown.append(
            {
                "label": target.label if target else key,
                "owner": owner.name if owner else "",
                "is_ours": owner is not None and owner.integration_id == row.pk,
                "next": later[0] if later else "",
            }
        )
    return shown


def tell_moves(request: HttpRequest, moved: Sequence[Move]) -> None:
    """Name fields whose owner changed, and what that means (M-6). One query when there are any."""
    if not moved:
        return
    labels: Mapping[str, Any] = mapping_targets()
    by_owner: dict[str, list[str]] = {}
    for move in moved:
        target = labels.get(move.field)
        by_owner.setdefault(move.to, []).append(target.label if target else move.field)
    for owner, fields in by_owner.items():
        names = ", ".join(fields)
        if owner:
            text = f'{names}: "{owner}" owns this from now on. Its next run is only a preview.'
        else:
            text = f"{names}: no integration owns this any more; the values stay as they are."
        messages.warning(request, text)
