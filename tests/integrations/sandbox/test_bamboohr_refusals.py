"""What BambooHR's sandbox refuses, because BambooHR does."""

import base64
import json

import pytest
import requests

from integrations.sandbox.server import Sandbox
from integrations.sandbox.vendor import StateChange

from .conftest import TIMEOUT, Caller, Clock, oauth

XML = "text/xml; charset=UTF-8"


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def setting(sandbox: Sandbox, **settings: object) -> None:
    sandbox.change(StateChange(vendor="bamboohr", settings=dict(settings)))


@pytest.mark.parametrize(
    "headers",
    [basic("wrong", "x"), {"Authorization": "Bearer wrong"}, {"Authorization": "Basic ?"}],
)
def test_a_wrong_key_gets_401_and_an_empty_body(bamboohr: Caller, headers: dict[str, str]) -> None:
    answer = bamboohr.get("/meta/fields", headers=headers)

    assert (answer.status_code, answer.content) == (401, b"")


def test_any_password_goes_with_the_key(sandbox: Sandbox, bamboohr: Caller) -> None:
    key = sandbox.credentials("bamboohr")["secrets"]["value"]

    answer = bamboohr.get("/employees/0", headers=basic(key, "anything else"))

    assert answer.status_code == 200


def test_a_wrong_sub_domain_gets_a_web_page(bamboohr: Caller) -> None:
    answer = bamboohr.get("/employees/0", account="other")

    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "BambooHR" in answer.text


def test_the_older_address_leads_to_the_same_company(sandbox: Sandbox, bamboohr: Caller) -> None:
    older = f"{sandbox.url}/bamboohr/api/gateway.php/acme/v1/employees/45"
    headers = {"Accept": "application/json", **bamboohr.signed()}

    answer = requests.get(older, headers=headers, timeout=TIMEOUT)

    assert answer.json() == bamboohr.get("/employees/45").json()


@pytest.mark.parametrize("accept", ["*/*", "text/html", ""])
def test_who_does_not_ask_for_json_gets_xml(bamboohr: Caller, accept: str) -> None:
    answer = bamboohr.get("/employees/45", headers={"Accept": accept})

    assert answer.headers["Content-Type"] == XML
    assert answer.text.startswith("<?xml")


def test_only_lists_come_as_json_because_the_address_says_so(bamboohr: Caller) -> None:
    lists = bamboohr.get("/meta/lists?format=json", headers={"Accept": "*/*"})
    others = bamboohr.get("/meta/fields?format=json", headers={"Accept": "*/*"})

    assert lists.json()[0]["manageable"] in {"yes", "no"}
    assert others.headers["Content-Type"] == XML


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=UTF-8", "application/JSON", "text/json", ""]
)
def test_a_report_asked_with_another_content_type_is_malformed_xml(
    bamboohr: Caller, content_type: str
) -> None:
    answer = bamboohr(
        "POST",
        "/reports/custom?format=json",
        data=json.dumps({"fields": ["status"]}),
        headers={"Content-Type": content_type},
    )

    assert answer.status_code == 400
    assert answer.headers["X-BambooHR-Error-Message"] == "Malformed XML"


@pytest.mark.parametrize(
    ("query", "accept", "status"),
    [
        ("?format=JSON", "*/*", 200),
        ("?format=bogus", "application/json", 404),
        ("", "application/json", 200),
        ("", "*/*", 404),
        ("", "application/xml", 404),
        ("", "application/json, text/xml", 404),
        ("", "text/csv", 200),
        ("", "text/xml", 200),
    ],
)
def test_the_format_of_a_report_must_be_named_exactly(
    bamboohr: Caller, query: str, accept: str, status: int
) -> None:
    answer = bamboohr(
        "POST",
        f"/reports/custom{query}",
        data=json.dumps({"fields": ["status"]}),
        headers={"Accept": accept, "Content-Type": "application/json"},
    )

    assert answer.status_code == status


def test_unknown_and_forbidden_fields_are_left_out_with_200(
    sandbox: Sandbox, bamboohr: Caller
) -> None:
    setting(sandbox, forbidden_fields=["status", "ssn"])

    report = bamboohr.report("workEmail", "status", "ssn", "shoeSize")
    one = bamboohr.get("/employees/45?fields=workEmail,status,shoeSize").json()

    assert [field["id"] for field in report["fields"]] == ["workEmail"]
    assert {tuple(row) for row in report["employees"]} == {("id", "workEmail")}
    assert list(one) == ["id", "workEmail"]


def test_more_than_four_hundred_fields_are_refused(bamboohr: Caller) -> None:
    names = [f"custom{number}" for number in range(401)]

    report = bamboohr("POST", "/reports/custom?format=json", json={"fields": names})
    one = bamboohr.get(f"/employees/45?fields={','.join(names)}")

    assert (report.status_code, one.status_code) == (400, 400)
    assert bamboohr.report(*names[:400])["fields"] == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"fields": "status"}', b'{"fields": [1]}'])
def test_a_malformed_report_is_refused(bamboohr: Caller, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}

    answer = bamboohr("POST", "/reports/custom?format=json", data=body, headers=headers)

    assert answer.status_code == 400
    assert answer.headers["X-BambooHR-Error-Message"]


def test_the_new_list_takes_no_api_key(sandbox: Sandbox, bamboohr: Caller) -> None:
    by_key = bamboohr.get("/employees")
    by_token = bamboohr.get("/employees", headers=oauth(sandbox))

    assert (by_key.status_code, by_token.status_code) == (401, 200)


def test_a_key_without_the_right_gets_403(sandbox: Sandbox, bamboohr: Caller) -> None:
    setting(sandbox, denied=["^/meta/lists"], hidden_ids=["45"], directory_shared=False)

    statuses = [
        bamboohr.get(path).status_code
        for path in ("/meta/lists", "/employees/45", "/employees/directory", "/employees/46")
    ]

    assert statuses == [403, 403, 403, 200]
    assert "45" not in bamboohr.rows("status")


def test_a_key_that_lost_its_rights_sees_only_its_owner(sandbox: Sandbox, bamboohr: Caller) -> None:
    """F-24: such an answer is whole and right, and no basis for removing anybody."""
    setting(sandbox, visible="self")

    rows = bamboohr.rows("workEmail")

    assert list(rows) == [bamboohr.get("/employees/0").json()["id"]]


@pytest.mark.parametrize(
    "path",
    [
        "/employees/999",
        "/employees/45/tables/shoes",
        "/employees/all/tables/shoes",
        "/employees/changed/tables/shoes?since=2026-01-01T00:00:00Z",
        "/shoes",
    ],
)
def test_what_does_not_exist_gets_404(bamboohr: Caller, path: str) -> None:
    assert bamboohr.get(path).status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?since=",
        "?since=yesterday",
        "?since=2026-01-01T00:00:00+00:00",
        "?since=2026-01-01&type=x",
    ],
)
def test_changes_need_a_readable_since(bamboohr: Caller, query: str) -> None:
    """A plus sign that is not encoded arrives as a blank, as it does at BambooHR."""
    assert bamboohr.get(f"/employees/changed{query}").status_code == 400


def test_calls_over_the_limit_get_429_with_seconds_to_wait(
    sandbox: Sandbox, bamboohr: Caller, clock: Clock
) -> None:
    """F-18: the log tells who came back too early."""
    setting(sandbox, per_minute=3)

    accepted = [bamboohr.get("/employees/0").status_code for _ in range(3)]
    clock.move(seconds=20)
    refused = bamboohr.get("/employees/0")
    clock.move(seconds=39)
    early = bamboohr.get("/employees/0")
    clock.move(seconds=1)
    again = bamboohr.get("/employees/0")

    assert accepted == [200, 200, 200]
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "40")
    assert early.status_code == 429
    assert again.status_code == 200
    assert [seen.early for seen in sandbox.log] == [False] * 4 + [True, False]
