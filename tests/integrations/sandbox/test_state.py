"""What the sandbox keeps, and how it is watched and moved from outside."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests

from integrations.sandbox.server import Sandbox
from integrations.sandbox.state import StateFile

from .conftest import NO_LIMIT, TIMEOUT, Caller, Clock

ROOT = Path(__file__).parents[3]


def post(sandbox: Sandbox, path: str, body: Any = None) -> requests.Response:
    return requests.post(sandbox.url + path, json=body, timeout=TIMEOUT)


def get(sandbox: Sandbox, path: str) -> Any:
    return requests.get(sandbox.url + path, timeout=TIMEOUT).json()


def test_the_world_survives_a_restart(tmp_path: Path, clock: Clock) -> None:
    file = tmp_path / "state.json"
    with Sandbox(people=40, seed=5, state_file=file, now=clock.now) as sandbox:
        Caller(sandbox, "bamboohr")("POST", "/employees/30", json={"lastName": "Changed"})
        post(sandbox, "/__state", {"vendor": "aha", "settings": {"per_second": 7}})
        before = get(sandbox, "/__state")
        credentials = sandbox.credentials("aha")

    clock.move(days=400)
    with Sandbox(people=3, seed=9, state_file=file, now=clock.now) as sandbox:
        after = get(sandbox, "/__state")
        name = Caller(sandbox, "bamboohr").get("/employees/30").json()["lastName"]
        assert sandbox.credentials("aha") == credentials

    assert after == before
    assert name == "Changed"
    assert oct(file.stat().st_mode)[-3:] == "600"
    assert list(tmp_path.iterdir()) == [file]


def test_a_vendor_that_came_since_is_filled_with_the_same_company(
    tmp_path: Path, clock: Clock
) -> None:
    file = tmp_path / "state.json"
    with Sandbox(people=40, seed=5, state_file=file, now=clock.now) as sandbox:
        users = sandbox.state["aha"].dump()
    kept = json.loads(file.read_bytes())
    del kept["vendors"]["aha"]
    file.write_text(json.dumps(kept))

    with Sandbox(state_file=file, now=clock.now) as sandbox:
        filled = sandbox.state["aha"].dump()

    assert filled == users


def test_a_state_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "state.json")
    file.write({"a": 1})

    with pytest.raises(TypeError):
        file.write({"a": object()})

    assert file.read() == {"a": 1}
    assert len(list(tmp_path.iterdir())) == 1


def test_each_effect_is_a_line_of_the_ledger_before_it_is_answered(
    tmp_path: Path, clock: Clock
) -> None:
    file = tmp_path / "ledger.jsonl"
    with Sandbox(people=40, ledger_file=file, now=clock.now) as sandbox:
        bamboohr = Caller(sandbox, "bamboohr")
        bamboohr("POST", "/employees", json={"firstName": "A", "lastName": "B"})
        bamboohr.get("/employees/0")
        bamboohr("POST", "/employees", json={"firstName": "A"})
        lines = file.read_bytes().splitlines()
    with Sandbox(people=40, ledger_file=file, now=clock.now) as sandbox:
        Caller(sandbox, "bamboohr")("POST", "/employees/5", json={"city": "Oslo"})

    (first,) = map(json.loads, lines)
    second = json.loads(file.read_bytes().splitlines()[1])
    assert first == {
        "t": clock.now().timestamp(),
        "seq": 1,
        "vendor": "bamboohr",
        "op": "employee.create",
        "key": "A B",
        "id": "41",
        "set": ["firstName", "lastName"],
    }
    assert (second["seq"], second["op"], second["id"]) == (2, "employee.update", "5")


def test_changes_from_outside_are_in_no_ledger(sandbox: Sandbox, aha: Caller) -> None:
    users = sandbox.state["aha"].kept()["users"]

    answer = post(
        sandbox,
        "/__state",
        {
            "vendor": "aha",
            "change": [
                {"id": users[3]["id"], "set": {"enabled": False, "roles": {"APP": "viewer"}}}
            ],
            "delete": [users[4]["id"]],
            "add": [{"first_name": "Ada", "email": "ada@acme.example", "paid_seat": True}],
        },
    )

    (added,) = answer.json()["added"]["aha"]
    changed = aha.get(f"/users/{users[3]['id']}").json()["user"]
    assert changed["enabled"] is False
    assert [role["role_description"] for role in changed["product_roles"]] == ["Viewer"]
    assert aha.get(f"/users/{users[4]['id']}").status_code == 404
    assert aha.get(f"/users/{added}").json()["user"]["email"] == "ada@acme.example"
    assert len(sandbox.ledger) == 0


@pytest.mark.parametrize(
    "change",
    [
        {"vendor": "nobody"},
        {"vendor": "aha", "change": [{"id": "1"}]},
        {"vendor": "bamboohr", "delete": ["999"]},
        {"vendor": "aha", "settings": {"speed": 1}},
        {"vendor": "aha", "settings": {"today": "soon"}},
        {"vendor": "aha", "chance": []},
        {"add": [{}]},
        [],
    ],
)
def test_a_change_of_what_is_not_there_is_refused_and_changes_nothing(
    sandbox: Sandbox, change: Any
) -> None:
    before = sandbox.dump()

    answer = post(sandbox, "/__state", change)

    assert answer.status_code == 400
    assert answer.json()["error"]
    assert sandbox.dump() == before


def test_a_half_right_change_is_not_half_done(sandbox: Sandbox) -> None:
    before = sandbox.dump()

    answer = post(
        sandbox,
        "/__state",
        {
            "vendor": "bamboohr",
            "settings": {"own_status": "visible"},
            "change": [{"id": "4", "set": {"city": "Oslo"}}],
            "delete": ["999"],
        },
    )

    assert answer.status_code == 400
    assert sandbox.dump() == before


def test_every_vendor_can_be_moved_to_another_day(sandbox: Sandbox, bamboohr: Caller) -> None:
    future = bamboohr.rows("status")["22"]["status"]

    post(sandbox, "/__state", {"settings": {"today": "2027-03-02"}})

    assert (future, bamboohr.rows("status")["22"]["status"]) == ("Inactive", "Active")


def test_the_log_says_what_was_asked_and_hides_what_it_was_signed_with(
    sandbox: Sandbox, aha: Caller
) -> None:
    key = sandbox.credentials("aha")["secrets"]["value"]
    aha.get(f"/users?email=a@b.example&key={key}", headers={"User-Agent": "Rolecall"})
    aha("PUT", "/users/1", json={"user": {"enabled": False}})

    log = requests.get(f"{sandbox.url}/__log", timeout=TIMEOUT)

    first, second = log.json()["requests"]
    assert key not in log.text
    assert (first["method"], first["path"], first["status"]) == ("GET", "/acme/api/v1/users", 200)
    assert (first["vendor"], first["user_agent"]) == ("aha", "Rolecall")
    assert first["query"] == "email=a@b.example&key=***"
    assert first["auth"] == f"Bearer ({len(key)} characters)"
    assert (second["status"], second["body"]) == (404, '{"user": {"enabled": false}}')
    assert log.json()["total"] == 2


def test_a_reset_makes_the_company_anew_and_keeps_the_credentials(
    sandbox: Sandbox, bamboohr: Caller
) -> None:
    untouched = sandbox.dump()
    credentials = sandbox.credentials("bamboohr")
    bamboohr("POST", "/employees", json={"firstName": "A", "lastName": "B"})
    sandbox.faults.add("status")

    post(sandbox, "/__reset")
    same = sandbox.dump()
    post(sandbox, "/__reset", {"people": 12, "seed": 3})

    assert same == untouched
    assert len(bamboohr.rows("status")) == 12
    assert sandbox.credentials("bamboohr") == credentials
    assert len(sandbox.ledger) == 1


def test_unknown_control_calls_name_the_known_ones(sandbox: Sandbox) -> None:
    answer = post(sandbox, "/__explode")

    assert answer.status_code == 404
    assert "POST /__faults" in answer.json()["error"]


def test_a_connection_is_kept_and_answers_in_order(sandbox: Sandbox, aha: Caller) -> None:
    with requests.Session() as session:
        session.headers.update({name.title(): value for name, value in aha.signed().items()})
        url = sandbox.base_url("aha")

        answers = [session.get(f"{url}/me", timeout=TIMEOUT, stream=True) for _ in range(2)]
        first_port = answers[0].raw.connection
        [answer.json() for answer in answers]
        third = session.get(f"{url}/nothing", timeout=TIMEOUT, stream=True)
        status, text = third.status_code, third.json()

    assert first_port is not None
    assert (status, text) == (404, {"error": "Not found"})


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Content-Length": "99999999999"}, 413), ({"Transfer-Encoding": "x"}, 411)],
)
def test_a_body_that_cannot_be_read_is_refused(
    sandbox: Sandbox, aha: Caller, headers: dict[str, str], status: int
) -> None:
    answer = requests.get(f"{sandbox.url}/aha/acme/api/v1/me", headers=headers, timeout=TIMEOUT)

    assert answer.status_code == status
    assert aha.get("/me").status_code == 200


def test_the_command_says_when_it_is_ready_and_ends_on_a_signal(tmp_path: Path) -> None:
    command = [sys.executable, "manage.py", "sandbox", "--port", "0", "--people", "30"]
    files = ["--ledger", str(tmp_path / "ledger"), "--state", str(tmp_path / "state")]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.test"}
    with subprocess.Popen(
        [*command, *files], stdout=subprocess.PIPE, cwd=ROOT, env=environment
    ) as process:
        assert process.stdout is not None
        ready = orjson.loads(process.stdout.readline())
        aha = ready["vendors"]["aha"]
        key = aha["credentials"]["secrets"]["value"]
        me = requests.get(
            f"{aha['base_url']}/me", headers={"Authorization": f"Bearer {key}"}, timeout=TIMEOUT
        )
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
        code = process.wait(timeout=TIMEOUT)

    assert set(ready) == {"control", "vendors"}
    assert aha["base_url"] == f"{ready['control']}/aha/acme/api/v1"
    assert aha["inputs"] == {"subdomain": "acme"}
    assert set(aha["credentials"]) == {"type", "settings", "secrets"}
    assert me.status_code == 200
    assert (code, rest) == (0, b"")
    assert (
        len(orjson.loads((tmp_path / "state").read_bytes())["vendors"]["bamboohr"]["employees"])
        == 30
    )


def test_settings_can_be_given_when_a_sandbox_is_made(clock: Clock) -> None:
    with Sandbox(
        people=30, settings={"aha": {**NO_LIMIT, "per_second": 1}}, now=clock.now
    ) as sandbox:
        aha = Caller(sandbox, "aha")

        statuses = [aha.get("/me").status_code for _ in range(2)]

    assert statuses == [200, 429]
