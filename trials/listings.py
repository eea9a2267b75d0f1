"""Empty, short, forbidden and contradictory listings of a company: does any of them remove anybody?

Each form is answered in the place of the listing of a company of 500, at each vendor, on SQLite and
PostgreSQL; nobody may be deactivated here, and nothing may be changed at the vendor (F-24, F-25,
G-07). Afterwards a few honest leavers have to go: else the trial would see nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trials.report import Promise
from trials.sides import run_on_both

if TYPE_CHECKING:
    from tests.integrations.bad_input.world import World

PEOPLE, SHORT_PEOPLE = 500, 60
HONEST = 3


@dataclass(frozen=True)
class Form:
    """One answer in the place of the listing; `kept` is the share of records that is left."""

    name: str
    kind: Any = None
    values: dict[str, Any] = field(default_factory=dict)
    kept: float = 1.0
    of_lookups: bool = False


FORMS = (
    Form("a list", "body", {"body": b"[]"}),
    Form("an object", "body", {"body": b"{}"}),
    Form("null", "body", {"body": b"null"}),
    Form("a blank text", "body", {"body": b'""'}),
    Form("nothing", "body", {"body": b""}),
    Form("204", "empty", {"form": "no_content"}),
    Form("an empty envelope", "empty", {"form": "envelope"}),
    Form("an error with 200", "body", {"body": b'{"error": "Something went wrong"}'}),
    Form("a sign-in page with 200", "html", {"status": 200}),
    Form("a page with 404", "html", {"status": 404}),
    Form("403", "status", {"status": 403}),
    Form("another record in one's place", "set_values"),
    Form("only one record", kept=0.0),
    Form("half of the records", kept=0.5),
    Form("a few missing, 404 for all", "status", {"status": 404, "body": "{}"}, 0.95, True),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trial."""
    title = "Listings that prove nothing (F-24, F-25, G-07)"
    return run_on_both("listings", title, __doc__, arguments, _try_all)


def _try_all(options: argparse.Namespace) -> list[Promise]:
    from integrations.registry import vendors

    promises = []
    people = SHORT_PEOPLE if options.short else PEOPLE
    for vendor in vendors():
        with _company(vendor, people) as world:
            promises += [_try(world, form) for form in FORMS]
            promises.append(_try_honest(world))
    removed = sum(one.figures["removals"] for one in promises if "state" in one.figures)
    forms = len(vendors()) * len(FORMS)
    return [*promises, Promise("all forms", forms, (), {"removals": removed})]


@contextmanager
def _company(vendor: str, people: int) -> Iterator[World]:
    """An empty database, into which one vendor of a company was loaded without a fault."""
    from django.conf import settings
    from django.core.management import call_command

    from integrations.models import Integration
    from integrations.sandbox.server import Sandbox
    from tests.integrations.bad_input.world import mend, open_world
    from tests.integrations.vendors.contract.world import NO_LIMITS

    call_command("flush", interactive=False, verbosity=0)
    with Sandbox(people=people, seed=1, settings=NO_LIMITS) as sandbox:
        settings.EGRESS_EXTRA_HOSTS = [sandbox.url.removeprefix("http://")]
        settings.EGRESS_ALLOW_HTTP = True
        world = open_world(vendor, sandbox)
        mend(world)
        of_people = "deactivate" if vendor == "bamboohr" else "leave"
        selection = "user_only" if vendor == "bamboohr" else "user_plus_saas_user"
        Integration.objects.filter(pk=world.integration.pk).update(
            missing_users="deactivate", missing_people=of_people, user_selection=selection
        )
        world.sync()
        yield world


def _try(world: World, form: Form) -> Promise:
    before = _gone()
    kept = _spoil(world, form)
    run = world.sync()
    world.heal()
    world.sandbox.state[world.vendor].keep(kept)
    removed = _gone() - before
    broken = [f"{removed} were removed; the run ended {run.state}"] if removed else []
    effects = [one for one in world.sandbox.ledger if not one.op.startswith("token.")]
    broken += [f"{len(effects)} changes at the vendor"] if effects else []
    if run.state == "done":
        broken.append("the run ended as if all had been well")
    figures = {"state": run.state, "removals": removed}
    return Promise(f"{world.vendor}: {form.name}", 1, broken, figures)


def _spoil(world: World, form: Form) -> Any:
    """Let the vendor answer in this form; gives what it holds, to be put back."""
    from tests.integrations.bad_input.world import records_name

    side = world.sandbox.state[world.vendor]
    whole = side.kept()
    if form.kept < 1:
        name = records_name(side)
        records = whole[name]
        left = records[: max(1, round(len(records) * form.kept))]
        side.keep({**whole, name: left})
    if form.kind is not None:
        values = dict(form.values)
        if form.kind == "set_values":
            values |= {"values": _another_record(world), "count": 1}
        path = _look_ups(world) if form.of_lookups else world.listing
        world.fault(form.kind, path=path, **values)
    return whole


def _another_record(world: World) -> dict[str, str]:
    """A record of the first page with the id and e-mail of nobody; not that of the key's owner."""
    from integrations.registry import get_vendor

    load = get_vendor(world.vendor).load(world.integration.load)
    e_mail = load.fields.get("work_email") or load.fields["email"]
    place = f"{load.records}.7" if load.records else "7"
    values = {f"{place}.{load.id}": "999", f"{place}.{e_mail.path}": "other@acme.example"}
    number = load.fields.get("employee_number") or load.fields.get("employee_id")
    if number is not None:
        values[f"{place}.{number.path}"] = "E-other"
    return values


def _look_ups(world: World) -> str:
    """A pattern of the calls that ask for one record, or for some, by id."""
    from integrations.registry import get_vendor
    from tests.integrations.vendors.contract.world import address_of

    look_up = get_vendor(world.vendor).load(world.integration.load).lookup
    assert look_up is not None  # noqa: S101 - every folder has one
    side = world.sandbox.state[world.vendor]
    values = {**side.inputs(), "id": "SOMEBODY", "ids": ["SOMEBODY"]}
    return address_of(side, look_up.request, values).replace("SOMEBODY", "[^/?]+")


def _try_honest(world: World) -> Promise:
    """The positive control: who is gone at the vendor goes here."""
    world.sync()  # the record that another form made up goes as well
    before = _gone()
    for record in _plain(world)[10 : 10 + HONEST]:
        world.delete(record)
    run = world.sync()
    removed = _gone() - before
    broken = [] if removed == HONEST else [f"{removed} of {HONEST} went; it ended {run.state}"]
    return Promise(f"{world.vendor}: honest leavers go", HONEST, broken)


def _plain(world: World) -> list[str]:
    """Ids of records that are active here, without those whom nothing removes."""
    from integrations.models import RecordLink

    links = RecordLink.objects.filter(vendor=world.vendor).order_by("pk")
    if world.vendor == "bamboohr":
        links = links.filter(person__status="active")
    else:
        links = links.filter(saas_user__status="active").exclude(
            saas_user__roles__role__icontains="admin"
        )
    return list(links.values_list("external_id", flat=True))


def _gone() -> int:
    from people.models import Person
    from saas.models import SaaSUser

    return (
        Person.objects.filter(status="deactivated").count()
        + SaaSUser.objects.filter(status="deactivated").count()
    )


if __name__ == "__main__":
    sys.exit(main())
