"""What Validate says of API blocks, by facts that stand for an installation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from people.queries import Target
from workflows.definition import BlockPart
from workflows.errors import Mistake
from workflows.facts import CredentialsFact, Facts
from workflows.kinds import find_kind

BETTERWORKS = "betterworks.create_user"
NAMES = {"first_name": "Ann", "last_name": "Lee"}


def credentials(name: str, vendor: str, **more: Any) -> CredentialsFact:
    values: dict[str, Any] = {
        "tenant": "main",
        "missing": "",
        "local": False,
        "may_be_used": True,
        "inputs": {},
        **more,
    }
    return CredentialsFact(name=name, vendor=vendor, **values)


def target(key: str, type_: str = "text") -> Target:
    return Target(key, key.title(), type_, None, may_be_sync_key=False, custom=True)


FIELDS = {
    "email": "text",
    "first_name": "text",
    "last_name": "text",
    "title": "text",
    "hire_date": "date",
    "employee_id": "text",
    "aha_user_id": "text",
    "goto_user_key": "text",
}
FACTS = Facts(
    object="person",
    application="",
    application_vendor="",
    application_tenant="",
    application_has_users=False,
    fields=FIELDS,
    writable={
        "title": target("title"),
        "api_response": target("api_response", "long_text"),
        "hire_date": target("hire_date", "date"),
    },
    credentials={
        "BW": credentials("BW", "betterworks"),
        "Aha": credentials("Aha", "aha", inputs={"subdomain": "acme"}, tenant="acme"),
        "Aha bare": credentials("Aha bare", "aha", tenant=""),
        "GoTo": credentials("GoTo", "goto", inputs={"account_key": "123"}, tenant="123"),
        "Theirs": credentials("Theirs", "betterworks", may_be_used=False),
        "Broken": credentials("Broken", "betterworks", missing="The secret is not set."),
    },
    variables=frozenset({"Aha.Subdomain", "license"}),
    vendor_keys=frozenset({"betterworks_user_id", "aha_user_id", "goto_user_key"}),
)
ACCOUNTS = replace(
    FACTS,
    object="saas_user",
    application="Aha!",
    application_vendor="aha",
    application_tenant="acme",
    fields={**FIELDS, "betterworks_user_id": "text"},
)


def block(preset: str = BETTERWORKS, credentials: str = "BW", **settings: Any) -> BlockPart:
    if preset == BETTERWORKS:
        settings.setdefault("inputs", NAMES)
    return BlockPart("call", "api", "Make account", preset, credentials, settings)


def mistakes(part: BlockPart, facts: Facts = FACTS) -> list[Mistake]:
    kind = find_kind("api")
    assert kind is not None
    return list(kind.check(part, facts))


def errors(part: BlockPart, facts: Facts = FACTS) -> list[tuple[str, str]]:
    return [(one.field, one.message) for one in mistakes(part, facts) if not one.warning]


def only(part: BlockPart, facts: Facts = FACTS) -> tuple[str, str]:
    found = errors(part, facts)
    assert len(found) == 1, found
    return found[0]


def test_a_whole_block_has_no_mistake() -> None:
    response = {
        "positive": [
            {"from": "{{ response }}", "to": "api_response"},
            {"from": "{{ response.id }}", "to": "variables.new_id"},
            {"from": '{{ response["a-b"] }}', "to": "title"},
        ],
        "negative": [{"from": "{{ failure.reason }}", "to": "variables.why"}],
    }
    request = {
        "params": {"notify": "{{ variables.license }}"},
        "headers": {"X-Reason": "{{ title }}"},
        "body": {"shirt_size": "{{ title }}", "title": None, "list": ["{{ email }}", True]},
    }

    found = mistakes(block(request=request, response=response))

    assert found == []


def test_credentials_are_needed() -> None:
    """(BW-07)"""
    field, message = only(block(credentials=""))

    assert field == "credentials"
    assert "Choose the credentials of Betterworks" in message


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Bw", 'Did you mean "BW"?'),
        ("Aha", "are for Aha!"),
        ("Theirs", "You may not use"),
        ("Broken", "The secret is not set."),
    ],
)
def test_credentials_that_cannot_be_used_are_refused(name: str, words: str) -> None:
    """(M-25, C-10)"""
    field, message = only(block(credentials=name))

    assert field == "credentials"
    assert words in message


def test_credentials_of_others_stay_only_where_what_is_sent_stays() -> None:
    """(M-25)"""
    stored = block(credentials="Theirs")
    facts = replace(FACTS, kept_blocks={"call": stored})
    moved = replace(stored, settings={"inputs": {**NAMES, "title": "{{ title }}"}})

    assert errors(replace(stored, x=5, y=7), facts) == []
    assert "You may not use" in only(moved, facts)[1]


def test_an_unknown_preset_is_named_with_a_near_one() -> None:
    field, message = only(block("betterworks.create_users"))

    assert field == "preset"
    assert 'Did you mean "betterworks.create_user"?' in message


def test_role_presets_belong_to_another_block() -> None:
    assert "SaaS User Role" in errors(block("betterworks.user_role"))[0][1]


@pytest.mark.parametrize("preset", ["betterworks.get_user_by_id", ""])
def test_another_vendor_than_the_application_s_is_refused(preset: str) -> None:
    """(M-21)"""
    request = {} if preset else {"request": {"method": "GET", "url": "users/5/"}}

    found = errors(block(preset, "BW", **request), ACCOUNTS)

    assert any("this workflow is about the users of Aha!" in one for _field, one in found)


def test_another_account_than_the_application_s_is_refused() -> None:
    """(M-21)"""
    facts = replace(ACCOUNTS, application_tenant="other")

    field, message = only(block("aha.get_user_details", "Aha"), facts)

    assert field == "credentials"
    assert 'account "acme"' in message
    assert only(block("aha.get_user_details", "Aha", inputs={"subdomain": "third"}), facts) == (
        "settings.inputs.subdomain",
        message.replace('the account "acme"', 'the account "third"'),
    )


# Inputs.


def test_an_input_that_is_needed_is_asked_for() -> None:
    """(GT-11)"""
    field, message = only(block("goto.assign_license_to_user_by_email", "GoTo"))

    assert field == "settings.inputs.license_key"
    assert message.startswith("License Key is needed.")
    assert errors(block(inputs={"first_name": ""}))[0][0] == "settings.inputs.first_name"


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("email", 128, 129),
        ("first_name", 60, 61),
        ("last_name", 60, 61),
        ("email_subject", 150, 151),
        ("email_text", 20_000, 20_001),
    ],
)
def test_lengths_are_checked_at_validate(name: str, good: int, bad: int) -> None:
    """(GT-24)"""

    def add(length: int) -> list[tuple[str, str]]:
        return errors(block("goto.add_users", "GoTo", inputs={name: "x" * length}))

    assert add(good) == []
    assert add(bad)[0][0] == f"settings.inputs.{name}"
    assert f"{bad} characters" in add(bad)[0][1]


@pytest.mark.parametrize(
    ("preset", "inputs"),
    [
        ("add_users", {"admin_roles": ["SUPER_USER", "SUPER_USERS"]}),  # GT-25
        ("update_user", {"locale": "de_AT"}),  # GT-26
        ("update_user", {"time_zone": "Europe/Londn"}),  # GT-28
        ("update_user", {"name_locked": "perhaps"}),
        ("add_users", {"suppress_email": "sometimes"}),
    ],
)
def test_choices_are_checked_at_validate(preset: str, inputs: dict[str, Any]) -> None:
    """(GT-25, GT-26, GT-28)"""
    field, _message = only(block(f"goto.{preset}", "GoTo", inputs=inputs))

    assert field == f"settings.inputs.{next(iter(inputs))}"


def test_templates_in_inputs_are_judged_when_they_are_filled_in() -> None:
    inputs = {"first_name": "{{ first_name }}", "locale": "{{ title }}"}

    assert errors(block("goto.update_user", "GoTo", inputs=inputs)) == []


def test_an_unknown_input_is_named_with_a_near_one() -> None:
    field, message = only(block(inputs={**NAMES, "titel": "x"}))

    assert field == "settings.inputs.titel"
    assert 'Did you mean "title"?' in message


def test_a_switch_that_takes_something_away_is_warned_of() -> None:
    """(AH-42)"""
    inputs = {"first_name": "Ann", "enabled": False}

    found = mistakes(block("aha.update_user_details", "Aha", inputs=inputs))

    assert [(one.field, one.warning) for one in found] == [("settings.inputs.enabled", True)]
    assert "Enabled is set to false." in found[0].message


def test_a_subdomain_is_taken_from_the_variable_or_asked_for() -> None:
    """(AH-11, AH-37)"""
    without = replace(FACTS, variables=frozenset())
    part = block("aha.get_user_details", "Aha bare")

    assert errors(part) == []
    assert errors(part, without)[0][0] == "settings.inputs.subdomain"
    assert "Aha.Subdomain" in errors(part, without)[0][1]


@pytest.mark.parametrize("typed", ["{{ email }}", "no such domain", "a.b.c", 5])
def test_a_subdomain_is_the_same_for_every_record(typed: Any) -> None:
    part = block("aha.get_user_details", "Aha", inputs={"subdomain": typed})

    assert only(part)[0] == "settings.inputs.subdomain"


# Templates.


def test_a_missing_brace_is_told_with_its_position() -> None:
    """(AH-50, C-10)"""
    part = block("", "Aha", request={"method": "GET", "url": "users/{{ aha_user_id }"})

    found = [one for one in mistakes(part) if not one.warning]

    assert [(one.block, one.field, one.position) for one in found] == [
        ("call", "settings.request.url", 22)
    ]


def test_unknown_fields_are_named_with_a_near_one() -> None:
    """(C-10)"""
    part = block(request={"body": {"more": {"deep": ["{{ first_nam }}"]}}})

    field, message = only(part)

    assert field == "settings.request.body.more.deep[0]"
    assert 'Did you mean "first_name"?' in message


def test_a_field_that_people_lack_is_warned_of() -> None:
    """(GT-13)"""
    found = mistakes(block("betterworks.get_user_by_id"))

    assert [(one.field, one.warning) for one in found] == [("preset", True)]
    assert "betterworks_user_id" in found[0].message


@pytest.mark.parametrize("name", ["credential", "credentials.token", "secret", "token", "api_key"])
def test_credentials_cannot_be_named(name: str) -> None:
    """(M-25, S-10)"""
    part = block(request={"headers": {"X-Note": f"{{{{ {name} }}}}"}})

    assert "credentials" in only(part)[1].casefold()


def test_response_is_known_in_its_tab_only() -> None:
    """(C-18)"""
    assert "Response tab" in only(block(request={"body": {"x": "{{ response.id }}"}}))[1]


def test_a_template_of_a_megabyte_is_refused() -> None:
    field, message = only(block(request={"body": {"x": "{{ email }}" + "x" * 1_000_000}}))

    assert field == "settings.request.body.x"
    assert "100000" in message.replace(",", "")


def test_a_body_that_is_nested_too_deep_is_refused() -> None:
    tree: Any = "{{ email }}"
    for _level in range(100):
        tree = [tree]

    assert "nested" in only(block(request={"body": {"x": tree}}))[1]


# What differs from the preset.


def test_own_requests_and_other_addresses_need_the_permission() -> None:
    """(M-25)"""
    facts = replace(FACTS, may_own_request=False)
    own = block("", request={"method": "GET", "url": "users/"})
    moved = block("betterworks.update_user", request={"url": "users/5/"})
    other = block("betterworks.update_user", request={"method": "DELETE"})

    assert only(own, facts)[0] == "settings.request.url"
    assert only(moved, facts)[0] == "settings.request.url"
    assert only(other, facts)[0] == "settings.request.method"
    assert [errors(one) for one in (own, moved, other)] == [[], [], []]


def test_what_was_allowed_before_may_stay_as_it_is() -> None:
    """(M-25)"""
    own = block("", request={"method": "POST", "url": "users/", "body": {"x": "1"}})
    facts = replace(FACTS, may_own_request=False, kept_blocks={"call": own})
    request = own.settings["request"]

    assert errors(own, facts) == []
    assert errors(replace(own, credentials="Theirs"), facts) != []
    assert errors(replace(own, settings={"request": {**request, "body": {"x": "2"}}}), facts) != []


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/users",
        "http://acme.aha.io/api/v1/users",
        "https://acme.aha.io:8443/users",
        "https://user@acme.aha.io/users",
        "https://acme.aha.io@evil.example/users",
        "https://acme.aha.io.evil.example/users",
        "//evil.example/users",
        "https://{{ email }}/users",
        "https://{{ variables.license }}.aha.io/users",
        "{{ email }}://evil.example",
        "ftp://acme.aha.io/users",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https:/evil.example",
        "https:\\\\evil.example",
        "users/../../admin",
        "users/%2e%2e/admin",
        "users\r\nHost: evil.example",
        "users#fragment",
        "users/ 5",
        "https://[::1]/users",
        "https://2130706433/users",
        "https://127.0.0.1/users",
        "https://169.254.169.254/latest/meta-data",
        "https://acme.aha.io\u3002evil.example/users",
    ],
)
def test_an_address_leads_to_the_vendor_only(url: str) -> None:
    """(S-10, M-25)"""
    part = block("", "Aha", request={"method": "GET", "url": url})

    assert [field for field, _message in errors(part)] == ["settings.request.url"]


def test_the_vendor_s_own_host_may_be_written_out() -> None:
    part = block(
        "", "Aha", request={"method": "GET", "url": "https://acme.aha.io/api/v1/users/{{ email }}"}
    )

    assert errors(part) == []


@pytest.mark.parametrize(
    "name",
    ["Authorization", "cookie", "Host", "Content-Length", "X-HTTP-Method-Override", "Bad Name", ""],
)
def test_headers_of_ours_are_refused(name: str) -> None:
    """(S-10)"""
    found = errors(block(request={"headers": {name: "x"}}))

    assert len(found) == 1
    assert found[0][0].startswith("settings.request.headers")


def test_a_header_holds_no_line_break() -> None:
    assert only(block(request={"headers": {"X-Note": "a\r\nHost: b"}}))[0].endswith("X-Note")


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"request": {"verb": "GET"}}, "settings.request.verb"),
        ({"request": {"method": "FETCH"}}, "settings.request.method"),
        ({"request": {"params": ["a"]}}, "settings.request.params"),
        ({"request": {"headers": "a"}}, "settings.request.headers"),
        ({"request": "GET"}, "settings.request"),
        ({"respons": {}}, "settings.respons"),
        ({"response": {"positve": []}}, "settings.response.positve"),
        ({"response": {"positive": {}}}, "settings.response.positive"),
        ({"response": {"positive": ["x"]}}, "settings.response.positive[0]"),
    ],
)
def test_settings_of_another_shape_are_refused(settings: dict[str, Any], field: str) -> None:
    found = errors(block(**settings))

    assert [one for one, _message in found] == [field]


def test_an_own_request_has_a_method_and_an_address() -> None:
    found = errors(block("", request={}))

    assert [field for field, _message in found] == [
        "settings.request.method",
        "settings.request.url",
    ]


# Response.


@pytest.mark.parametrize(
    "name", ["username", "email", "employee_id", "external_id", "role", "status", "roles"]
)
def test_who_somebody_is_cannot_be_a_target(name: str) -> None:
    """(M-24)"""
    rows = [{"from": "{{ response.x }}", "to": name}]

    field, message = only(block(response={"positive": rows}))

    assert field == "settings.response.positive[0].to"
    assert "never writes" in message


@pytest.mark.parametrize(
    ("row", "part", "words"),
    [
        ({"from": "{{ response.x }}", "to": "titel"}, "to", 'Did you mean "title"?'),
        ({"from": "{{ response.x }}", "to": "variables.a-b"}, "to", "cannot be the name"),
        ({"from": "{{ response.x }}", "to": ""}, "to", "Choose the field"),
        ({"from": "", "to": "title"}, "from", "Say which value"),
        ({"from": "{{ email }}", "to": "title"}, "from", "cannot name"),
        ({"from": "{{ failure.reason }}", "to": "title"}, "from", "for failure only"),
        ({"from": "{{ response.x }", "to": "title"}, "from", "character"),
    ],
)
def test_a_mapping_stores_what_was_answered(row: dict[str, str], part: str, words: str) -> None:
    """(C-18, C-19)"""
    field, message = only(block(response={"positive": [row]}))

    assert field == f"settings.response.positive[0].{part}"
    assert words in message


def test_a_whole_answer_wants_a_long_text_field() -> None:
    """(GT-14)"""
    rows = [{"from": "{{ response }}", "to": "title"}]

    found = mistakes(block(response={"positive": rows}))

    assert [(one.field, one.warning) for one in found] == [
        ("settings.response.positive[0].to", True)
    ]


def test_a_target_is_set_once() -> None:
    rows = [{"from": "{{ response.x }}", "to": "title"}, {"from": "x", "to": "title"}]

    assert "twice" in only(block(response={"positive": rows}))[1]


# What kind of call it is.


def kind_of(preset: str, **settings: Any) -> tuple[bool, bool, int]:
    kind = find_kind("api")
    assert kind is not None
    part = block(preset, **settings)
    assert kind.judges_again(part) is kind.changes_vendor(part)
    return kind.changes_vendor(part), kind.is_destructive(part), kind.batch(part)


def test_what_may_take_access_is_seen_by_the_guard_at_once() -> None:
    """(M-15, S-19)"""
    removal, change, reading = (True, True, 10_000), (True, False, 250), (False, False, 500)

    assert kind_of("betterworks.get_user_by_id") == reading
    assert kind_of("betterworks.update_user", inputs={"title": "x"}) == change
    assert kind_of("aha.deactivate_user") == removal
    assert kind_of("goto.unassign_license_by_email") == removal
    assert kind_of("aha.update_user_details", inputs={"first_name": "x"}) == change
    assert kind_of("aha.update_user_details", inputs={"enabled": "{{ title }}"}) == removal
    assert kind_of("", request={"method": "GET", "url": "x"}) == reading
    assert kind_of("", request={"method": "PATCH", "url": "x"}) == removal
    assert kind_of("betterworks.update_user", request={"url": "users/5/"}) == removal
    assert kind_of("betterworks.get_user_by_id", request={"method": "DELETE"}) == removal


@pytest.mark.parametrize(
    ("body", "takes"),
    [
        ({"shirt_size": "M"}, False),
        ({"is_active": True}, False),
        ({"is_active": False}, True),
        ({"is_active": "{{ title }}"}, True),
        ({"is_active": 0}, True),
        ({"user": [{"is_active": False}]}, True),
        ({"is_active": None}, False),
    ],
)
def test_a_body_that_takes_an_account_away_counts_as_that(
    body: dict[str, Any], *, takes: bool
) -> None:
    """(M-15)"""
    assert kind_of("betterworks.update_user", request={"body": body})[1] is takes


def test_variables_that_it_sets_are_known_to_later_blocks() -> None:
    kind = find_kind("api")
    assert kind is not None
    response = {
        "positive": [{"from": "{{ response.id }}", "to": "variables.new_id"}],
        "negative": [{"from": "x", "to": "variables.why"}, {"from": "x", "to": "title"}],
    }

    assert kind.defines(block(response=response)) == {"new_id", "why"}


# Whatever is typed, there is a sentence about it and no error of ours.

_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["{{ email }}", "{{ x", "{{ response.a }}", "https://a.b/c", "title", "GET"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["from", "to", "title", "enabled", "", "{{ x }}"]), inner)
    ),
    max_leaves=6,
)
_SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "inputs": st.dictionaries(
            st.sampled_from(["first_name", "title", "admin_roles", "subdomain", "enabled"]), _VALUES
        )
        | _VALUES,
        "request": st.fixed_dictionaries(
            {},
            optional=dict.fromkeys(["method", "url", "params", "headers", "body"], _VALUES),
        )
        | _VALUES,
        "response": st.fixed_dictionaries(
            {}, optional=dict.fromkeys(["positive", "negative"], _VALUES)
        )
        | _VALUES,
    },
)
_PRESETS = ["", "betterworks.create_user", "goto.add_users", "aha.update_user_details"]


@given(typed=_SETTINGS, preset=st.sampled_from(_PRESETS), name=st.sampled_from(["BW", "Aha", ""]))
def test_no_settings_break_validate(typed: dict[str, Any], preset: str, name: str) -> None:
    kind = find_kind("api")
    assert kind is not None
    part = BlockPart("call", "api", "Call", preset, name, typed)

    found = mistakes(part)

    assert all(one.message and one.field and one.block == "call" for one in found)
    assert kind.batch(part) > 0
    assert isinstance(kind.is_destructive(part), bool)
    assert isinstance(kind.defines(part), frozenset)
