"""What goes out: only what is filled, nothing evaluated, nothing beyond its place (S-12, F-36)."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.errors import PresetRefused
from integrations.manifest_presets import Preset
from integrations.models import Credentials
from integrations.presets.inputs import check_inputs
from integrations.presets.render import fill_request, fill_text, shown
from integrations.registry import get_preset

from .desk import Desk

DOCS = "https://tiny.example/docs"


def make_preset(request: dict[str, Any], **more: Any) -> Preset:
    """A preset that sets values, as a vendor folder would say it."""
    kind = {} if "reads" in more else {"change": change(**more.pop("change", {}))}
    return Preset.model_validate(
        {"key": "one", "label": "One", "docs": DOCS, "request": request, **kind, **more}
    )


def change(**more: Any) -> dict[str, Any]:
    return {"target": "{{ email }}", "effect": "one {{ email }}", "repeat": "safe", **more}


def fill(preset: Preset, **values: Any) -> Any:
    assert preset.request is not None
    return fill_request(preset.request, values, preset=preset)


def body_of(preset_id: str, **inputs: Any) -> Any:
    """The body of a preset for Ann with these inputs."""
    _vendor, preset = get_preset(preset_id)
    values: dict[str, Any] = {
        "email": "ann@example.com",
        "aha_user_id": "42",
        "goto_user_key": "43",
        "betterworks_user_id": "44",
        "account": {"account_key": "1"},
    }
    values["inputs"] = check_inputs(preset, inputs, values)
    return fill(preset, **values).body


# Only filled keys are sent.


@pytest.mark.parametrize(
    ("preset_id", "inputs", "body"),
    [
        ("aha.update_user_details", {"first_name": "Bea"}, {"user": {"first_name": "Bea"}}),
        ("aha.update_user_details", {"enabled": "false"}, {"user": {"enabled": False}}),
        ("aha.update_user_details", {"administrator": True}, {"user": {"administrator": True}}),
        ("goto.update_user", {"name_locked": "false"}, {"nameLocked": False}),
        ("goto.update_user", {"time_zone": "Europe/London"}, {"timeZone": "Europe/London"}),
        (
            "betterworks.update_user",
            {"title": "Clerk"},
            {"email": "ann@example.com", "title": "Clerk"},
        ),
    ],
)
def test_only_filled_inputs_are_sent_and_false_only_where_it_is_chosen(
    preset_id: str, inputs: dict[str, Any], body: Any
):
    """F-36, AH-41, GT-27, BW-33."""
    assert body_of(preset_id, **inputs) == body


@pytest.mark.parametrize(
    "preset_id", ["aha.update_user_details", "goto.update_user", "betterworks.update_user"]
)
def test_an_update_of_nothing_is_not_sent(preset_id: str):
    with pytest.raises(PresetRefused, match="nothing would change"):
        body_of(preset_id)


def test_empty_branches_of_a_body_are_left_out_and_literal_ones_stay():
    tree = {
        "a": {"b": "{{ inputs.x }}"},
        "c": ["{{ inputs.x }}"],
        "d": {},
        "e": [],
        "f": None,
        "g": "{{ email }}",
    }
    preset = make_preset(
        {"method": "POST", "path": "one", "json": tree}, inputs={"x": {"label": "X"}}
    )

    assert fill(preset, email="ann@example.com", inputs={"x": None}).body == {
        "d": {},
        "e": [],
        "f": None,
        "g": "ann@example.com",
    }


def test_a_field_that_is_blank_is_left_out_of_an_update_unless_it_is_needed():
    tree = {"title": "{{ title }}", "mail": "{{ email }}"}
    request = {"method": "POST", "path": "one", "json": tree}

    assert fill(make_preset(request), email="a@b.example", title="").body == {"mail": "a@b.example"}
    needed = make_preset(request, if_empty={"title": "Fill the title."})
    with pytest.raises(PresetRefused, match=r"title.*Fill the title\."):
        fill(needed, email="a@b.example", title="")


@pytest.mark.parametrize("kind", ["takes_access", "destructive"])
@pytest.mark.parametrize(
    "request_",
    [
        {"path": "one", "json": {"mail": "{{ email }}"}},
        {"path": "one", "json": {"mail": ["{{ email }}", "x"]}},
        {"path": "one", "json": {"mail": "to {{ email }}"}},
        {"path": "one", "params": {"filter": "{{ inputs.filter }}"}},
        {"path": "one/{{ email }}"},
        {"path": "one", "headers": {"X-Mail": "{{ email }}"}},
    ],
)
def test_a_call_that_takes_something_away_has_no_holes(kind: str, request_: dict[str, Any]):
    """GT-19, GT-29: in a URL, a filter or the body."""
    preset = make_preset(
        {"method": "POST", **request_},
        change={kind: True},
        inputs={"filter": {"label": "Filter"}},
    )

    with pytest.raises(PresetRefused, match="was not sent"):
        fill(preset, email=" ", inputs={"filter": None})


def test_a_parameter_is_left_out_only_where_nobody_filled_its_input():
    """GT-19: a field of the record in a parameter is a filter, and a filter has no holes."""
    params = {"notify": "{{ inputs.notify }}", "email": "{{ email }}"}
    preset = make_preset(
        {"method": "POST", "path": "one", "params": params},
        inputs={"notify": {"label": "Notify", "type": "switch"}},
    )

    sent = fill(preset, email="ann@example.com", inputs={"notify": None})

    assert sent.params == {"email": "ann@example.com"}
    with pytest.raises(PresetRefused):
        fill(preset, email=None, inputs={"notify": None})


def test_nothing_in_quotes_is_nothing_too():
    """The filter `json` makes "null" of nothing, which a vendor may take as everybody."""
    preset = make_preset({"path": "one", "params": {"filter": "mail eq {{ email | json }}"}})

    for nothing in ("", None):
        with pytest.raises(PresetRefused):
            fill(preset, email=nothing)
    assert fill(preset, email='a"b@c.example').params == {"filter": 'mail eq "a\\"b@c.example"'}


def test_a_default_of_a_template_fills_the_hole():
    preset = make_preset({"path": 'one/{{ email | default("none") }}'})

    assert fill(preset).path == "one/none"


# S-12: 120 payloads, literal or refused.

PAYLOADS = [
    "{{ email }}", "{{email}}", "{{ credentials.value }}", "{{ credential.token }}", "{{ secrets }}",
    "{{ inputs }}", "{{ account.subdomain }}", "{{ variables.Key }}", "{{ response }}",
    "{{ 7*7 }}", "{{7*'7'}}", "${7*7}", "#{7*7}", "<%= 7*7 %>", "{% debug %}", "{{ ''.__class__ }}",
    "{{ self.__init__.__globals__ }}", "{{ config }}", "{{ request.user }}", "%7B%7B email %7D%7D",
    "{{", "}}", "{{}}", "{{{{ email }}}}", "{{ email", "{{ email }", "../../admin", "..%2f..%2f",
    "a/../../b", "?admin=true", "#fragment", "a&b=c", "%00", "%0d%0aX-Evil: 1", "@evil.example",
    "//evil.example/x", "https://evil.example", "\\\\evil", "a b", "ann+tag@example.com",
]  # fmt: skip


def preset_for(place: str) -> Preset:
    word = "{{ first_name }}"
    request: dict[str, Any] = {"method": "POST", "path": "users/1"}
    if place == "path":
        request["path"] = f"users/{word}/mail"
    elif place == "param":
        request["params"] = {"filter": f'name eq "{word}"'}
    else:
        request["json"] = {"deep": [{"name": word}]}
    return make_preset(request)


@pytest.mark.parametrize("place", ["path", "param", "body"])
@pytest.mark.parametrize("payload", PAYLOADS)
def test_what_a_value_holds_is_never_read_as_anything(place: str, payload: str):
    """S-12: 40 payloads in three places; sent as they are, percent-encoded in a URL, or refused."""
    values = {
        "email": "canary@example.com",
        "first_name": payload,
        "inputs": {},
        "account": {"subdomain": "canary-subdomain"},
        "variables": {"Key": "canary-variable"},
    }
    preset = preset_for(place)

    try:
        sent = fill(preset, **values)
    except PresetRefused:
        return

    everything = repr(sent.as_json())
    assert "canary" not in everything
    assert "49" not in everything.replace(payload, "")
    if place == "path":
        middle = sent.path.removeprefix("users/").removesuffix("/mail")
        assert not set(middle) & set("{}/?#&@ \\")
        assert "{{" not in sent.path
    elif place == "param":
        assert sent.params == {"filter": f'name eq "{payload}"'}
    else:
        assert sent.body == {"deep": [{"name": payload}]}


@pytest.mark.parametrize("payload", [".", "..", "\ud800", ["a"], {"a": 1}])
def test_what_cannot_be_one_piece_of_a_url_is_refused(payload: Any):
    """S-12."""
    with pytest.raises(PresetRefused):
        fill(preset_for("path"), email="a@b.example", first_name=payload)


def test_a_header_holds_no_line_breaks():
    """S-10, S-12."""
    preset = make_preset({"path": "one", "headers": {"X-Name": "{{ first_name }}"}})

    with pytest.raises(PresetRefused):
        fill(preset, email="a@b.example", first_name="Ann\r\nX-Evil: 1")


# S-10: the secret is nowhere that templates reach, and nowhere that people see.

NAMES_OF_SECRETS = [
    "credentials", "credential", "credentials.value", "credentials.secrets.value", "credential.token",
    "credentials.sealed", "secrets", "secrets.value", "access", "access.secrets.value", "token",
    "authorization", "headers.Authorization", "account.value", "account.credentials", "account.secrets",
    "inputs.value", "variables.FERNET_KEYS", "variables.SECRET_KEY", "settings.SECRET_KEY",
    "person.credentials", "application.credentials", 'account["value"]', "client.access.secrets",
    "response_headers.Authorization",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES_OF_SECRETS)
def test_no_template_can_name_the_secret(aha: Desk, name: str):
    """S-10: 25 names in a URL, a header and the body of a call that is ready in all else."""
    user = aha.account(email="ann@example.com")
    call = aha.prepare("get_user_details", user.external_id)

    for request in (
        {"method": "POST", "path": f"one/{{{{ {name} }}}}"},
        {"method": "POST", "path": "one", "headers": {"X-One": f"{{{{ {name} }}}}"}},
        {"method": "POST", "path": "one", "json": {"one": f"a {{{{ {name} }}}}"}},
    ):
        with pytest.raises(PresetRefused):
            fill(
                make_preset(request, if_empty=dict.fromkeys([name.partition(".")[0]], "")),
                **call.values,
            )
    assert not any(secret in repr(call.values) for secret in aha.secrets)


def test_a_secret_that_was_typed_as_an_input_is_masked_in_the_plan(aha: Desk):
    """S-10, C-07."""
    user = aha.account(email="ann@example.com")
    given = {"first_name": aha.secrets[0][:255]}

    call = aha.prepare("update_user_details", user.external_id, given, plan=False)

    view = shown(call.request, base_url="https://acme.aha.io")
    assert aha.secrets[0] not in repr(view)
    assert "[masked]" in repr(view)


def test_a_request_has_no_signature_before_it_is_sent(aha: Desk):
    """C-07, M-25: what an operation keeps is unsigned."""
    user = aha.account(email="ann@example.com")

    call = aha.prepare("deactivate_user", user.external_id)

    assert call.request.as_json() == {
        "method": "PUT",
        "path": f"users/{user.external_id}",
        "params": {},
        "headers": {},
        "body": {"user": {"enabled": False}},
    }
    assert Credentials.objects.get().name == call.credentials_name


def test_a_target_has_no_holes():
    preset = make_preset({"path": "one"})

    with pytest.raises(PresetRefused, match='"email" of the record is empty'):
        fill_text("user {{ email }}", {"email": ""}, preset=preset)
