"""Nonsense sent to every address of the admin: no answer is a server error (G-11).

A few hundred requests run in the suite. More, or others:
`ADMIN_FUZZ_REQUESTS=5000 ADMIN_FUZZ_SEED=7 pytest tests/config/test_admin_fuzz.py`.
"""

from __future__ import annotations

import os
import random
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.config import admin_site
from tests.config.admin_site import Address, World

REQUESTS = int(os.environ.get("ADMIN_FUZZ_REQUESTS", "400"))
SEED = int(os.environ.get("ADMIN_FUZZ_SEED", "1"))

IDS = [
    "0",
    "-1",
    "1.5",
    "99999999999999999999999999",
    "9223372036854775808",
    "abc",
    "1_2F3",
    "_5F_",
    "%00",
    "1%00",
    "'%22%3B--",
    "..%2F..%2Fetc%2Fpasswd",
    "%F0%9F%92%A9",
    "%ED%A0%80",
    "%C2%B2",
    "True",
    "None",
    "{{7*7}}",
    "%20",
    "1,2",
    "a" * 3_000,
]
VALUES = [
    *["", " ", "0", "-1", "1", "1,2", "True", "None", "null", "[]", "{}", "all", "active"],
    *["9" * 30, "-" + "9" * 30, "1e400", "NaN", "inf", "0x10", "1.5", "٣", "²", "½"],
    *["\x00", "a\x00b", "\ud800", "\ufffe", "💩", "ﬀ", "\u202e", "<b>", "'\"", "%", "_", "\\"],
    *["../..", "2026-02-30", "0000-00-00", "9999-12-31", "2026-01-01T00:00:00Z", "24:61"],
    *["(", "[", "*", "a" * 5_000, ",".join(["1"] * 2_000), "{{7*7}}", "{%", "$where", "1;--"],
]
NAMES = [
    *["o", "p", "q", "all", "e", "_popup", "_to_field", "_facets", "_changelist_filters", "before"],
    *["pk", "pk__in", "id", "id__in", "id__gt", "pk__isnull", "id__regex", "id__year"],
    *["status", "department", "role", "application", "unused", "person", "status__exact"],
    *["object__exact", "kind__exact", "source__exact", "kind__in", "at__gte", "at__year"],
    *["type__exact", "unique__exact", "visible_to_hr__exact", "state__exact", "vendor"],
    *["groups__id__exact", "is_active__exact", "is_superuser__exact", "integration", "severity"],
    *["app_label", "model_name", "field_name", "term", "page", "next", "s", "format", "tab"],
    *["of", "record", "run", "version", "old", "new", "preset", "choose", "object", "key", "do"],
    *["base", "typed", "row", "item", "every", "verdict", "confirmed", "some", "after", "block"],
    *["workflow", "account", "reset", "number", "cancel", "id__lt", "q"],
    *["custom", "custom__x", "nothing", "manager__manager__manager", "__", "__in", "a__b__c"],
    *[
        "action",
        "_selected_action",
        "select_across",
        "index",
        "post",
        "reason",
        "_save",
        "_saveasnew",
    ],
    *[
        "email",
        "label",
        "name",
        "key",
        "value",
        "username",
        "hire_date",
        "type",
        "inputs",
        "filters",
    ],
]


def bad_path(chance: random.Random, address: Address, world: World) -> str:
    """The address with an id that is none, now and then with the right one."""
    if chance.random() < 0.4:
        return address.path(world)
    route = re.sub(r"\^?\(\?P<\w+>[^)]*\)/?\$?", "people/", address.route)
    return "/" + re.sub(r"<[^>]+>", lambda _match: chance.choice(IDS), route)


def bad_values(chance: random.Random, most: int) -> dict[str, list[str]]:
    """Up to `most` parameters, names of ours more often than not, values that are mostly wrong."""
    return {
        chance.choice(NAMES): [chance.choice(VALUES) for _ in range(chance.choice((1, 1, 1, 3)))]
        for _ in range(chance.randint(0, most))
    }


def spoil(chance: random.Random, form: dict[str, list[str]]) -> dict[str, list[str]]:
    """A real form with some of its values replaced, left out or given twice."""
    spoilt = {}
    for name, values in form.items():
        luck = chance.random()
        if luck < 0.1:
            continue
        wrong = chance.choice(VALUES).replace("\ud800", "?")
        spoilt[name] = [wrong] if luck < 0.4 else [*values, wrong] if luck < 0.5 else values
    return spoilt


def ask(chance: random.Random, client: Client, address: Address, world: World) -> tuple[str, int]:
    """One request, made from the seed; gives what was asked and the status of the answer."""
    path = bad_path(chance, address, world)
    query = _without_halves(bad_values(chance, 4))
    kind = chance.random()
    if kind < 0.55:
        answer: Any = client.get(path, query)
        said = f"GET {path} {query}"
    elif kind < 0.6:
        answer = client.head(path, query)
        said = f"HEAD {path} {query}"
    else:
        good = read_form(client, address.path(world)) if chance.random() < 0.5 else {}
        form = {**spoil(chance, good), **_without_halves(bad_values(chance, 3))}
        answer = client.post(path, form, query_params=query)
        said = f"POST {path} {query} {form}"
    admin_site.text_of(answer)
    return said[:3_000], answer.status_code


def read_form(client: Client, path: str) -> dict[str, list[str]]:
    """The longest form of a page."""
    answer = client.get(path)
    if "html" not in answer.get("Content-Type", ""):
        return {}
    forms = admin_site.read_page(admin_site.text_of(answer)).forms
    return max(forms, key=len, default={})


def _without_halves(values: dict[str, list[str]]) -> dict[str, list[str]]:
    """Half characters cannot be sent by this client; in paths they are sent percent-encoded."""
    return {
        name: [value.encode("utf-8", "replace").decode() for value in many]
        for name, many in values.items()
    }


@pytest.mark.parametrize("share", range(4))
def test_no_nonsense_ends_in_a_server_error(
    share: int, hr_viewer: User, it_admin: User, auditor: User
):
    """G-11: as superuser, IT admin, Auditor and HR viewer, over every address."""
    chance = random.Random(SEED * 1_000 + share)  # noqa: S311 - to be repeated, not to be secret
    root = User.objects.create_superuser("root")
    client = admin_site.client_for((root, it_admin, auditor, hr_viewer)[share])
    world = admin_site.make_world()
    addresses = [
        address
        for address in admin_site.addresses()
        if address.name not in {"logout", "password_change"}
    ]
    failures = []

    for _ in range(REQUESTS // 4):
        said, status = ask(chance, client, chance.choice(addresses), world)
        if status >= 500:
            failures.append(f"{status} {said}")

    assert "\n".join(failures) == ""


FILTERS = {
    "people/person": ("q", "o", "p", "status", "department", "role", "id__in"),
    "people/person/export": ("q", "o", "status", "department"),
    "people/event": ("q", "p", "kind__exact", "object__exact", "source__exact"),
    "people/customfield": ("q", "type__exact", "unique__exact", "object__exact"),
    "people/department": ("q", "o"),
    "saas/application": ("q", "pk__in"),
    "saas/saasuser": ("q", "application", "role", "unused", "person", "status"),
    "saas/saasuser/export": ("q", "application", "unused"),
}
PER_FILTER = len(VALUES) if REQUESTS >= 5_000 else 5


@pytest.mark.parametrize("page", FILTERS)
def test_no_list_breaks_on_a_value_of_its_own_filters(it_admin: User, page: str):
    """G-11: each filter and search of ours, one at a time; all of the values in a long run."""
    chance = random.Random(f"{SEED} {page}")  # noqa: S311
    client = admin_site.client_for(it_admin)
    admin_site.make_world()
    failures = []

    for name in FILTERS[page]:
        for value in chance.sample(VALUES, PER_FILTER):
            text = value.encode("utf-8", "replace").decode()
            status = client.get(f"/admin/{page}/", {name: text}).status_code
            if status >= 500:
                failures.append((name, text, status))

    assert failures == []
