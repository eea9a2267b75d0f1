"""What the sandbox's token server gives and refuses, as RFC 6749 and GoTo's guides say."""

import base64
import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from integrations.sandbox.oauth import OAuthSide
from integrations.sandbox.server import Sandbox
from integrations.sandbox.vendor import RecordChange, StateChange

from .conftest import NO_LIMIT, TIMEOUT, Clock

CALLBACK = "http://127.0.0.1:8000/callback/"
DAY = 86_400


class Client:
    """An OAuth client of the GoTo side."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        given = sandbox.credentials("goto")
        self.secrets: dict[str, str] = given["secrets"]
        self.auth_url: str = given["settings"]["auth_url"]
        self.token_url: str = given["settings"]["token_url"]

    @property
    def basic(self) -> tuple[str, str]:
        return self.secrets["client_id"], self.secrets["client_secret"]

    def change(self, **settings: Any) -> None:
        self.sandbox.change(StateChange(vendor="goto", settings=settings))

    def act(self, **acts: Any) -> None:
        self.sandbox.change(StateChange(vendor="goto", change=[RecordChange(id="oauth", set=acts)]))

    def open_page(self, **changes: str | None) -> requests.Response:
        given = {
            "client_id": self.secrets["client_id"],
            "response_type": "code",
            "redirect_uri": CALLBACK,
            "state": "st/1 2",
            **changes,
        }
        params = {name: value for name, value in given.items() if value is not None}
        return requests.get(self.auth_url, params=params, timeout=TIMEOUT, allow_redirects=False)

    def decide(self, decision: str, **changes: str) -> requests.Response:
        form = {
            "client_id": self.secrets["client_id"],
            "redirect_uri": CALLBACK,
            "state": "st/1 2",
            "decision": decision,
            **changes,
        }
        return requests.post(self.auth_url, data=form, timeout=TIMEOUT, allow_redirects=False)

    def code(self, **changes: str) -> str:
        return result_of(self.decide("allow", **changes))["code"]

    def ask(self, **form: Any) -> requests.Response:
        return requests.post(self.token_url, auth=self.basic, data=form, timeout=TIMEOUT)

    def exchange(self, code: str, **changes: str) -> requests.Response:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
        return self.ask(**{**form, **changes})

    def refresh(self, token: str | None = None) -> requests.Response:
        given = token or self.secrets["refresh_token"]
        return self.ask(grant_type="refresh_token", refresh_token=given)

    def me(self, token: str) -> int:
        url = self.sandbox.base_url("goto") + "/me"
        headers = {"Authorization": f"Bearer {token}"}
        return requests.get(url, headers=headers, timeout=TIMEOUT).status_code

    def ops(self) -> list[str]:
        return [effect.op for effect in self.sandbox.ledger]


def result_of(answer: requests.Response) -> dict[str, str]:
    """The parameters of a redirect to the callback."""
    assert answer.status_code == 302, answer.text
    address = urlsplit(answer.headers["Location"])
    assert f"{address.scheme}://{address.netloc}{address.path}" == CALLBACK
    return {name: values[0] for name, values in parse_qs(address.query).items()}


def refused(answer: requests.Response) -> tuple[int, str]:
    """Status and code of an error of the token endpoint."""
    assert "access_token" not in answer.text
    return answer.status_code, answer.json()["error"]


@pytest.fixture
def client(sandbox: Sandbox) -> Client:
    sandbox.change(StateChange(vendor="goto", settings=NO_LIMIT))
    return Client(sandbox)


def test_the_credentials_name_the_addresses_of_the_sandbox(
    sandbox: Sandbox, client: Client
) -> None:
    described = sandbox.describe()["vendors"]["goto"]

    assert described["credentials"] == sandbox.credentials("goto")
    assert client.auth_url == f"{sandbox.url}/goto/oauth/authorize"
    assert client.token_url == f"{sandbox.url}/goto/oauth/token"
    assert described["base_url"] == f"{sandbox.url}/goto/admin/rest/v1"


def test_the_imported_grant_gives_tokens_without_a_consent(client: Client) -> None:
    answer = client.refresh()

    token = answer.json()
    assert answer.headers["Cache-Control"] == "no-store"
    assert (token["token_type"], token["expires_in"], token["scope"]) == (
        "Bearer",
        3600,
        "identity:",
    )
    assert "refresh_token" not in token
    assert client.me(token["access_token"]) == 200
    assert client.ops() == ["token.refresh"]


def test_the_consent_page_names_the_client_and_asks(client: Client) -> None:
    page = client.open_page()

    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=UTF-8")
    assert "Rolecall" in page.text
    assert 'value="allow"' in page.text
    assert 'value="deny"' in page.text
    assert 'name="state" value="st/1 2"' in page.text


def test_what_comes_in_is_escaped_on_the_page(client: Client) -> None:
    page = client.open_page(state='"><script>alert(1)</script>')

    assert "<script>" not in page.text


def test_consent_brings_a_code_and_the_state_back_and_the_code_brings_tokens(
    client: Client,
) -> None:
    result = result_of(client.decide("allow"))

    answer = client.exchange(result["code"])

    assert result["state"] == "st/1 2"
    assert answer.status_code == 200
    assert client.me(answer.json()["access_token"]) == 200
    assert client.refresh(answer.json()["refresh_token"]).status_code == 200
    assert client.ops() == ["token.issue", "token.refresh"]


def test_who_refuses_is_sent_back_without_a_code(client: Client) -> None:
    assert result_of(client.decide("deny")) == {"error": "access_denied", "state": "st/1 2"}


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "somebody"},
        {"client_id": None},
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": None},
    ],
)
def test_an_unknown_client_or_address_gets_a_page_and_no_redirect(
    client: Client, changes: dict[str, str | None]
) -> None:
    page = client.open_page(**changes)
    posted = client.decide("allow", **{key: value or "" for key, value in changes.items()})

    assert (page.status_code, posted.status_code) == (400, 400)
    assert "Location" not in page.headers
    assert "Location" not in posted.headers


def test_registered_addresses_are_compared_as_a_whole(client: Client) -> None:
    client.change(redirect_uris=[CALLBACK])

    assert client.open_page().status_code == 200
    assert client.open_page(redirect_uri=CALLBACK + "more").status_code == 400


def test_another_response_type_is_sent_back_as_an_error(client: Client) -> None:
    answer = client.open_page(response_type="token")

    assert result_of(answer)["error"] == "unsupported_response_type"


def test_a_code_works_once_and_its_second_use_ends_what_came_of_it(client: Client) -> None:
    code = client.code()
    token = client.exchange(code).json()

    second = client.exchange(code)

    assert refused(second) == (400, "invalid_grant")
    assert client.me(token["access_token"]) == 401
    assert refused(client.refresh(token["refresh_token"])) == (400, "invalid_grant")
    assert client.ops() == ["token.issue", "token.family_revoked"]


def test_a_code_is_good_for_five_minutes(client: Client, clock: Clock) -> None:
    young, old = client.code(), client.code()

    clock.move(seconds=299)
    first = client.exchange(young)
    clock.move(seconds=1)

    assert first.status_code == 200
    assert refused(client.exchange(old)) == (400, "invalid_grant")


def test_the_redirect_address_is_the_one_of_the_consent(client: Client) -> None:
    code = client.code()

    assert refused(client.exchange(code, redirect_uri=CALLBACK + "?x=1")) == (400, "invalid_grant")
    assert client.exchange(code).status_code == 200


def test_a_challenge_needs_its_verifier(client: Client) -> None:
    verifier = "v" * 43
    digest = hashlib.sha256(verifier.encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")

    code = client.code(code_challenge=challenge)

    assert refused(client.exchange(code, code_verifier="w" * 43)) == (400, "invalid_grant")
    assert refused(client.exchange(code)) == (400, "invalid_grant")
    assert client.exchange(code, code_verifier=verifier).status_code == 200
    plain = client.open_page(code_challenge=challenge, code_challenge_method="plain")
    assert result_of(plain)["error"] == "invalid_request"


def test_a_wrong_secret_is_401_whichever_way_it_comes(client: Client) -> None:
    """GoTo takes Basic; the setting lets a test choose another way."""
    form = {"grant_type": "refresh_token", "refresh_token": client.secrets["refresh_token"]}
    client_id, secret = client.basic
    in_body = {"client_id": client_id, "client_secret": secret}

    def status(**options: Any) -> tuple[int, str]:
        answer = requests.post(client.token_url, timeout=TIMEOUT, **options)
        return answer.status_code, answer.json().get("error", "")

    no = (401, "invalid_client")
    assert status(data=form, auth=(client_id, "wrong")) == no
    assert status(data=form, auth=("nobody", secret)) == no
    assert status(data=form) == no
    assert status(data={**form, **in_body}) == no
    client.change(client_authentication="body")
    assert status(data=form, auth=(client_id, secret)) == no
    assert status(data={**form, **in_body}) == (200, "")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({}, "invalid_request"),
        ({"grant_type": "client_credentials"}, "unauthorized_client"),
        ({"grant_type": "refresh_token"}, "invalid_grant"),
        ({"grant_type": "refresh_token", "refresh_token": ["a", "b"]}, "invalid_request"),
        ({"grant_type": "authorization_code", "code": "made up"}, "invalid_grant"),
    ],
)
def test_a_wrong_token_request_is_refused_by_its_name(
    client: Client, form: dict[str, Any], error: str
) -> None:
    """GoTo has no grant for clients alone."""
    assert refused(client.ask(**form)) == (400, error)
    assert client.ops() == []


def test_a_form_is_a_form_and_json_is_json(client: Client) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": client.secrets["refresh_token"]}

    def status(**options: Any) -> int:
        return requests.post(
            client.token_url, auth=client.basic, timeout=TIMEOUT, **options
        ).status_code

    assert (status(json=form), status(data=form)) == (400, 200)
    client.change(sent_as="json")
    assert (status(json=form), status(data=form)) == (200, 400)


def test_a_client_alone_gets_a_token_where_that_is_allowed(client: Client) -> None:
    client.change(grant_types=["client_credentials"])

    answer = client.ask(grant_type="client_credentials", scope="identity:")

    assert "refresh_token" not in answer.json()
    assert client.me(answer.json()["access_token"]) == 200
    assert refused(client.refresh()) == (400, "unauthorized_client")


def test_an_access_token_ends_by_the_clock_and_the_refresh_token_after_thirty_days(
    client: Client, clock: Clock
) -> None:
    token = client.refresh().json()["access_token"]

    clock.move(seconds=3599)
    before = client.me(token)
    clock.move(seconds=1)
    after = client.me(token)
    clock.move(seconds=30 * DAY - 3601)
    last = client.refresh().status_code
    clock.move(seconds=1)

    assert (before, after, last) == (200, 401, 200)
    assert refused(client.refresh()) == (400, "invalid_grant")


def test_the_life_of_access_tokens_is_a_setting(client: Client, clock: Clock) -> None:
    client.change(access_seconds=5)

    answer = client.refresh().json()
    clock.move(seconds=5)

    assert answer["expires_in"] == 5
    assert client.me(answer["access_token"]) == 401


def test_with_rotation_the_old_refresh_token_again_ends_the_whole_family(client: Client) -> None:
    """F-29: what two refreshers at once would do to a grant."""
    client.change(rotate=True)
    first = client.refresh().json()
    second = client.refresh(first["refresh_token"]).json()

    again = client.refresh(first["refresh_token"])

    assert refused(again) == (400, "invalid_grant")
    assert client.me(second["access_token"]) == 401
    assert refused(client.refresh(second["refresh_token"])) == (400, "invalid_grant")
    assert client.ops() == ["token.refresh", "token.refresh", "token.family_revoked"]


def test_rotation_prolongs_the_grant(client: Client, clock: Clock) -> None:
    client.change(rotate=True)

    clock.move(days=29)
    token = client.refresh().json()["refresh_token"]
    clock.move(days=29)

    assert client.refresh(token).status_code == 200


def test_consents_and_access_tokens_can_be_ended_from_outside(client: Client) -> None:
    token = client.refresh().json()["access_token"]

    client.act(expire_access_tokens=True)
    expired = client.me(token)
    renewed = client.refresh().json()["access_token"]
    client.act(revoke_grants=True)

    assert (expired, client.me(renewed)) == (401, 401)
    assert refused(client.refresh()) == (400, "invalid_grant")
    assert client.ops() == ["token.refresh", "token.refresh"]


def test_an_unknown_act_is_refused_and_changes_nothing(client: Client) -> None:
    token = client.refresh().json()["access_token"]

    with pytest.raises(ValueError, match="revoke_grants"):
        client.act(expire_access_tokens=True, forget=True)

    assert client.me(token) == 200


def test_requests_of_tests_are_signed_even_when_tokens_were_ended(
    sandbox: Sandbox, client: Client, clock: Clock
) -> None:
    side = sandbox.state["goto"]
    first = side.signed()["authorization"].removeprefix("Bearer ")

    client.act(expire_access_tokens=True, revoke_grants=True)
    clock.move(days=40)
    second = side.signed()["authorization"].removeprefix("Bearer ")

    assert (client.me(first), client.me(second)) == (401, 200)
    assert client.ops() == []


def test_counts_are_in_the_state_and_no_token_is_in_the_log(
    sandbox: Sandbox, client: Client
) -> None:
    client.change(rotate=True)
    first = client.refresh().json()
    client.exchange(client.code())
    client.refresh(client.secrets["refresh_token"])

    state = requests.get(f"{sandbox.url}/__state?vendor=goto", timeout=TIMEOUT).json()["oauth"]
    log = str(sandbox.log.as_json())

    assert state["counts"] == {
        "token.refresh": 1,
        "codes": 1,
        "token.issue": 1,
        "token.family_revoked": 1,
        "refused": 1,
    }
    assert [grant["revoked"] for grant in state["grants"]] == [True, False]
    for secret in (*client.secrets.values(), first["access_token"], first["refresh_token"]):
        assert secret not in log


def test_tokens_survive_a_restart_with_a_state_file(tmp_path: Path, clock: Clock) -> None:
    options: dict[str, Any] = {"people": 30, "now": clock.now, "state_file": tmp_path / "state"}
    with Sandbox(**options, settings={"goto": {"rotate": True}}) as sandbox:
        token = Client(sandbox).refresh().json()

    with Sandbox(**options) as sandbox:
        client = Client(sandbox)

        assert client.me(token["access_token"]) == 200
        assert client.refresh(token["refresh_token"]).status_code == 200
        assert refused(client.refresh(token["refresh_token"])) == (400, "invalid_grant")


def test_a_refresh_that_is_lost_on_its_way_back_was_done(sandbox: Sandbox, client: Client) -> None:
    """F-30: the token was rotated, and nobody has the new one."""
    client.change(rotate=True)
    sandbox.faults.add("reset", vendor="goto", path="/oauth/token", commit=True, count=1)

    with pytest.raises(requests.ConnectionError):
        client.refresh()

    assert refused(client.refresh()) == (400, "invalid_grant")
    assert client.ops() == ["token.refresh", "token.family_revoked"]


def test_the_token_server_is_no_part_of_the_api_and_not_paced(
    sandbox: Sandbox, client: Client
) -> None:
    client.change(per_second=1)

    statuses = [client.refresh().status_code for _ in range(5)]
    elsewhere = requests.get(f"{sandbox.url}/goto/oauth/other", timeout=TIMEOUT)

    assert statuses == [200] * 5
    assert elsewhere.status_code == 404
    assert isinstance(sandbox.state["goto"], OAuthSide)
