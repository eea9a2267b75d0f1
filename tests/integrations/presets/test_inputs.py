"""Inputs of presets: lengths, choices, switches with three positions, zones, lists."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.errors import PresetRefused
from integrations.manifest_presets import Preset
from integrations.presets.inputs import check_inputs, warnings_about
from integrations.registry import get_preset, vendors

GIVEN = {"email": "ann@example.com", "first_name": "Ann", "last_name": "Lee"}
ROLES_IN_WORDS = (
    "SUPER_USER MANAGE_USERS MANAGE_SEATS MANAGE_SETTINGS MANAGE_GROUPS RUN_REPORTS "
    "MANAGE_DEVICE_GROUPS MANAGE_SETTINGS_PROFILES MANAGE_ACCOUNT MANAGE_EMERGENCY_SERVICES "
    "VIEW_INVOICES VIEW_AND_PAY_INVOICES VIEW_CALL_RECORDINGS"
)
ROLES = ROLES_IN_WORDS.split()
LOCALES_IN_WORDS = "it_IT en_GB ko_KR en_US es_ES zh_CN pt_BR fr_FR ja_JP de_DE"
LOCALES = LOCALES_IN_WORDS.split()


def preset(preset_id: str) -> Preset:
    return get_preset(preset_id)[1]


def problems(preset_id: str, given: dict[str, Any], **values: Any) -> dict[str, str]:
    """{input: why} of what is refused; nothing when all of it is taken."""
    try:
        check_inputs(preset(preset_id), given, values)
    except PresetRefused as refused:
        return {one.field.removeprefix("inputs."): one.message for one in refused.problems}
    return {}


@pytest.mark.parametrize("sign", ["a", "é", "名", "𝒜"])
@pytest.mark.parametrize(
    ("name", "most"),
    [("email", 128), ("first_name", 60), ("last_name", 60), ("email_subject", 150),
     ("email_text", 20000)],
)  # fmt: skip
def test_one_character_more_than_the_limit_is_refused(name: str, most: int, sign: str):
    """GT-23, GT-24: characters are counted, not bytes."""
    assert problems("goto.add_users", {**GIVEN, name: sign * most}) == {}

    refused = problems("goto.add_users", {**GIVEN, name: sign * (most + 1)})

    assert list(refused) == [name]
    assert f"{most + 1} characters, at most {most}" in refused[name]


@pytest.mark.parametrize("name", ["email", "first_name", "last_name"])
def test_an_input_that_must_be_there_may_not_be_blank(name: str):
    """GT-11, GT-23."""
    refused = problems("goto.add_users", {**GIVEN, name: "  "})

    assert list(refused) == [name]
    assert "is needed" in refused[name]


def test_every_problem_is_told_at_once():
    given = {"email": "a" * 129, "admin_roles": "OWNER", "suppress_email": "maybe", "colour": "red"}

    refused = problems("goto.add_users", given)

    assert set(refused) == {
        "email", "first_name", "last_name", "admin_roles", "suppress_email", "colour",
    }  # fmt: skip
    assert "has no input" in refused["colour"]


def test_exactly_thirteen_admin_roles_are_taken():
    """GT-23h, GT-25."""
    assert preset("goto.add_users").inputs["admin_roles"].choices == tuple(ROLES)
    taken = check_inputs(preset("goto.add_users"), {**GIVEN, "admin_roles": ",".join(ROLES)}, {})

    assert taken["admin_roles"] == ROLES
    for wrong in ("super_user", "SUPER USER", "ADMIN", "SUPER_USER;RUN_REPORTS"):
        refused = problems("goto.add_users", {**GIVEN, "admin_roles": ["RUN_REPORTS", wrong]})
        assert list(refused) == ["admin_roles"]
    assert (
        'Did you mean "SUPER_USER"?'
        in problems("goto.add_users", {**GIVEN, "admin_roles": "super_user"})["admin_roles"]
    )


def test_exactly_ten_locales_are_taken():
    """GT-26."""
    assert set(preset("goto.update_user").inputs["locale"].choices) == set(LOCALES)
    for locale in LOCALES:
        assert problems("goto.update_user", {"locale": locale}) == {}
    for wrong in ("en-GB", "en", "xx_XX"):
        assert list(problems("goto.update_user", {"locale": wrong})) == ["locale"]


@pytest.mark.parametrize("zone", ["Europe/London", "UTC", "America/Argentina/Buenos_Aires"])
def test_time_zones_are_those_of_iana(zone: str):
    """GT-28."""
    assert problems("goto.update_user", {"time_zone": zone}) == {}


@pytest.mark.parametrize(
    "zone", ["Europe/Londno", "europe/london", "+01:00", "../etc/passwd", "/etc/localtime"]
)
def test_what_is_no_time_zone_is_refused(zone: str):
    """GT-28."""
    assert list(problems("goto.update_user", {"time_zone": zone})) == ["time_zone"]


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("true", True), ("TRUE", True), ("yes", True), (True, True), ("false", False),
        ("no", False), (False, False), ("", None), ("unset", None), ("unchanged", None),
        (None, None),
    ],
)  # fmt: skip
def test_a_switch_has_three_positions(given: Any, taken: Any):
    """GT-27, AH-41: left alone is not false."""
    checked = check_inputs(preset("aha.update_user_details"), {"enabled": given}, {})

    assert checked["enabled"] is taken
    assert checked["administrator"] is None


@pytest.mark.parametrize("given", ["2", "nope", "truee", "0.5"])
def test_another_word_is_no_position_of_a_switch(given: str):
    assert list(problems("aha.update_user_details", {"enabled": given})) == ["enabled"]


@pytest.mark.parametrize(
    "given",
    ["7902142105473202120,1", ["7902142105473202120", "1"], [7902142105473202120, 1],
     " 7902142105473202120 , 1 ,1,"],
)  # fmt: skip
def test_a_list_is_given_with_commas_or_repeated(given: Any):
    """GT-23d: licences are numbers of up to any length."""
    checked = check_inputs(preset("goto.add_users"), {**GIVEN, "license_keys": given}, {})

    assert checked["license_keys"] == [7902142105473202120, 1]


def test_numbers_of_any_length_keep_every_digit():
    long = "9" * 40

    checked = check_inputs(preset("goto.add_users"), {**GIVEN, "license_keys": long}, {})

    assert checked["license_keys"] == [int(long)]
    for wrong in ("1.5", "1e3", "0x10", "abc", "٣"):
        assert list(problems("goto.add_users", {**GIVEN, "license_keys": wrong}))


def test_a_default_is_a_template_and_a_given_value_never_is():
    """S-12."""
    values = {"email": "ann@example.com", "first_name": "{{ email }}", "last_name": "Lee"}

    checked = check_inputs(preset("goto.add_users"), {"last_name": "{{ email }}"}, values)

    assert checked["email"] == "ann@example.com"
    assert checked["first_name"] == "{{ email }}"
    assert checked["last_name"] == "{{ email }}"


def test_what_is_given_blank_takes_no_default():
    values = {"email": "ann@example.com", "first_name": "Ann", "last_name": "Lee"}

    assert list(problems("goto.add_users", {"first_name": ""}, **values)) == ["first_name"]


def test_several_values_for_one_text_are_refused():
    assert list(problems("aha.update_user_details", {"first_name": ["A", "B"]})) == ["first_name"]


@pytest.mark.parametrize("sign", ["\n", "\r", "\x00", "\x1b", "\x7f", "\ud800"])
def test_signs_that_no_field_takes_are_refused(sign: str):
    """S-12."""
    assert list(problems("aha.update_user_details", {"first_name": f"A{sign}B"})) == ["first_name"]


def test_long_text_may_have_lines():
    given = {**GIVEN, "email_text": "Hello\nAnn,\r\n\twelcome"}

    assert check_inputs(preset("goto.add_users"), given, {})["email_text"] == given["email_text"]


def test_false_for_enabled_or_administrator_is_worth_a_warning():
    """AH-42: and the help says what a default of false would do (AH-41)."""
    update = preset("aha.update_user_details")

    warnings = warnings_about(update, {"enabled": False, "administrator": False})

    assert [one.split(".")[0] for one in warnings] == [
        "Enabled is set to false",
        "Administrator is set to false",
    ]
    assert "would disable the user" in warnings[0]
    assert warnings_about(update, {"enabled": True, "administrator": None}) == []


def test_no_input_of_any_preset_has_a_default_that_takes_something_away():
    """AH-41, F-36."""
    for vendor in vendors().values():
        for one in vendor.presets.values():
            for given in one.inputs.values():
                assert given.warns is None or given.default is None
