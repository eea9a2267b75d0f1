"""API blocks in bad hands: where credentials could go, and what templates could do (S-10, S-12)."""

from __future__ import annotations

import json
import socket
import threading
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection

from people.models import Person
from tests.integrations.presets.desk import Desk
from workflows.definition import BlockPart
from workflows.facts import read_facts
from workflows.kinds import Outcome, find_kind

from .calls import api_workflow, call_all, call_one, step_of
from .steps import again, run_step


class Listener:
    """Somebody else's host: notes who connects, and what arrives."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(0.2)
        self.port = self._socket.getsockname()[1]
        self.connections = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _address = self._socket.accept()
            except TimeoutError:
                continue
            self.connections += 1
            connection.close()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._socket.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    listening = Listener()
    yield listening
    listening.close()


def texts_of(outcomes: Sequence[Outcome]) -> str:
    """Everything that the engine would write down."""
    return json.dumps([asdict(one) for one in outcomes], default=str, ensure_ascii=False)


def texts_of_tables() -> str:
    """Every value of every row, as the database holds it."""
    told: list[str] = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608
            told += map(repr, cursor.fetchall())
    return "\n".join(told)


def secrets_of(desk: Desk) -> list[str]:
    """The key, with and without the word before it."""
    return [part for one in desk.secrets for part in {one, one.removeprefix("Bearer ")}]


def assert_nothing_leaks(desk: Desk, outcomes: Sequence[Outcome]) -> None:
    told = texts_of(outcomes) + texts_of_tables()
    assert desk.credentials.name in told  # what is there is found
    for secret in secrets_of(desk):
        assert len(secret) > 8
        assert secret not in told


# S-10: credentials go to the vendor, and come back from nowhere.

ELSEWHERE = [
    "http://127.0.0.1:{port}/users",
    "https://127.0.0.1:{port}/users",
    "//127.0.0.1:{port}/users",
    "http://localhost:{port}/users",
    "http://user@127.0.0.1:{port}/users",
    "http://{host}@127.0.0.1:{port}/users",
    "http://{host}:x@127.0.0.1:{port}/",
    "http://2130706433:{port}/users",
    "http://0x7f000001:{port}/users",
    "http://[::ffff:127.0.0.1]:{port}/users",
    "http://127.1:{port}/users",
    "http://{host}.evil.example:{port}/users",
    "@127.0.0.1:{port}/users",
    ":{port}/users",
    "\\\\127.0.0.1:{port}\\users",
    "../../../../@127.0.0.1:{port}",
    "users\r\nHost: 127.0.0.1:{port}\r\n\r\n",
    "users HTTP/1.1\r\nX: y",
    "{{{{ title }}}}",
    "http://{{{{ title }}}}/users",
]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_credentials_go_nowhere_else(aha: Desk, listener: Listener, method: str) -> None:
    """(S-10)"""
    host = aha.sandbox.url.removeprefix("http://")
    ann = aha.person(title=f"http://127.0.0.1:{listener.port}/")

    for url in ELSEWHERE:
        address = url.format(port=listener.port, host=host)
        outcome = call_one(aha, "", ann, request={"method": method, "url": address})

        assert listener.connections == 0, address
        assert outcome.exit != "success", address
        assert_nothing_leaks(aha, [outcome])


HEADERS: list[dict[str, str]] = [
    {"Host": "127.0.0.1:{port}"},
    {"Authorization": "Bearer mine"},
    {"Cookie": "a=b"},
    {"X-Note": "a\r\nHost: 127.0.0.1"},
    {"X-Note": "{{{{ title }}}}"},
    {"X-Note\r\nHost": "127.0.0.1"},
    {"Proxy-Authorization": "x"},
    {"X-Forwarded-Host": "127.0.0.1"},
]


def test_headers_lead_nowhere_else(aha: Desk, listener: Listener) -> None:
    """(S-10)"""
    user = aha.account(email="ann@acme.example")
    ann = aha.person(title="a\r\nHost: 127.0.0.1", vendor_id=user.external_id)

    for headers in HEADERS:
        filled = {name: text.format(port=listener.port) for name, text in headers.items()}
        request = {"method": "GET", "url": "users", "headers": filled}
        outcome = call_one(aha, "", ann, request=request)

        assert listener.connections == 0
        assert outcome.exit != "success", headers
        assert aha.sent() == []
        assert_nothing_leaks(aha, [outcome])


NAMES = [
    "credential.token",
    "credentials.secrets.value",
    "secret",
    "token",
    "account.token",
    "account.credentials",
    "access.secrets",
    "inputs.token",
    'variables["__class__"]',
    "person.credentials",
    "application.credentials",
    "environ.SECRET_KEY",
    "settings.SECRET_KEY",
]
SECRET_KEY = settings.SECRET_KEY


def test_no_name_leads_to_a_secret(aha: Desk) -> None:
    """(S-10, M-25)"""
    user = aha.account(email="ann@acme.example")
    kind = find_kind("api")
    assert kind is not None

    for name in NAMES:
        body = {"user": {"first_name": f"x {{{{ {name} }}}}"}}
        outcome = call_one(aha, "update_user_details", user, request={"body": body})
        workflow = api_workflow(aha, "update_user_details", users=True, request={"body": body})
        part = BlockPart(
            "call",
            "api",
            preset="aha.update_user_details",
            credentials=aha.credentials.name,
            settings={"request": {"body": body}},
        )

        found = kind.check(part, read_facts(workflow))
        assert [one for one in found if not one.warning] != [], name
        assert_nothing_leaks(aha, [outcome])
        assert SECRET_KEY not in texts_of([outcome])


def test_an_echo_of_the_key_is_stored_nowhere(aha: Desk) -> None:
    """(S-10)"""
    key = secrets_of(aha)[0]
    echo = {
        "header": f"Authorization: {key}",
        "bare": key.removeprefix("Bearer "),
        "in_url": quote(key, safe=""),
        "base64": b64encode(key.encode()).decode(),
        "deep": [{key: [key]}],
        "json": json.dumps({"a": key}),
    }
    aha.sandbox.faults.add(
        "body", vendor="aha", body=json.dumps(echo), headers={"X-Echo": key}, method="GET"
    )
    aha.sandbox.faults.add("status", vendor="aha", status=400, body=json.dumps(echo), method="PUT")
    user = aha.account(email="ann@acme.example")
    positive = {
        **{f"variables.{name}": f"{{{{ response.{name} }}}}" for name in echo},
        "variables.all": "{{ response }}",
        "variables.text": "it: {{ response | json }}",
        "variables.headers": "{{ response_headers }}",
        "name": "{{ response.bare }}",
    }
    negative = {"variables.why": "{{ response }} {{ failure.reason }}"}

    reads = call_one(aha, "get_user_details", user, positive=positive, negative=positive)
    writes = call_one(
        aha, "update_user_details", user, inputs={"first_name": "A"}, negative=negative
    )

    assert "bare" in reads.variables
    assert_nothing_leaks(aha, [reads, writes])


def test_a_key_that_was_typed_into_a_block_is_masked(aha: Desk) -> None:
    """(S-10)"""
    user = aha.account(email="ann@acme.example")

    outcome = call_one(aha, "update_user_details", user, inputs={"first_name": secrets_of(aha)[0]})

    assert secrets_of(aha)[0] not in texts_of([outcome])


# S-12: templates look up plain data, and nothing else.

PAYLOADS = [
    "{{ 7*7 }}",
    "{{7*'7'}}",
    "{{ 7777*7777 }}",
    "${7*7}",
    "#{7*7}",
    "<%= 7*7 %>",
    "{% for x in 'abc' %}{{ x }}{% endfor %}",
    "{{ ''.__class__ }}",
    "{{ email.__class__.__mro__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ config.items() }}",
    "{{ settings.SECRET_KEY }}",
    "{{ request.application.__globals__ }}",
    "{{ variables.__class__.__init__ }}",
    '{{ email | attr("__class__") }}',
    "{{ email | safe }}",
    "{{ email | map('upper') }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ lipsum }}",
    "{{ range(10) }}",
    "{{ [].append }}",
    "{{{ email }}}",
    "{{ {{ email }} }}",
    "{{ email",
    "email }}",
    "{{ }}",
    "{{ email }",
    "{{ failure.__dict__ }}",
    "{{ email.encode }}",
    "{# comment #}{{ email|e }}",
]


@pytest.fixture
def people(aha: Desk) -> list[Person]:
    """One for each payload, which is their title; each with an account."""
    return [
        aha.person(
            vendor_id=aha.account(email=f"p{number}@acme.example").external_id,
            email=f"p{number}@acme.example",
            title=payload,
        )
        for number, payload in enumerate(PAYLOADS)
    ]


def urls_of(desk: Desk) -> list[str]:
    return [f"{one.path}?{one.query}" for one in desk.sandbox.log]


def test_values_of_records_are_never_read_as_templates(aha: Desk, people: list[Person]) -> None:
    """(S-12)"""
    outcomes = call_all(aha, "update_user_details", people, inputs={"first_name": "{{ title }}"})

    sent = [one.request["body"]["user"]["first_name"] for one in outcomes]
    assert [one.exit for one in outcomes] == ["success"] * len(PAYLOADS)
    assert sent == PAYLOADS


def test_values_in_addresses_are_one_encoded_piece(aha: Desk, people: list[Person]) -> None:
    """(S-12)"""
    outcomes = call_all(aha, "", people, request={"method": "GET", "url": "users/{{ title }}"})

    assert len(outcomes) == len(PAYLOADS)
    assert len(aha.sent("GET")) == len(PAYLOADS)
    for one in outcomes:
        path = one.request["url"].removeprefix(aha.credentials.base_url)
        assert path.startswith(("/users/", "users/"))
        assert path.count("/") == 2
        assert "{" not in path
        assert " " not in path


def test_templates_of_a_body_are_literal_or_refused(aha: Desk) -> None:
    """(S-12)"""
    user = aha.account(email="ann@acme.example")

    for payload in PAYLOADS:
        body = {"user": {"first_name": payload}}
        outcome = call_one(aha, "update_user_details", user, request={"body": body})

        told = texts_of([outcome])
        if outcome.request is not None:
            # What names nothing is left out.
            sent = outcome.request["body"].get("user", {}).get("first_name")
            assert sent in {payload, None}, payload
        assert "<class" not in told
        assert str(7777 * 7777) not in told


def test_templates_of_an_address_are_encoded_or_refused(aha: Desk) -> None:
    """(S-12)"""
    user = aha.account(email="ann@acme.example")

    for payload in PAYLOADS:
        call_one(aha, "", user, request={"method": "GET", "url": f"users/{payload}"})

    for path in aha.sent():
        assert "{" not in path
        assert "49" not in path


def test_what_a_vendor_answers_is_never_read_as_a_template(aha: Desk) -> None:
    """(S-12)"""
    user = aha.account(email="ann@acme.example")
    aha.change(user.external_id, first_name="{{ email }}", last_name="{{ 7*7 }}")
    read = call_one(
        aha, "get_user_details", user, positive={"variables.name": "{{ response.user.name }}"}
    )
    step = step_of(
        aha,
        "update_user_details",
        [user],
        inputs={"first_name": "{{ variables.name }}", "last_name": "Dr. {{ variables.name }}"},
    )

    (outcome,) = run_step(again(step, context={"variables": dict(read.variables)}))

    name = read.variables["name"]
    assert "{{ email }}" in name
    assert outcome.exit == "success", outcome.note
    assert outcome.request["body"]["user"] == {"first_name": name, "last_name": f"Dr. {name}"}


def test_bodies_stay_trees(aha: Desk, people: list[Person]) -> None:
    """A value cannot end its string and begin another key."""
    breakout: Any = '","enabled":false,"x":"'
    people[0].title = breakout
    people[0].save()

    (outcome,) = call_all(
        aha, "update_user_details", people[:1], inputs={"first_name": "{{ title }}"}
    )

    assert outcome.request["body"] == {"user": {"first_name": breakout}}
