"""Software: applications, the Users page of each, accounts with every role that they had."""

from __future__ import annotations

import csv
import datetime as dt
import io
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from people.models import CustomField, Event
from saas.models import Application, SaaSUser
from saas.queries import MOST_COUNTED, count_active_users, role_names
from tests import makers
from tests.config import admin_site

pytestmark = pytest.mark.django_db
USERS = "/admin/saas/saasuser/"


@pytest.fixture
def hr(hr_viewer: User) -> Client:
    return admin_site.client_for(hr_viewer)


@pytest.fixture
def aha() -> Application:
    return makers.make_application("Aha!")


def page(client: Client, path: str, query: dict[str, Any] | None = None) -> str:
    answer = client.get(path, query or {})
    assert answer.status_code == 200, f"{answer.status_code} {answer.headers}"
    return admin_site.text_of(answer)


def test_the_list_of_applications_counts_active_users(hr: Client, aha: Application):
    """C-05"""
    person = makers.make_person()
    makers.make_saas_user(aha, person=person)
    makers.make_saas_user(aha)
    makers.make_saas_user(aha, status="deactivated")

    shown = page(hr, "/admin/saas/application/")

    for text in ("Aha!", "aha", "mycompany"):
        assert text in shown
    assert f'{USERS}?application={aha.pk}">2</a>' in shown
    assert f'{USERS}?application={aha.pk}&amp;person=none">1</a>' in shown


def test_counts_stop_where_a_page_stops_counting(aha: Application):
    SaaSUser.objects.bulk_create(
        SaaSUser(application=aha, external_id=str(number)) for number in range(MOST_COUNTED + 5)
    )

    assert count_active_users([aha.pk]) == {aha.pk: MOST_COUNTED + 1}


def test_opening_an_application_shows_its_users_page(hr: Client, aha: Application):
    """C-05, BW-56, AH-49, GT-39, MO-33"""
    other = makers.make_application("GoTo", vendor="goto", tenant="8")
    makers.make_saas_user(aha, name="Ann Lee")
    makers.make_saas_user(other, name="Bob Roy")

    answer = hr.get(f"/admin/saas/application/{aha.pk}/change/")
    shown = page(hr, answer["Location"])

    assert answer["Location"] == f"{USERS}?application={aha.pk}"
    assert ("Ann Lee" in shown, "Bob Roy" in shown) == (True, False)
    assert "Aha!" in shown


def test_the_role_column_shows_the_primary_role_first_and_the_others_behind_it(
    hr: Client, aha: Application
):
    """BW-57, GT-37, AH-46, AH-47: each with its scope, two with the same role among them."""
    user = makers.make_saas_user(aha)
    for rank, (role, scope) in enumerate(
        [("Owner", "Mobile App"), ("Owner", "Web"), ("Viewer", "Data"), ("Reviewer", "Site")]
    ):
        makers.make_role(user, role, scope=scope, scope_id=scope, rank=rank)
    makers.make_role(user, "Gone", rank=0, valid_to=timezone.now())

    shown = page(hr, USERS, {"application": aha.pk})

    assert "Owner (Mobile App), Owner (Web) " in shown
    assert '<span class="rec-more">+2</span>' in shown
    for role in ("Owner (Mobile App)", "Owner (Web)", "Viewer (Data)", "Reviewer (Site)"):
        assert f"<li>{role}</li>" in shown
    assert "Gone" not in shown.split("result_list")[1]


def test_who_was_deactivated_is_shown_only_when_asked_for(hr: Client, aha: Application):
    """BW-56, BW-58"""
    for status in SaaSUser.Status.values:
        makers.make_saas_user(aha, name=f"Is {status}", status=status)

    def found(query: dict[str, str]) -> set[str]:
        shown = page(hr, USERS, query)
        return {status for status in SaaSUser.Status.values if f"Is {status}" in shown}

    assert found({}) == {"active"}
    assert found({"status": "deactivated"}) == {"deactivated"}
    assert found({"status": "suspended"}) == {"suspended"}
    assert found({"status": "all"}) == {"active", "suspended", "deactivated"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"unused": "30"}, {"long ago", "never", "last month"}),
        ({"unused": "90"}, {"long ago", "never"}),
        ({"unused": "45"}, {"long ago", "never"}),
        ({"unused": "0"}, {"yesterday", "last month", "long ago", "never"}),
        ({"unused": "abc"}, {"yesterday", "last month", "long ago", "never"}),
    ],
)
def test_accounts_that_nobody_used_for_a_while_are_found(
    hr: Client, aha: Application, query: dict[str, str], expected: set[str]
):
    """MO-35: any number of days in the address, an unknown activity counts as unused."""
    now = timezone.now()
    for name, days in {"yesterday": 1, "last month": 40, "long ago": 400}.items():
        makers.make_saas_user(aha, name=name, last_activity=now - dt.timedelta(days=days))
    makers.make_saas_user(aha, name="never")

    shown = page(hr, USERS, query).split("result_list")[-1]

    assert {name for name in ("yesterday", "last month", "long ago", "never") if name in shown} == (
        expected
    )


def test_accounts_are_filtered_by_a_role_that_they_have_now(hr: Client, aha: Application):
    owner, former = makers.make_saas_user(aha, name="Ann"), makers.make_saas_user(aha, name="Bob")
    makers.make_role(owner, "Owner", scope="Web", scope_id="1")
    makers.make_role(owner, "Owner", scope="App", scope_id="2")
    makers.make_role(former, "Owner", valid_to=timezone.now())

    rows = page(hr, USERS, {"role": "Owner"}).split("result_list")[1]

    assert rows.count("data-row") == 1
    assert "Ann" in rows


def test_the_names_of_roles_are_those_that_somebody_has(aha: Application):
    user = makers.make_saas_user(aha)
    for role in ("Viewer", "Owner", "Owner"):
        makers.make_role(user, role, scope_id=str(user.roles.count()))
    makers.make_role(user, "Gone", valid_to=timezone.now())

    assert role_names(10) == ["Owner", "Viewer"]
    assert role_names(1) == ["Owner"]


def test_accounts_that_belong_to_nobody_known_are_found(hr: Client, aha: Application):
    makers.make_saas_user(aha, name="Ann Known", person=makers.make_person())
    makers.make_saas_user(aha, name="Bob Unknown")

    shown = page(hr, USERS, {"person": "none"})

    assert ("Ann Known" in shown, "Bob Unknown" in shown) == (False, True)


@pytest.mark.parametrize("term", ["ann", "LEE ann", "ann@EXAMPLE.com", "77001"])
def test_accounts_are_found_by_name_e_mail_and_id(hr: Client, aha: Application, term: str):
    makers.make_saas_user(aha, name="Ann Lee", email="Ann@example.com", external_id="77001")
    makers.make_saas_user(aha, name="Bob Roy", email="bob@example.com", external_id="88001")

    shown = page(hr, USERS, {"application": aha.pk, "q": term})

    assert ("Ann Lee" in shown, "Bob Roy" in shown) == (True, False)


def test_an_account_shows_every_role_with_its_days(hr: Client, aha: Application):
    """AH-48: a role that was lost leaves the list and stays here."""
    user = makers.make_saas_user(aha)
    began = dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC)
    makers.make_role(user, "Owner", scope="Web", valid_from=began)
    makers.make_role(
        user, "Viewer", valid_from=began, valid_to=dt.datetime(2026, 5, 6, 7, 8, tzinfo=dt.UTC)
    )

    shown = page(hr, f"{USERS}{user.pk}/change/")

    for text in ("Owner", "Web", "2 Jan 2026, 03:04 UTC", "has it now", "6 May 2026, 07:08 UTC"):
        assert text in shown
    assert shown.index("has it now") < shown.index("6 May 2026")


def test_an_accounts_history_leaves_out_what_hr_may_not_see(
    hr: Client, it_admin: User, aha: Application
):
    """M-36"""
    makers.make_custom_field("Bonus", object=CustomField.Object.SAAS_USER, visible_to_hr=False)
    user = makers.make_saas_user(aha, custom={"bonus": "4822.75"})
    Event.objects.create(
        object="saas_user",
        object_id=user.pk,
        kind="edit",
        source="sync",
        actor="Aha! User Load",
        changes={
            "bonus": ["4711.25", "4822.75"],
            "roles": [None, [{"role": "Owner", "scope": "Web"}]],
        },
    )

    for_hr = page(hr, f"{USERS}{user.pk}/change/")
    for_admin = page(admin_site.client_for(it_admin), f"{USERS}{user.pk}/change/")

    assert "Owner (Web)" in for_hr
    assert not {text for text in ("Bonus", "4711.25", "4822.75") if text in for_hr}
    assert {text for text in ("Bonus", "4711.25", "4822.75") if text in for_admin} == {
        "Bonus",
        "4711.25",
        "4822.75",
    }


def test_a_persons_accounts_are_a_tab_of_their_page(hr: Client, aha: Application):
    person = makers.make_person()
    user = makers.make_saas_user(aha, person=person, name="ann at aha")
    makers.make_role(user, "Owner", scope="Web")

    shown = page(hr, f"/admin/people/person/{person.pk}/accounts/")

    for text in ("Aha!", "ann at aha", "Owner (Web)", "Active"):
        assert text in shown


def test_empty_pages_say_the_next_step(hr: Client, it_admin: User):
    """C-23"""
    for path in ("/admin/saas/application/", USERS):
        shown = page(hr, path)

        assert "Run an integration with &quot;User plus SaaS User&quot; first" in shown
        assert "Go to integrations" not in shown
        assert "Go to integrations" in page(admin_site.client_for(it_admin), path)


def test_an_empty_filter_leads_back_to_the_same_application(hr: Client, aha: Application):
    makers.make_saas_user(aha, status="deactivated")

    shown = page(hr, USERS, {"application": aha.pk})

    assert "Nothing matches" in shown
    assert f"{USERS}?status=all&amp;application={aha.pk}" in shown


@pytest.mark.parametrize(
    ("path", "most"),
    [("/admin/saas/application/", 10), (USERS, 13), (f"{USERS}?application=1", 13)],
)
def test_a_list_asks_as_much_of_a_few_rows_as_of_many(hr: Client, path: str, most: int):
    """performance.md 4"""

    def add(count: int) -> None:
        for _ in range(count):
            number = Application.objects.count() + 1
            application = makers.make_application(f"App {number}", pk=number, tenant=str(number))
            for app in (application, Application.objects.get(pk=1)):
                user = makers.make_saas_user(app, person=makers.make_person())
                makers.make_role(user, f"Role {number}")

    def ask() -> int:
        hr.get(path)
        with CaptureQueriesContext(connection) as asked:
            assert hr.get(path).status_code == 200
        return len(asked)

    add(1)
    few = ask()
    add(20)

    assert ask() == few
    assert few <= most


@pytest.mark.parametrize("address", ["saasuser/add/", "saasuser/{}/delete/", "application/add/"])
def test_accounts_come_from_vendors_alone(it_admin: User, aha: Application, address: str):
    user = makers.make_saas_user(aha)
    client = admin_site.client_for(it_admin)

    assert client.get(f"/admin/saas/{address.format(user.pk)}").status_code == 403
    assert client.post(f"{USERS}{user.pk}/change/", {"name": "changed"}).status_code == 403


def test_an_export_holds_every_role_of_the_rows_that_are_shown(hr: Client, aha: Application):
    makers.make_custom_field("Bonus", object=CustomField.Object.SAAS_USER, visible_to_hr=False)
    person = makers.make_person(email="ann@example.com")
    user = makers.make_saas_user(aha, person=person, name="=Ann", custom={"bonus": "4822.75"})
    for rank, scope in enumerate(("Web", "App", "Data")):
        makers.make_role(user, "Owner", scope=scope, scope_id=scope, rank=rank)
    makers.make_saas_user(aha, status="deactivated")

    answer = hr.post(f"{USERS}export/?application={aha.pk}", {"format": "0", "resource": "0"})
    (row,) = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))

    assert row["Name"] == "'=Ann"
    assert row["Roles"] == "Owner (Web), Owner (App), Owner (Data)"
    assert row["Person"] == "ann@example.com"
    assert "Bonus" not in row
