"""Empty, short, forbidden and contradictory listings of a company: does any of them remove anybody?

Each form is answered in the place of the listing of 500 people, at each vendor, on SQLite and
PostgreSQL; nobody may be deactivated here, and nothing may be changed at the vendor (F-24, F-25,
G-07). Afterwards a few honest leavers have to go: else the trial would see nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trials.report import Promise
from trials.sides import fresh_world, run_on_both

if TYPE_CHECKING:
    from tests.integrations.removals.leavers import Company

PEOPLE, SHORT_PEOPLE = 500, 40
HONEST = 3
VENDORS = ("aha", "bamboohr")
LISTINGS = {"aha": r"/users\?", "bamboohr": r"reports/custom"}
LOOKUPS = {"aha": r"users/\d+$", "bamboohr": r"employees/5\d+\?"}
RECORDS = {"aha": "users", "bamboohr": "employees"}


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
    promises = []
    for vendor in VENDORS:
        with fresh_world() as world:
            from tests.integrations.removals.leavers import load

            company = load(world, vendor, SHORT_PEOPLE if options.short else PEOPLE)
            promises += [_try(company, form) for form in FORMS]
            promises.append(_try_honest(company))
    removed = sum(one.figures["removals"] for one in promises if "state" in one.figures)
    forms = len(VENDORS) * len(FORMS)
    return [*promises, Promise("all forms", forms, (), {"removals": removed})]


def _try(company: Company, form: Form) -> Promise:
    from tests.integrations.sync.worlds import run_sync

    before = _gone()
    kept = _spoil(company, form)
    run = run_sync(company.integration)
    company.vendor.heal()
    company.world.sandbox.state[company.vendor.key].keep(kept)
    removed = _gone() - before
    broken = [f"{removed} were removed; the run ended {run.state}"] if removed else []
    effects = len(company.world.sandbox.ledger)
    broken += [f"{effects} changes at the vendor"] if effects else []
    if run.state == "done":
        broken.append("the run ended as if all had been well")
    figures = {"state": run.state, "removals": removed}
    return Promise(f"{company.vendor.key}: {form.name}", 1, broken, figures)


def _spoil(company: Company, form: Form) -> Any:
    """Let the vendor answer in this form; gives what it holds, to be put back."""
    key = company.vendor.key
    side = company.world.sandbox.state[key]
    whole = side.kept()
    if form.kept < 1:
        records = whole[RECORDS[key]]
        left = records[: max(1, round(len(records) * form.kept))]
        side.keep({**whole, RECORDS[key]: left})
    if form.kind is not None:
        values = dict(form.values)
        if form.kind == "set_values":
            values["values"] = {
                f"{RECORDS[key]}.1.id": "999",
                f"{RECORDS[key]}.1.email": "other@acme.example",
                f"{RECORDS[key]}.1.workEmail": "other@acme.example",
                f"{RECORDS[key]}.1.employeeNumber": "E-other",
            }
        path = (LOOKUPS if form.of_lookups else LISTINGS)[key]
        company.vendor.fault(form.kind, path=path, **values)
    return whole


def _try_honest(company: Company) -> Promise:
    """The positive control: who is gone at the vendor goes here."""
    company.sync()  # the record that another form made up goes as well
    before = _gone()
    company.leave(*company.ids[10 : 10 + HONEST])
    run = company.sync()
    removed = _gone() - before
    broken = [] if removed == HONEST else [f"{removed} of {HONEST} went; it ended {run.state}"]
    return Promise(f"{company.vendor.key}: honest leavers go", HONEST, broken)


def _gone() -> int:
    from people.models import Person
    from saas.models import SaaSUser

    return (
        Person.objects.filter(status="deactivated").count()
        + SaaSUser.objects.filter(status="deactivated").count()
    )


if __name__ == "__main__":
    sys.exit(main())
