"""What an ending of a call means: done, refused, there already, unknown, not sent, later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from integrations.answers import Answer
from integrations.client import VendorClient
from integrations.errors import AskPerson, BrokenAnswer, TryLater, VendorError
from integrations.manifest_presets import Preset
from integrations.presets.answers import kept
from integrations.presets.outcome import Kind, Outcome, judge_batch, judge_call
from integrations.registry import get_preset, get_vendor
from integrations.sandbox.server import Sandbox
from integrations.services import access_for
from people.masking import register_secret
from tests.integrations.language.server import Reply, json_reply, serving
from tests.makers import make_credentials

DOCS = "https://tiny.example/docs"
AHA = get_vendor("aha")
Send = Callable[[Reply], Outcome]


def make_preset(**more: Any) -> Preset:
    change = {"target": "{{ email }}", "effect": "one", "repeat": "safe", **more.pop("change", {})}
    request = {"method": "PUT", "path": "one"}
    return Preset.model_validate(
        {"key": "one", "label": "One", "docs": DOCS, "request": request, "change": change, **more}
    )


def answer(body: Any, status: int = 200) -> Answer:
    return Answer(status, {}, body, "application/json", 10)


def error(
    kind: type[VendorError], code: str, status: int | None = None, **more: Any
) -> VendorError:
    made = kind(code, "It ended badly.", status=status, retry_after=more.get("retry_after"))
    made.sent = more.get("sent", True)
    made.body = more.get("body")
    return made


@pytest.mark.parametrize(
    ("ending", "kind"),
    [
        (error(TryLater, "dns", sent=False), Kind.NOT_SENT),
        (error(TryLater, "connection", sent=False), Kind.NOT_SENT),
        (error(TryLater, "timeout", sent=False), Kind.NOT_SENT),
        (error(TryLater, "rate_limited", sent=False, retry_after=3600), Kind.NOT_SENT),
        (error(AskPerson, "tls", sent=False), Kind.REFUSED),
        (error(AskPerson, "egress_refused", sent=False), Kind.REFUSED),
        (error(AskPerson, "credentials_invalid", sent=False), Kind.REFUSED),
        (error(AskPerson, "refused", 400), Kind.REFUSED),
        (error(AskPerson, "unauthorized", 401), Kind.REFUSED),
        (error(AskPerson, "forbidden", 403), Kind.REFUSED),
        (error(AskPerson, "not_found", 404), Kind.REFUSED),
        (error(AskPerson, "refused", 409), Kind.REFUSED),
        (error(AskPerson, "refused", 422), Kind.REFUSED),
        (error(AskPerson, "redirect", 301), Kind.REFUSED),
        (error(TryLater, "rate_limited", 429), Kind.LATER),
        (error(TryLater, "rate_limited", 200), Kind.LATER),
        (error(TryLater, "conflict", 409), Kind.LATER),
        (error(AskPerson, "redirect", 303), Kind.UNKNOWN),
        (error(TryLater, "timeout", 408), Kind.UNKNOWN),
        (error(TryLater, "timeout"), Kind.UNKNOWN),
        (error(TryLater, "connection"), Kind.UNKNOWN),
        (error(TryLater, "truncated"), Kind.UNKNOWN),
        (error(AskPerson, "tls"), Kind.UNKNOWN),
        (error(TryLater, "server_error", 500), Kind.UNKNOWN),
        (error(TryLater, "server_error", 503), Kind.UNKNOWN),
        (error(AskPerson, "refused", 501), Kind.UNKNOWN),
        (error(AskPerson, "html", 404), Kind.UNKNOWN),
        (error(BrokenAnswer, "html", 200), Kind.UNKNOWN),
        (error(BrokenAnswer, "not_json", 200), Kind.UNKNOWN),
        (error(BrokenAnswer, "wrong_type", 200), Kind.UNKNOWN),
        (error(BrokenAnswer, "too_large", 200), Kind.UNKNOWN),
    ],
)
def test_an_ending_is_unknown_unless_it_certainly_was_not_done(ending: VendorError, kind: Kind):
    """M-26, G-02: R1 of the journal rests on this table."""
    outcome = judge_call(AHA, make_preset(), ending)

    assert outcome.kind == kind
    assert outcome.retry_after == ending.retry_after
    assert ("Nobody knows" in outcome.note) is (kind == Kind.UNKNOWN)


@pytest.mark.parametrize(
    ("body", "status", "may_be_empty", "kind"),
    [
        ({"id": 1}, 200, False, Kind.DONE),
        (None, 204, False, Kind.DONE),
        (None, 200, True, Kind.DONE),
        (None, 200, False, Kind.UNKNOWN),
        ([], 200, False, Kind.DONE),
    ],
)
def test_an_empty_answer_says_nothing_unless_it_may_be_empty(
    body: Any, status: int, may_be_empty: Any, kind: Kind
):
    preset = make_preset(answer={"may_be_empty": may_be_empty})

    assert judge_call(AHA, preset, answer(body, status)).kind == kind


@pytest.fixture
def send(settings: Any, db: None) -> Any:
    """Send a PUT to a server that answers so; gives how it is judged."""

    def sent(make_reply: Callable[[Any], Any], preset: Preset | None = None) -> Outcome:
        with serving(make_reply) as server:
            settings.EGRESS_EXTRA_HOSTS = [server.url.split("/")[2]]
            settings.EGRESS_ALLOW_HTTP = True
            credentials = make_credentials(base_url=server.url)
            client = VendorClient(AHA, access_for(credentials), inputs={"subdomain": "acme"})
            with client:
                try:
                    result: Any = client.call("PUT", "one", json={"a": 1})
                except VendorError as problem:
                    result = problem
        return judge_call(AHA, preset or make_preset(), result)

    return sent


@pytest.mark.parametrize(
    ("place", "kind"),
    [("127.0.0.1:9/api", Kind.NOT_SENT), ("", Kind.UNKNOWN)],
    ids=["nobody listens", "ended in the middle"],
)
def test_no_connection_was_not_sent_and_one_that_ends_is_unknown(
    settings: Any, sandbox: Sandbox, db: None, place: str, kind: Kind
):
    """M-26: what tells them apart is whether one byte went out."""
    settings.EGRESS_EXTRA_HOSTS = [*settings.EGRESS_EXTRA_HOSTS, "127.0.0.1:9"]
    secret = sandbox.credentials("aha")["secrets"]["value"]
    url = f"http://{place}" if place else sandbox.base_url("aha")
    credentials = make_credentials(secret=secret, base_url=url)
    sandbox.faults.add("reset", vendor="aha")

    with (
        VendorClient(AHA, access_for(credentials), inputs={"subdomain": "acme"}) as client,
        pytest.raises(VendorError) as ended,
    ):
        client.call("PUT", "users/1", json={"user": {"enabled": False}})

    assert judge_call(AHA, make_preset(), ended.value).kind == kind


def test_the_words_of_a_vendor_become_the_note(send: Any):
    """What a 422 says is told, masked, and nothing else of it is kept."""
    _vendor, preset = get_preset("aha.update_user_details")
    body = {"errors": {"message": "Email is invalid"}, "echo": "canary"}

    outcome = send(lambda _seen: json_reply(body, 422), preset)

    assert (outcome.kind, outcome.status) == (Kind.REFUSED, 422)
    assert outcome.note == 'It says: "Email is invalid".'
    assert "canary" not in repr(outcome)


def test_a_403_repeats_what_the_credentials_need(send: Any):
    """BW-25, BW-30, AH-44."""
    _vendor, preset = get_preset("aha.update_user_details")

    outcome = send(lambda _seen: json_reply({"error": "Forbidden"}, 403), preset)

    assert outcome.code == "forbidden"
    assert "Aha! Update User Details needs an account administrator of Aha!" in outcome.note


def test_a_conflict_that_means_there_is_one_already_is_told_as_that():
    """BW-27, GT-23j."""
    vendor, preset = get_preset("betterworks.create_user")
    taken = error(
        AskPerson, "refused", 400, body={"email": ["A user with this email already exists."]}
    )
    other = error(AskPerson, "refused", 400, body={"first_name": ["This field is required."]})

    assert judge_call(vendor, preset, taken).kind == Kind.EXISTS
    assert "There is one already" in judge_call(vendor, preset, taken).note
    assert judge_call(vendor, preset, other).kind == Kind.REFUSED
    assert "This field is required" in judge_call(vendor, preset, other).note


def test_a_user_that_the_vendor_lists_without_a_key_was_there_before():
    """GT-23j: GoTo answers 200 for users that it did not make."""
    vendor, preset = get_preset("goto.add_users")

    made = judge_call(vendor, preset, answer([{"key": 5300000000000012345, "email": "a@b.c"}]))
    known = judge_call(vendor, preset, answer([{"email": "a@b.c"}]))

    assert (made.kind, made.values) == (Kind.DONE, {"goto_user_key": 5300000000000012345})
    assert known.kind == Kind.EXISTS


def test_what_was_gone_before_is_said_apart_from_other_refusals():
    """M-27: done only after the control record was found; a page says nothing."""
    vendor, preset = get_preset("goto.delete_users")

    assert judge_call(vendor, preset, error(AskPerson, "not_found", 404)).gone
    assert not judge_call(vendor, preset, error(AskPerson, "forbidden", 403)).gone
    assert not judge_call(vendor, preset, error(AskPerson, "html", 404)).gone


def test_each_item_of_a_batch_is_judged_by_itself():
    batch = {
        "item": "{{ email }}",
        "most": 200,
        "done": "response.data.off.done",
        "failed": "response.data.off.errors",
    }
    preset = make_preset(batch=batch)
    body = {
        "data": {
            "off": {
                "done": [{"id": "1"}, {"id": 2}],
                "errors": [{"user_id": "3", "message": "User not found"}],
            }
        }
    }

    judged = judge_batch(AHA, preset, answer(body), ["1", "2", "3", "4"])

    assert [judged[one].kind for one in "1234"] == [
        Kind.DONE,
        Kind.DONE,
        Kind.REFUSED,
        Kind.UNKNOWN,
    ]
    assert "User not found" in judged["3"].note
    nothing = {"data": {"off": {"done": None, "errors": None}}}
    assert judge_call(AHA, preset, answer(nothing)).kind == Kind.UNKNOWN


def test_what_is_kept_of_an_answer_is_masked_and_short():
    """C-07, S-10, S-22."""
    register_secret("canary-5e1f00d1234")
    body = {
        "echo": "Bearer canary-5e1f00d1234",
        "access_token": "something-else",
        "password": "hunter2",
        "text": "x" * 5000,
        "list": list(range(1000)),
        "deep": {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": 1}}}}}}}}},
        "nul": "a\x00b",
    }

    stored = kept(body)

    assert stored["echo"] == "Bearer [masked]"
    assert stored["access_token"] == stored["password"] == "[masked]"
    assert len(stored["text"]) == 501
    assert len(stored["list"]) == 21
    assert "\x00" not in stored["nul"]
    assert len(str(kept([{"text": "y" * 500}] * 1000 + [{"k" * 400: "z" * 500}] * 60))) < 20_000
    _vendor, preset = get_preset("aha.get_user_details")
    told = judge_call(AHA, preset, answer({"user": {"name": "Bearer canary-5e1f00d1234"}}))
    assert told.values == {"aha_name": "Bearer [masked]"}


@pytest.mark.parametrize("body", [{"user": {"id": "1"}}, {"id": "1"}])
def test_wrapped_and_unwrapped_answers_are_read_alike(body: Any):
    """AH-38: Aha! wraps what it is asked for and not what it was told."""
    for preset_id in ("aha.get_user_details", "aha.update_user_details"):
        vendor, preset = get_preset(preset_id)
        assert judge_call(vendor, preset, answer(body)).values == {"aha_user_id": "1"}
