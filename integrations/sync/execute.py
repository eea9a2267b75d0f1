"""One run from its claim to its end: every way that it can end is a state with a message."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Max
from django.utils import timezone

from integrations import services
from integrations.client import VendorClient
from integrations.errors import IntegrationsError, LeaseLost, VendorError
from integrations.mapping.mapper import Mapper
from integrations.mapping.rows import MappingRow
from integrations.mapping.sources import Constants
from integrations.models import FieldMapping, Integration, SyncRun
from integrations.registry import get_vendor
from integrations.rules import Context, compile_rules
from integrations.sync.absence import plan_removals
from integrations.sync.apply import apply_plan
from integrations.sync.contest import settle_contests
from integrations.sync.ending import end_run, fail_run
from integrations.sync.judge import expect
from integrations.sync.lease import Lease, claim, heartbeat
from integrations.sync.managers import leave_managers_who_do_not_come
from integrations.sync.park import asked_pause, park
from integrations.sync.plan import make_plan
from integrations.sync.removals import preview_removals, remove, remove_approved
from integrations.sync.resume import resume
from integrations.sync.stage import fetch_and_stage
from integrations.sync.undo import undo_run
from integrations.sync.work import MappedField, Progress, Work
from people.models import Event, PersonRole
from people.queries import mapping_targets

logger = logging.getLogger(__name__)


def execute(run_id: int, *, on_progress: Progress | None = None) -> SyncRun:
    """Do a queued run here and now; gives it back ended, also when it failed, or parked.

    `on_progress(step, done, total or None)` is called at each batch. Raises AlreadyRunning when it
    is not in the queue any more, LeaseLost when another process took it over, and the errors of a
    database that went away: then the run is left as it is, and taken up when its lease ran out.
    """
    lease = claim(run_id)
    # Joined rows are read with every column: the secrets are not to come along (M-34).
    run = (
        SyncRun.objects.select_related("integration__credentials", "integration__application")
        .defer("integration__credentials__sealed")
        .get(pk=run_id)
    )
    with heartbeat(lease), _without_cycle_search():
        try:
            if run.kind == SyncRun.Kind.UNDO:
                _finish(undo_run(run, lease, on_progress))
            else:
                _work_through(_prepare(run, lease, on_progress))
        except (LeaseLost, OperationalError, InterfaceError):
            raise
        except IntegrationsError as error:
            _park_or_fail(lease, error)
        except Exception:
            logger.exception("Run %s of %s failed", run_id, run.name)
            fail_run(
                lease,
                "internal",
                "Rolecall met an error of its own; what it had done is kept. The log of the "
                f'worker has the details under "Run {run_id}".',
            )
    run.refresh_from_db()
    return run


@contextmanager
def _without_cycle_search() -> Iterator[None]:
    """Pause Python's search for reference cycles: batches are large, flat and soon dropped.

    It would walk through all of a batch again and again; `Work.show` searches once a batch.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _prepare(run: SyncRun, lease: Lease, on_progress: Progress | None) -> Work:
    """Read what the run needs; it keeps this revision whatever is edited meanwhile."""
    integration = run.integration
    if integration is None:
        raise IntegrationsError("The integration was deleted before the run began.")
    problems = services.problems_before_launch(integration)
    if problems:
        raise IntegrationsError(" ".join(problem.message for problem in problems))
    targets = mapping_targets()
    owners = services.field_owners()
    fields, sync_keys = {}, []
    mappings = list(integration.mappings.order_by("sync_key", "position", "pk"))
    for mapping in mappings:
        target = targets.get(mapping.target)
        if target is None or target.of_saas_user or mapping.source == "connector_sync_time":
            continue
        owner = owners.get(mapping.target)
        fields[mapping.target] = MappedField(
            target, mapping.policy, owned=_owns(integration, owner)
        )
        if mapping.sync_key is not None:
            sync_keys.append(mapping.target)
    run.revision = integration.revision
    lease.write(revision=run.revision, name=integration.name, step="start")
    return Work(
        run=run,
        integration=integration,
        vendor=get_vendor(integration.vendor).corrected(
            integration.credentials.overrides if integration.credentials else {}
        ),
        lease=lease,
        now=timezone.now(),
        last_event=Event.objects.aggregate(last=Max("pk"))["last"] or 0,
        targets=targets,
        fields=fields,
        sync_keys=sync_keys,
        on_progress=on_progress,
    )


def _owns(integration: Integration, owner: services.FieldOwner | None) -> bool:
    """A draft that is only previewed is judged as if it were launched."""
    if owner is None or owner.integration_id == integration.pk:
        return True
    if integration.state != Integration.State.DRAFT:
        return False
    return (integration.priority, integration.pk) < (owner.priority, owner.integration_id)


def _work_through(work: Work) -> None:
    inputs = services.effective_inputs(work.integration.vendor, work.integration.inputs)
    _same_tenant(work, inputs)
    assert work.integration.credentials is not None  # noqa: S101 - a problem before launch
    access = services.access_for(work.integration.credentials)
    resume(work)
    with VendorClient(work.vendor, access, inputs=inputs) as client:
        _same_account(work, client)
        if work.run.kind == SyncRun.Kind.REMOVALS:
            work.complete = True  # nothing was listed that could be lacking
            remove_approved(work, client)
        else:
            _sync(work, client, inputs)
    _finish(work)


def _sync(work: Work, client: VendorClient, inputs: dict[str, str]) -> None:
    """The rooms that a record walks through; deactivations come last (M-14)."""
    fetch_and_stage(work, client, _mapper(work, inputs))
    expect(work)
    make_plan(work)
    settle_contests(work)
    leave_managers_who_do_not_come(work)
    plan_removals(work)
    if work.preview:
        preview_removals(work)
        return
    apply_plan(work)
    _write_sync_times(work)
    remove(work, client)


def _same_tenant(work: Work, inputs: dict[str, str]) -> None:
    """Credentials or inputs that answer for another account fail the run (M-1)."""
    tenant = services.tenant_by_inputs(work.integration, inputs)
    if work.integration.tenant is None:
        work.integration.tenant = tenant  # a draft that is previewed; not saved
    elif tenant is not None and tenant != work.integration.tenant:
        raise IntegrationsError(
            f'The integration was launched for the account "{work.integration.tenant}", but its '
            f'inputs now name "{tenant}". Put the input back, or make another integration.'
        )


def _same_account(work: Work, client: VendorClient) -> None:
    """The same where no input says it, before anything is read. Raises VendorError.

    One call where only the vendor says it. A draft that is previewed takes the account that
    answers; it is not saved.
    """
    answered = client.check_tenant(work.integration.tenant)
    if answered is not None:
        work.integration.tenant = answered


def _mapper(work: Work, inputs: dict[str, str]) -> Mapper:
    filters = work.integration.filters
    return Mapper(
        work.load,
        list(_mapping_rows(work)),
        constants=Constants(
            credentials=str(work.integration.credentials),
            source=f"{work.vendor.label}: {work.integration.name}",
            inputs=inputs,
        ),
        role_names=frozenset(PersonRole.objects.values_list("name", flat=True)),
        keep=_filter(work) if filters else None,
        filter_fields=sorted(_fields_named_in(filters) & work.load.fields.keys()),
    )


def _filter(work: Work) -> Callable[[Mapping[str, Any]], bool]:
    types = {name: field.type for name, field in work.load.fields.items()}
    rule = compile_rules(work.integration.filters, fields=types)
    context = Context(work.now, timezone.get_default_timezone())
    return lambda record: rule(record, context)


def _fields_named_in(rules: Any) -> set[str]:
    if isinstance(rules, Mapping):
        named = {str(rules["field"])} if "field" in rules else set()
        return named.union(*(_fields_named_in(part) for part in rules.values()))
    if isinstance(rules, list):
        return set().union(*(_fields_named_in(part) for part in rules))
    return set()


def _mapping_rows(work: Work) -> list[MappingRow]:
    rows = FieldMapping.objects.filter(integration=work.integration)
    return [
        MappingRow(row.source, row.constant, row.transform, work.targets[row.target])
        for row in rows
        if row.target in work.targets and row.source != "connector_sync_time"
    ]


def _write_sync_times(work: Work) -> None:
    """Show LinkState's time in fields mapped to Connector Sync Time, without events (M-1)."""
    from integrations.sync.synctime import write_sync_times

    mapping = work.integration.mappings.filter(source="connector_sync_time").first()
    if mapping is not None and mapping.target in work.targets:
        with transaction.atomic():
            work.show("remember", 0, None)
            write_sync_times(work, work.targets[mapping.target])


def _finish(work: Work) -> None:
    """End the run: held, else partial when records have issues or the listing has gaps."""
    state = SyncRun.State.DONE
    if work.counts["held"]:
        state = SyncRun.State.HELD
    elif work.counts["issues"] or not work.complete:
        state = SyncRun.State.PARTIAL
    end_run(work.lease, state, counts=work.counts, warnings=work.warnings)


def _park_or_fail(lease: Lease, error: IntegrationsError) -> None:
    pause = asked_pause(error)
    if isinstance(error, VendorError) and pause is not None:
        park(lease, error, pause)
        return
    if isinstance(error, VendorError):
        fail_run(lease, error.code, str(error), status=error.status)
    else:
        fail_run(lease, "not_ready", str(error))
