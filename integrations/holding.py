"""Which secrets credentials need, whether they hold them, and where an integration then runs."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import Q, QuerySet

from integrations.models import Credentials, Integration, SyncRun
from integrations.oauth.consent import needs_consent
from integrations.oauth.tokens import not_connected

# What each type of credentials is made of, and what may be given besides.
SECRETS: Mapping[str, tuple[str, ...]] = {
    "api_key": ("value",),
    "basic": ("username", "password"),
    "oauth2": ("client_id", "client_secret"),
}
OPTIONAL: Mapping[str, tuple[str, ...]] = {"oauth2": ("refresh_token",)}
# A local integration works where its secret is, in processes that a person or cron starts there.
_NEEDS_SECRET = ~Q(kind=SyncRun.Kind.UNDO)


def what_is_missing(credentials: Credentials) -> str:
    """Say what has to be entered or done before credentials can sign in; nothing when they can."""
    if credentials.stored == Credentials.Stored.REFERENCE:
        unnamed = set(SECRETS[credentials.type]) - set(credentials.references)
        if unnamed:
            return f'"{credentials}" do not say where their {min(unnamed)} is; name it there.'
        return ""
    if not set(SECRETS[credentials.type]) <= set(credentials.hints):
        return f'"{credentials}" hold no secret yet; enter it on their page first.'
    if credentials.reconnect_since is not None:
        return credentials.test_message or not_connected(credentials.name)
    if (
        credentials.type == Credentials.Type.OAUTH2
        and needs_consent(credentials)
        and credentials.refreshed_at is None
        and "refresh_token" not in credentials.hints
    ):
        return not_connected(credentials.name)
    return ""


def installation_mistake(installation: str, *, type_: str, stored: str, name: str) -> str:
    """Say why an installation type and credentials do not go together (M-35, MO-10), or nothing."""
    local = installation == Integration.Installation.LOCAL
    if local and type_ == Credentials.Type.OAUTH2:
        return (
            f'Local cannot be chosen with "{name}": OAuth 2.0 tokens change by themselves, so they '
            "have to be stored here. Choose Cloud, or credentials of another type."
        )
    if local and stored != Credentials.Stored.REFERENCE:
        return (
            f'Local needs credentials whose secret is kept outside of Rolecall, but "{name}" are '
            "stored here. Choose Cloud, or other credentials."
        )
    if not local and stored == Credentials.Stored.REFERENCE:
        return (
            f'Cloud needs credentials whose secret is stored here, but "{name}" only say where it '
            "is, and no worker may read that. Choose Local, or other credentials."
        )
    return ""


def is_local(integration: Integration) -> bool:
    """Say whether only commands run it."""
    return integration.installation == Integration.Installation.LOCAL


def command_for(integration: Integration, *options: str) -> str:
    """Give the command that runs a local integration."""
    quoted = integration.name.replace("\\", "\\\\").replace('"', '\\"')
    return " ".join(["python manage.py sync", f'"{quoted}"', *options])


def for_workers(runs: QuerySet[SyncRun]) -> QuerySet[SyncRun]:
    """Those of the runs that a worker may do: not what needs the secret of a local one (M-35)."""
    local = Q(integration__installation=Integration.Installation.LOCAL)
    return runs.exclude(local & _NEEDS_SECRET)
