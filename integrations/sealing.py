"""Writing what a person changed of credentials, while somebody may be refreshing their tokens."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography.fernet import InvalidToken
from django.db.models import F
from django.utils import timezone

from integrations.errors import SecretsUnreadable
from integrations.models import Credentials
from integrations.oauth.lease import NO_LEASE
from integrations.secrets import open_sealed, seal

# What people write. The columns of tokens are not among them: a page that was open for an hour
# would put old ones back over those of a refresh.
EDITED = (
    "name",
    "vendor",
    "type",
    "settings",
    "sealed",
    "hints",
    "stored",
    "references",
    "tenant",
    "base_url",
    "expires_on",
    "overrides",
    "test_state",
    "test_message",
    "tested_at",
    "reconnect_since",
    "updated_at",
)
# With another of these the tokens that are stored belong to somebody else's grant.
_OF_THE_CLIENT = frozenset({"client_id", "settings.grant_type", "type"})


@dataclass(frozen=True)
class Edit:
    """What is new: secrets by name, and which other things changed, such as `settings.scope`.

    `anew` drops what was sealed before; `references` replaces all secrets by places.
    """

    by: str
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    changed: AbstractSet[str] = frozenset()
    anew: bool = False
    references: Mapping[str, Mapping[str, str]] | None = None


def lock_row(row: Credentials) -> None:
    """Let nobody else write the row until the transaction ends, and read what others wrote.

    Call it in a transaction. One query; none for a row that is not saved yet. What was put on the
    object already stays there: asking it for a deferred column would read all of them again.
    """
    if row._state.adding:  # noqa: SLF001 - documented
        return
    locked = Credentials.objects.select_for_update().filter(pk=row.pk)
    try:
        row.sealed, row.hints, row.reconnect_since = locked.values_list(
            "sealed", "hints", "reconnect_since"
        ).get()
    except InvalidToken:
        # No key fits; it is opened only by who wants what is in it, and written only anew.
        row.__dict__.pop("sealed", None)
        row.hints, row.reconnect_since = locked.values_list("hints", "reconnect_since").get()


def write_edit(row: Credentials, edit: Edit) -> None:
    """Seal what is new and save the row; call it after `lock_row`, in the same transaction.

    A new refresh token, or another client, ends what was granted before, also for whoever is
    refreshing it at this moment; the same client with a new secret does not. Up to four queries.
    Raises SecretsUnreadable.
    """
    edit = _without_same_client(row, edit)
    if edit.references is not None:
        row.stored, row.references = Credentials.Stored.REFERENCE, dict(edit.references)
        row.sealed, row.hints = "", {}
    else:
        row.stored, row.references = Credentials.Stored.SEALED, {}
        _seal(row, edit)
    if edit.secrets or edit.changed or edit.references is not None:
        row.reconnect_since = None
    row.updated_at = timezone.now()
    if row._state.adding:  # noqa: SLF001 - documented
        row.save()
    else:
        row.save(update_fields=[name for name in EDITED if name in row.__dict__])
    if _ends_grant(edit):
        _forget_grant(row)


def _without_same_client(row: Credentials, edit: Edit) -> Edit:
    """Without a client ID that was entered again as it was."""
    if "client_id" not in edit.secrets or not row.hints.get("client_id"):
        return edit
    try:
        same = open_sealed(row).get("client_id") == edit.secrets["client_id"]
    except SecretsUnreadable:
        return edit
    if not same or edit.changed & _OF_THE_CLIENT:
        return edit
    new = {name: value for name, value in edit.secrets.items() if name != "client_id"}
    return replace(edit, secrets=new, anew=False)


def _seal(row: Credentials, edit: Edit) -> None:
    if edit.anew:
        row.sealed, row.hints = "", {}
    without: set[str] = {"access_token"} if _ends_grant(edit) else set()
    if _other_client(edit):
        without |= {"refresh_token", "imported"}
    new = dict(edit.secrets)
    if "refresh_token" in new:
        new["imported"] = new["refresh_token"]
    if new or without:
        seal(row, new, by=edit.by, without=without)


def _other_client(edit: Edit) -> bool:
    return bool(_OF_THE_CLIENT & {*edit.secrets, *edit.changed})


def _ends_grant(edit: Edit) -> bool:
    return _other_client(edit) or "refresh_token" in edit.secrets


def _forget_grant(row: Credentials) -> None:
    nothing: dict[str, Any] = {"token_expires_at": None, "refreshed_at": None}
    Credentials.objects.filter(pk=row.pk).update(
        token_fence=F("token_fence") + 1, **nothing, **NO_LEASE
    )
