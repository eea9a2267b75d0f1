"""Every preset is called against its vendor's side: planned, sent, and without a trace of the key."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from integrations.models import Credentials, Operation
from integrations.presets.calling import Called, call_now, plan_call
from integrations.presets.outcome import Kind
from integrations.registry import get_preset, get_vendor
from integrations.sandbox.server import Sandbox
from saas.models import SaaSUser
from tests.integrations.bad_input import canary
from tests.integrations.bad_input.world import World, open_world
from tests.integrations.vendors.recorded import read_samples
from tests.makers import make_person

from .world import NO_LIMITS, VENDORS

WITH_PRESETS = [vendor for vendor in VENDORS if get_vendor(vendor).presets]
# Made for a person who has no account; everything else is called for an account.
CREATES = {"goto.add_users", "betterworks.create_user"}
# The record of these tests does not fill it by itself; the last sample does.
NEEDS_INPUTS = {"betterworks.create_department"}


@pytest.fixture
def sandbox(settings: Any) -> Iterator[Sandbox]:
    with Sandbox(people=60, seed=1, settings=NO_LIMITS) as running:
        settings.EGRESS_EXTRA_HOSTS = [running.url.removeprefix("http://")]
        settings.EGRESS_ALLOW_HTTP = True
        yield running


@pytest.fixture
def everything_logged() -> Iterator[io.StringIO]:
    """All loggers at DEBUG, into a handler that masks nothing."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    loggers = [logging.getLogger(name) for name in ("", *logging.root.manager.loggerDict)]
    before = [(logger, logger.level) for logger in loggers]
    logging.getLogger().addHandler(handler)
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    yield text
    logging.getLogger().removeHandler(handler)
    for logger, level in before:
        logger.setLevel(level)


@pytest.fixture(params=WITH_PRESETS)
def synced(request: pytest.FixtureRequest, transactional_db: None, sandbox: Sandbox) -> World:
    """A vendor whose accounts were loaded, each with its person."""
    del transactional_db
    world = open_world(request.param, sandbox)
    run = world.sync()
    assert run.state in {"done", "partial"}, run.error_message
    make_person(email="new.person@acme.example", first_name="New", last_name="Person")
    sandbox.log.clear()
    return world


def credentials_of(world: World) -> Credentials:
    return Credentials.objects.get(pk=world.credentials.pk)


def an_account(world: World) -> SaaSUser:
    """An active account without a special role, which is not the owner's."""
    users = SaaSUser.objects.filter(status="active", person__isnull=False, email__gt="")
    otherwise = get_vendor(world.vendor).load(world.integration.load).roles
    assert otherwise is not None
    plain = [
        user
        for user in users.order_by("pk")
        if {role.role for role in user.roles.all()} == {otherwise.otherwise}
    ]
    return plain[len(plain) // 2]


def given_for(preset_id: str, world: World) -> dict[str, Any]:
    """Inputs: those of the first recorded sample, but what has to exist in the sandbox."""
    vendor, _, key = preset_id.partition(".")
    preset = get_preset(preset_id)[1]
    samples = read_samples(vendor)[key]
    chosen = samples[-1] if preset_id in NEEDS_INPUTS else samples[0]
    given = {} if preset_id in CREATES else dict(chosen.inputs)
    if "license_key" in preset.inputs:
        given["license_key"] = str(world.sandbox.state[vendor].kept()["licences"][0]["key"])
    return given


def record_for(preset_id: str, account: SaaSUser) -> str:
    """An account by its id; where the e-mail is what counts, the person."""
    if preset_id in CREATES:
        return "new.person@acme.example"
    vendor, preset = get_preset(preset_id)
    del vendor
    return account.external_id if "saas_user" in preset.records else account.email


def in_order(vendor: str) -> list[str]:
    """Reads, then what gives, then what takes away, and last what cannot be undone."""

    def weight(preset_id: str) -> tuple[bool, bool, bool]:
        change = get_preset(preset_id)[1].change
        destroys = bool(change and change.takes_access and not change.inverse)
        return (destroys, bool(change and change.takes_access), bool(change))

    return sorted((f"{vendor}.{key}" for key in get_vendor(vendor).presets), key=weight)


def how_it_ended(called: Called) -> str:
    """`done`, or why not."""
    if called.operation is not None:
        row = called.operation
        return row.state if row.state == "done" else f"{row.state} {row.code} {row.note}"
    assert called.reading is not None, called.held
    outcome = called.reading.outcome
    return "done" if outcome.kind == Kind.DONE else f"{outcome.kind} {outcome.note}"


def test_a_plan_of_any_preset_sends_nothing(synced: World):
    """GT-20: the request is shown, the vendor hears nothing."""
    account = an_account(synced)
    for preset_id in in_order(synced.vendor):
        given = given_for(preset_id, synced)

        _call, _preset, request = plan_call(
            preset_id, credentials_of(synced), record_for(preset_id, account), given
        )

        assert request, preset_id
        assert request["url"].startswith(synced.sandbox.base_url(synced.vendor))
    assert list(synced.sandbox.log) == []
    assert not Operation.objects.exists()


def test_every_preset_can_be_called_and_leaves_no_trace_of_the_key(
    synced: World, everything_logged: io.StringIO
):
    """C-07, G-12: done at the vendor; the key is in no row and no line."""
    account = an_account(synced)
    logging.getLogger("integrations.contract").debug("lines are caught")
    ended = {}
    for number, preset_id in enumerate(in_order(synced.vendor)):
        called = call_now(
            preset_id,
            credentials_of(synced),
            record_for(preset_id, account),
            given_for(preset_id, synced),
            key=f"contract:{number}",
            started_by="admin",
        )
        ended[preset_id] = how_it_ended(called)

    assert {one: how for one, how in ended.items() if how != "done"} == {}
    changes = [one for one in ended if get_preset(one)[1].change]
    assert Operation.objects.count() == len(changes)
    logged = everything_logged.getvalue().encode()
    assert b"lines are caught" in logged
    cells = canary.every_cell()
    for name, secret in synced.sandbox.credentials(synced.vendor)["secrets"].items():
        assert canary.find(secret, logged) == [], name
        assert canary.find(secret, cells) == [], name


def test_a_call_leaves_one_effect_at_the_vendor_and_the_same_key_none_more(synced: World):
    """M-26: what is asked for twice under one key is done once."""
    account = an_account(synced)
    changes = [one for one in in_order(synced.vendor) if get_preset(one)[1].change]
    preset_id = changes[0]
    before = len(synced.sandbox.ledger)

    for _again in range(2):
        called = call_now(
            preset_id,
            credentials_of(synced),
            record_for(preset_id, account),
            given_for(preset_id, synced),
            key="contract:twice",
            started_by="admin",
        )

    assert how_it_ended(called) == "done"
    made = [one for one in list(synced.sandbox.ledger)[before:] if one.vendor == synced.vendor]
    effects = [one.op for one in made if not one.op.startswith("token.")]
    assert len(set(effects)) == len(effects)
    assert Operation.objects.count() == 1
