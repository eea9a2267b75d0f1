"""Random people or accounts, and random workflows for them: small, valid, of all kinds of blocks.

Accounts are at Aha!, with the roles that they have there: a preview asks no vendor, so it does not
say which roles a look-up would find. What it says of roles and status is what Archive ends.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

from trials.flows.company import Company, call_block

if TYPE_CHECKING:
    from people.models import Person
    from saas.models import SaaSUser

CITIES = ("Berlin", "Paris", "Rome", "")
# How often somebody has an e-mail, an account; how often an exit goes straight on; Begin has rules.
MAIL, ACCOUNT, STRAIGHT_ON, RULES = 0.9, 0.6, 0.8, 0.7
ACTIVE = 0.8  # of accounts
TITLES = ("Engineer", "Lead", "Chief", "")
_number = count(1)


def make_people(company: Company, draw: random.Random, number: int) -> list[Person]:
    """People some of whom have accounts, some no e-mail, some have left."""
    return [_person(company, draw) for _one in range(number)]


def _person(company: Company, draw: random.Random) -> Person:
    from people.models import Person
    from tests.makers import make_person

    number = next(_number)
    email = f"sim{number}@acme.example" if draw.random() < MAIL else ""
    custom = {}
    for vendor in ("aha", "goto"):
        if email and draw.random() < ACCOUNT:
            desk = company.desks[vendor]
            custom[desk.id_field] = desk.account(email=email).external_id
    return make_person(
        email=email,
        username=email or f"sim{number}",
        custom=custom,
        title=draw.choice(TITLES),
        location=draw.choice(CITIES),
        country=draw.choice(("DE", "FR", "soon")),
        status=draw.choice((Person.Status.ACTIVE,) * 4 + (Person.Status.DEACTIVATED,)),
    )


def make_accounts(company: Company, draw: random.Random, number: int) -> list[SaaSUser]:
    """Accounts of such people, as loads left them; some were deactivated here."""
    return [_account(company, draw, person) for person in make_people(company, draw, number)]


def _account(company: Company, draw: random.Random, person: Person) -> SaaSUser:
    from saas.models import SaaSUser
    from tests.makers import make_role

    account = company.desks["aha"].account(person, email=f"own{next(_number)}@acme.example")
    if draw.random() < ACTIVE:
        make_role(account, "Member")
    else:
        account.status = SaaSUser.Status.DEACTIVATED
        account.save(update_fields=["status"])
    return account


def make_definition(
    company: Company, draw: random.Random, *, of_accounts: bool = False
) -> dict[str, Any]:
    """{begin, blocks}: a graph without circles, in which exits lead to later blocks or the end."""
    makers = _OF_ACCOUNTS if of_accounts else _OF_PEOPLE
    kinds = draw.sample(makers, draw.randint(3, len(makers)))
    keys = [f"b{at}" for at in range(len(kinds))]
    blocks = []
    for at, make in enumerate(kinds):
        block = make(company, draw, keys[at])
        later = [*keys[at + 1 :], "end"]
        first, *others = block["exits"]
        # Most go on to the next block, so that the way is long.
        exits = {first: later[0] if draw.random() < STRAIGHT_ON else draw.choice(later)}
        block["exits"] = exits | {one: draw.choice(later) for one in others}
        blocks.append(block)
    reached = _reached(blocks)
    return {
        "begin": {
            "actions": ["manual"],
            "records": draw.choice(("active", "active", "all", "deactivated")),
            "rules": _rules(draw) if draw.random() < RULES else {},
        },
        "blocks": [one for one in blocks if one["key"] in reached],
    }


def _reached(blocks: Sequence[Mapping[str, Any]]) -> set[str]:
    reached = {blocks[0]["key"]}
    for block in blocks:
        if block["key"] in reached:
            reached |= set(block["exits"].values())
    return reached


def _rules(draw: random.Random) -> dict[str, Any]:
    rows = [
        {"field": "location", "operator": "in", "value": draw.sample(CITIES[:3], 2)},
        {"field": "title", "operator": "is_not_empty"},
        {"field": "title", "operator": "not_equals", "value": "Chief"},
        {"field": "country", "operator": "equals", "value": "DE"},
        {"field": "email", "operator": "is_not_empty"},
    ]
    return {draw.choice(("all", "any")): draw.sample(rows, draw.randint(1, 2))}


# Blocks. Exits are put in later; their first is the usual one.


def _exits(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "end")


def _update(_company: Company, draw: random.Random, key: str) -> dict[str, Any]:
    values = (
        {"title": "{{ title | upper }} in {{ location }}", "variables.was": "{{ title }}"},
        {"location": "Oslo"},
        {"title": None},
        {"hire_date": "{{ country }}", "title": "Dated"},  # a country is no date
        {"hire_date": "2026-01-05", "country": "NO"},
    )
    return {"key": key, "kind": "update", "settings": {"set": draw.choice(values)},
            "exits": _exits("success", "failure")}  # fmt: skip


def _condition(_company: Company, draw: random.Random, key: str) -> dict[str, Any]:
    settings = {"rules": _rules(draw)}
    return {"key": key, "kind": "condition", "settings": settings, "exits": _exits("yes", "no")}


def _tell(_company: Company, draw: random.Random, key: str) -> dict[str, Any]:
    to = draw.choice((["it@example.com"], ["{{ email }}"], ["{{ email }}", "hr@example.com"]))
    settings = {"recipients": to, "subject": "{{ title }} {{ email }}", "message": "{{ location }}"}
    return {"key": key, "kind": "notification", "settings": settings,
            "exits": _exits("success", "failure")}  # fmt: skip


def _delay(_company: Company, draw: random.Random, key: str) -> dict[str, Any]:
    settings = {"for_hours": draw.randint(1, 5)}
    return {"key": key, "kind": "delay", "settings": settings, "exits": _exits("success")}


def _approval(_company: Company, _draw: random.Random, key: str) -> dict[str, Any]:
    settings = {"approvers": ["boss"], "message": "{{ title }}: {{ email }}?"}
    return {"key": key, "kind": "approval", "settings": settings,
            "exits": _exits("approved", "rejected", "expired")}  # fmt: skip


def _archive(_company: Company, _draw: random.Random, key: str) -> dict[str, Any]:
    return {"key": key, "kind": "archive", "exits": _exits("success", "failure")}


def _call(company: Company, key: str, vendor: str, preset: str, **settings: Any) -> dict[str, Any]:
    return call_block(key, company.desks[vendor], preset, "end", **settings)


def _create(company: Company, _draw: random.Random, key: str) -> dict[str, Any]:
    return _call(company, key, "betterworks", "create_user", inputs={"title": "{{ title }}"})


def _department(company: Company, _draw: random.Random, key: str) -> dict[str, Any]:
    inputs = {"name": "{{ email | upper }}"}
    return _call(company, key, "betterworks", "create_department", inputs=inputs)


def _details(company: Company, _draw: random.Random, key: str) -> dict[str, Any]:
    return _call(company, key, "aha", "get_user_details")


def _disable(company: Company, _draw: random.Random, key: str) -> dict[str, Any]:
    return _call(company, key, "aha", "deactivate_user")


def _rename(company: Company, _draw: random.Random, key: str) -> dict[str, Any]:
    return _call(company, key, "goto", "update_user", inputs={"first_name": "{{ title }}"})


def _welcome(company: Company, _draw: random.Random, key: str) -> dict[str, Any]:
    return _call(company, key, "goto", "resend_welcome_email")


def _roles(company: Company, _draw: random.Random, key: str) -> dict[str, Any]:
    return _call(company, key, "aha", "user_role") | {"kind": "saas_user_role"}


def _note(company: Company, draw: random.Random, key: str) -> dict[str, Any]:
    values = {company.note: draw.choice(("{{ title | upper }}, {{ roles[0].role }}", None))}
    return {"key": key, "kind": "update", "settings": {"set": values},
            "exits": _exits("success", "failure")}  # fmt: skip


_OF_BOTH = [_condition, _condition, _tell, _tell, _delay, _approval, _archive, _details, _disable]
_OF_PEOPLE = [*_OF_BOTH, _update, _update, _create, _department, _rename, _welcome]
_OF_ACCOUNTS = [*_OF_BOTH, _roles, _roles, _note, _note]
