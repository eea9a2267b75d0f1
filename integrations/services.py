"""What pages and commands call: launch, pause, run, test, settle. Each checks, then writes once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from integrations import references, templates
from integrations.auth import Access
from integrations.broker import wake
from integrations.client import Connection, VendorClient
from integrations.errors import (
    AlreadyRunning,
    InputInvalid,
    NotReady,
    Problem,
    TemplateError,
    UnknownTransform,
    VendorError,
)
from integrations.holding import command_for, installation_mistake, is_local, what_is_missing
from integrations.installation import check_may_begin
from integrations.manifest_load import Load
from integrations.models import (
    Credentials,
    FieldMapping,
    GlobalVariable,
    Integration,
    LinkState,
    RecordLink,
    SyncRun,
)
from integrations.oauth import DatabaseTokens
from integrations.paths import parse_path
from integrations.registry import get_vendor
from integrations.secrets import open_sealed
from integrations.transforms import get_transform
from people.models import CustomField
from people.queries import Target, mapping_targets
from saas.models import Application


def access_for(credentials: Credentials) -> Access:
    """The opened credentials, for `VendorClient` only. Raises SecretsUnreadable, AskPerson.

    Of OAuth 2.0 it holds no secret but the way to a token. At most one query.
    """
    is_oauth = credentials.type == Credentials.Type.OAUTH2
    return Access(
        credentials_id=credentials.pk,
        name=credentials.name,
        type=credentials.type,
        settings=credentials.settings,
        secrets={} if is_oauth else _secrets_of(credentials),
        base_url=credentials.base_url or None,
        overrides=credentials.overrides,
        is_row=True,
        tenant=credentials.tenant,
        tokens=DatabaseTokens(credentials) if is_oauth else None,
    )


def _secrets_of(credentials: Credentials) -> Mapping[str, str]:
    if credentials.stored == Credentials.Stored.REFERENCE:
        return references.read_stored(credentials)
    return open_sealed(credentials)


def variables() -> dict[str, str]:
    """Global variables by key, as templates look them up. One query."""
    return dict(GlobalVariable.objects.values_list("key", "value"))


def effective_inputs(vendor_key: str, given: Mapping[str, str]) -> dict[str, str]:
    """The vendor's inputs, normalised: what was typed, else the vendor's variable (AH-11, AH-12).

    Raises InputInvalid with the input's name as its field. One query.
    """
    known = {"variables": variables()}
    inputs: dict[str, str] = {}
    for name, field in get_vendor(vendor_key).inputs.items():
        template = given.get(name) or (
            f"{{{{ variables.{field.variable} }}}}" if field.variable else ""
        )
        try:
            value = templates.render(template, known)
        except TemplateError as error:
            raise InputInvalid(name, f"{field.label}: {error}") from error
        inputs[name] = field.normalise(str(value if value is not None else ""))
    return inputs


def test_credentials(
    credentials: Credentials, given: Mapping[str, str], *, now: datetime | None
) -> Connection:
    """Make the vendor's harmless test call and record its result on the credentials.

    Raises InputInvalid, SecretsUnreadable or VendorError, after recording that it failed.
    """
    vendor = get_vendor(credentials.vendor)
    try:
        inputs = effective_inputs(credentials.vendor, given)
        with VendorClient(vendor, access_for(credentials), inputs=inputs) as client:
            connection = client.test()
    except (VendorError, InputInvalid) as error:
        _record_test(credentials, Credentials.Test.FAILED, str(error), now)
        raise
    _record_test(credentials, Credentials.Test.CONNECTED, connection.text, now)
    if credentials.stored == Credentials.Stored.REFERENCE and vendor.manifest.tenant.answer:
        # Pages cannot ask: what they need to know of the account is kept.
        Credentials.objects.filter(pk=credentials.pk).update(tenant=connection.tenant)
    return connection


def _record_test(credentials: Credentials, state: str, message: str, now: datetime | None) -> None:
    Credentials.objects.filter(pk=credentials.pk).update(
        test_state=state, test_message=message[:500], tested_at=now or timezone.now()
    )


def problems_before_launch(integration: Integration) -> list[Problem]:
    """What is still missing, each on the field that it belongs to; empty means Launch will do.

    About five queries; nothing is sent to the vendor.
    """
    return [*_setup_problems(integration), *_mapping_problems(integration)]


def _setup_problems(integration: Integration) -> list[Problem]:
    problems = []
    credentials = integration.credentials
    if credentials is None:
        problems.append(Problem("credentials", "Choose the credentials to sign in with."))
    elif credentials.vendor != integration.vendor:
        problems.append(
            Problem("credentials", f'"{credentials}" belong to another vendor; choose others.')
        )
    else:
        problems.extend(_credentials_problems(integration, credentials))
    if integration.run_as is None:
        problems.append(
            Problem("run_as", "Choose the user to whom the changes of its runs are attributed.")
        )
    try:
        effective_inputs(integration.vendor, integration.inputs)
    except InputInvalid as error:
        problems.append(Problem(f"inputs.{error.field}", str(error)))
    if integration.user_selection == Integration.UserSelection.USER_PLUS_SAAS_USER:
        several = Application.objects.filter(vendor=integration.vendor).count() > 1
        if several and integration.application is None:
            problems.append(
                Problem("application", "There are several applications of this vendor; choose one.")
            )
    return problems


def _credentials_problems(integration: Integration, credentials: Credentials) -> list[Problem]:
    """What they lack, and whether they go with the installation type (M-35). No query."""
    problems = []
    missing = what_is_missing(credentials)
    if missing:
        problems.append(Problem("credentials", missing))
    mistake = installation_mistake(
        integration.installation,
        type_=credentials.type,
        stored=credentials.stored,
        name=credentials.name,
    )
    if mistake:
        problems.append(Problem("installation", mistake))
    return problems


def _mapping_problems(integration: Integration) -> list[Problem]:
    targets = mapping_targets()
    mappings = list(integration.mappings.all())
    mapped = {mapping.target for mapping in mappings}
    load = get_vendor(integration.vendor).loads[integration.load]
    problems = [
        Problem("mappings", f"Map a field to {targets[key].label}: it must be known for everybody.")
        for key in load.required_targets
        if key not in mapped
    ]
    keys = [mapping for mapping in mappings if mapping.sync_key is not None]
    if not keys:
        problems.append(
            Problem("mappings", "Mark one mapping as sync key, for example the e-mail.")
        )
    mistakes = (_mistake_in(mapping, targets.get(mapping.target), load) for mapping in mappings)
    problems.extend(Problem("mappings", mistake) for mistake in mistakes if mistake)
    if "status" in mapped and _other_status_owner(integration) is not None:
        problems.append(
            Problem(
                "mappings",
                f'"{_other_status_owner(integration)}" maps the status of people already; only the '
                "source of truth for employment may.",
            )
        )
    return problems


def _mistake_in(mapping: FieldMapping, target: Target | None, load: Load) -> str | None:
    """What is wrong with one mapping by itself, as a sentence that names its target."""
    if target is None:
        return f'There is no people field "{mapping.target}"; make it first.'
    if mapping.sync_key is not None and not target.may_be_sync_key:
        return (
            f"{target.label} cannot be a sync key: several people may share a value. "
            "Use the e-mail, the username, the employee ID or a unique field."
        )
    try:
        if mapping.transform:
            get_transform(mapping.transform)
        if mapping.source and mapping.source not in load.fields:
            parse_path(mapping.source)
    except UnknownTransform as error:
        return f"{target.label}: {error}"
    except TemplateError as error:
        return (
            f'{target.label}: "{mapping.source}" is neither a field of the vendor nor a path into '
            f"its record: {error}."
        )
    return None


def _other_status_owner(integration: Integration) -> Integration | None:
    return (
        Integration.objects.filter(mappings__target="status")
        .exclude(pk=integration.pk)
        .exclude(state=Integration.State.DRAFT)
        .first()
    )


def launch(integration: Integration, *, by: str, test: bool = True) -> Integration:
    """Bind the integration to its tenant and make it active; the application is made when needed.

    Calls the vendor once unless `test` is off and the tenant is known without asking.
    Raises NotReady with every problem; VendorError when the test call fails.
    """
    problems = problems_before_launch(integration)
    if problems:
        raise NotReady(problems)
    tenant = _tenant_of(integration, test=test)
    if integration.tenant not in (None, tenant):
        raise NotReady(
            [
                Problem(
                    "credentials",
                    f'They belong to the account "{tenant}", but this integration was launched for '
                    f'"{integration.tenant}". Make another integration for another account.',
                )
            ]
        )
    with transaction.atomic():
        integration.tenant = tenant
        if integration.user_selection == Integration.UserSelection.USER_PLUS_SAAS_USER:
            integration.application = _bind_application(integration, tenant)
        if integration.state != Integration.State.ACTIVE:
            integration.schedule_since = timezone.now()  # no slot before is caught up
        integration.state = Integration.State.ACTIVE
        integration.launched_at = integration.launched_at or timezone.now()
        integration._change_reason = f"Launched by {by}"  # type: ignore[attr-defined]
        # Not the whole row: a run that ended during the test call has counted meanwhile (M-32).
        integration.save(
            update_fields=["tenant", "application", "state", "schedule_since", "launched_at"]
        )
    return integration


def _tenant_of(integration: Integration, *, test: bool) -> str:
    credentials = integration.credentials
    assert credentials is not None  # noqa: S101 - problems_before_launch found it
    inputs = effective_inputs(integration.vendor, integration.inputs)
    tenant = tenant_by_inputs(integration, inputs)
    asks = bool(get_vendor(integration.vendor).manifest.tenant.answer)
    if is_local(integration) and not references.are_readable():
        return _tenant_of_local(integration, credentials, tenant, asks=asks)
    if test or asks:
        tenant = test_credentials(credentials, integration.inputs, now=None).tenant
    return tenant or credentials.tenant or "main"


def _tenant_of_local(
    integration: Integration, credentials: Credentials, tenant: str | None, *, asks: bool
) -> str:
    """Whose account it is, where no call can be made: the secret is elsewhere."""
    known = tenant or credentials.tenant
    if known is None and asks:
        label = get_vendor(integration.vendor).label
        command = f'python manage.py check_vendors --live "{credentials.name}"'
        raise NotReady(
            [
                Problem(
                    "installation",
                    f"{label} says whose account it is only when it is asked, and this process may "
                    f"not read the secret. Run {command} where the secret is, then launch.",
                )
            ]
        )
    return known or "main"


def tenant_by_inputs(integration: Integration, inputs: Mapping[str, str]) -> str | None:
    """The account that the inputs name; None where only the vendor's answer says it."""
    name = get_vendor(integration.vendor).manifest.tenant.input
    return inputs[name] if name else None


def _bind_application(integration: Integration, tenant: str) -> Application:
    """The application of this tenant: the chosen one, the one that exists, or a new one."""
    vendor = get_vendor(integration.vendor)
    existing = Application.objects.filter(vendor=vendor.key, tenant=tenant).first()
    chosen = integration.application
    if chosen is None:
        if existing is not None:
            return existing
        chosen, _made = Application.objects.get_or_create(name=vendor.label)
    if existing is not None and existing != chosen:
        raise NotReady(
            [
                Problem(
                    "application",
                    f'The account "{tenant}" already belongs to the application "{existing}".',
                )
            ]
        )
    if (chosen.vendor, chosen.tenant) not in {("", None), (vendor.key, tenant)}:
        raise NotReady(
            [
                Problem(
                    "application",
                    f'"{chosen}" belongs to the account "{chosen.tenant}"; choose or make another.',
                )
            ]
        )
    chosen.vendor, chosen.tenant = vendor.key, tenant
    chosen.save()
    return chosen


def pause(integration: Integration, *, by: str) -> None:
    """Stop an integration from running; it keeps its fields (M-6)."""
    integration.state = Integration.State.PAUSED
    integration._change_reason = f"Paused by {by}"  # type: ignore[attr-defined]
    integration.save(update_fields=["state"])


def look_again(integration: Integration) -> None:
    """Count a change of mappings, filters, preference or ownership (M-1): one query."""
    Integration.objects.filter(pk=integration.pk).update(
        revision=F("revision") + 1, updated_at=timezone.now()
    )


@dataclass(frozen=True)
class FieldOwner:
    """Who owns a people field (M-6)."""

    field: str
    integration_id: int
    name: str
    priority: int


def field_owners() -> dict[str, FieldOwner]:
    """The owner of each mapped people field: lowest priority number, then the older. One query."""
    rows = (
        FieldMapping.objects.exclude(integration__state=Integration.State.DRAFT)
        .order_by("-integration__priority", "-integration_id")
        .values_list("target", "integration_id", "integration__name", "integration__priority")
    )
    return {
        target: FieldOwner(target, integration_id, name, priority)
        for target, integration_id, name, priority in rows
    }


def look_at_person_again(person_id: int, fields: frozenset[str]) -> None:
    """Let the owners of fields that were written by hand look again (M-7). One query."""
    LinkState.objects.filter(
        link__person=person_id, integration__mappings__target__in=fields
    ).update(hash="")


def hold_new_owners(before: Mapping[str, FieldOwner]) -> list[FieldOwner]:
    """Note who came to own fields since `before`, an answer of `field_owners` (M-6).

    The next run of each is only a preview, until somebody has looked and runs it. Two queries.
    """
    moved = [
        owner
        for field, owner in field_owners().items()
        if field in before and before[field].integration_id != owner.integration_id
    ]
    Integration.objects.filter(pk__in={owner.integration_id for owner in moved}).update(
        preview_since=timezone.now(), revision=F("revision") + 1
    )
    return moved


def may_apply(integration: Integration) -> bool:
    """Whether nothing has to be looked at first; clears the note when it has been. Two queries."""
    since = integration.preview_since
    if since is None:
        return True
    looked_at = SyncRun.objects.filter(
        integration=integration,
        kind=SyncRun.Kind.PREVIEW,
        state__in=[SyncRun.State.DONE, SyncRun.State.PARTIAL],
        queued_at__gte=since,
    ).exists()
    if looked_at:
        Integration.objects.filter(pk=integration.pk).update(preview_since=None)
    return looked_at


def queue_run(
    integration: Integration, *, kind: str = SyncRun.Kind.SYNC, by: str, person: str = ""
) -> SyncRun:
    """Put a run in the queue; the worker takes it within seconds.

    After it came to own fields of another, the first run is a preview instead (M-6); see `kind` of
    what comes back. Raises NotReady for what Launch would refuse, AlreadyRunning (with the run)
    when one is queued or running: an index allows one.
    """
    if kind == SyncRun.Kind.SYNC and integration.state == Integration.State.DRAFT:
        raise NotReady([Problem("state", "Launch the integration before running it.")])
    if is_local(integration) and not references.are_readable():
        option = ["--plan"] if kind == SyncRun.Kind.PREVIEW else []
        command = command_for(integration, *option)
        raise NotReady(
            [
                Problem(
                    "installation",
                    f"It is installed as Local: run {command} on the machine that has its secret.",
                )
            ]
        )
    check_may_begin(kind)
    problems = problems_before_launch(integration)
    if problems:
        raise NotReady(problems)
    try:
        with transaction.atomic():
            if kind == SyncRun.Kind.SYNC and not may_apply(integration):
                kind = SyncRun.Kind.PREVIEW
            run = SyncRun.objects.create(
                integration=integration,
                name=integration.name,
                kind=kind,
                person=person,
                started_by=by,
            )
            transaction.on_commit(wake)
            return run
    except IntegrityError:
        running = SyncRun.objects.filter(
            integration=integration, state__in=SyncRun.ACTIVE_STATES
        ).first()
        raise AlreadyRunning(integration.name, running.pk if running else None) from None


def rename_account(vendor: str, old: str, new: str, *, by: str) -> int:
    """The account was renamed at the vendor: move its links, application and integrations (M-1).

    Gives the number of links. Raises NotReady when there is no such account, or the new name is
    one already. Six queries.
    """
    names = {old: False, new: False}
    for tenant in names:
        names[tenant] = (
            RecordLink.objects.filter(vendor=vendor, tenant=tenant).exists()
            or Application.objects.filter(vendor=vendor, tenant=tenant).exists()
            or Integration.objects.filter(vendor=vendor, tenant=tenant).exists()
        )
    if not names[old]:
        raise NotReady([Problem("old", f'There is no account "{old}" here.')])
    if names[new] or not new.strip():
        raise NotReady([Problem("new", f'"{new}" is an account of its own here already.')])
    with transaction.atomic():
        moved = RecordLink.objects.filter(vendor=vendor, tenant=old).update(tenant=new)
        Application.objects.filter(vendor=vendor, tenant=old).update(tenant=new)
        for integration in Integration.objects.filter(vendor=vendor, tenant=old):
            integration.tenant = new
            integration._change_reason = f"{by}: the account was renamed"  # type: ignore[attr-defined]
            integration.save()
    return moved


def mappings_that_use(field: CustomField) -> list[str]:
    """Sentences naming the integrations that map a custom field. One query."""
    names = (
        Integration.objects.filter(mappings__target=field.key)
        .order_by("name")
        .values_list("name", flat=True)
    )
    return [f'mapped by the integration "{name}"' for name in names]
