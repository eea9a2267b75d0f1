"""A request without a preset, and a preset whose request was changed (M-25)."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.errors import IntegrationsError, PresetRefused
from integrations.manifest_presets import Preset
from integrations.models import Operation
from integrations.operations.batch import Asked, perform_many
from integrations.presets.account import account_of
from integrations.presets.call import PresetCall
from integrations.presets.many import Wanted, prepare_many
from integrations.presets.own import OWN_REQUEST, own_request_preset, with_request
from integrations.presets.records import person_targets
from integrations.registry import get_preset, get_vendor, preset_ids

from .desk import Desk


def update() -> Preset:
    return get_vendor("betterworks").preset("update_user")


def prepare_own(desk: Desk, preset: Preset, **person: Any) -> PresetCall | IntegrationsError:
    account = account_of(desk.credentials, desk.inputs)
    wanted = [Wanted(target, {}) for target in person_targets([desk.person(**person)])]
    preset_id = f"{desk.vendor}.{OWN_REQUEST}"
    with account.open() as client:
        return prepare_many(preset_id, preset, account, wanted, client=client, variables={})[0]


@pytest.mark.parametrize("method", ["GET", "HEAD", "get"])
def test_get_and_head_read(method: str) -> None:
    preset = own_request_preset(method, "Mine")

    assert (preset.reads, preset.change) == (True, None)
    assert preset.request is not None
    assert preset.request.method == method.upper()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_other_methods_count_as_the_worst_that_they_could_be(method: str) -> None:
    change = own_request_preset(method, "Mine").change

    assert change is not None
    assert (change.repeat, change.takes_access, change.destructive) == ("never", True, True)


def test_a_method_that_there_is_not_is_refused() -> None:
    with pytest.raises(PresetRefused) as refused:
        own_request_preset("TRACE", "Mine")

    assert refused.value.problems[0].field == "method"


def test_it_is_known_by_its_id_and_listed_nowhere() -> None:
    assert get_preset("aha.own_request")[1].change is not None
    assert not [one for one in preset_ids() if OWN_REQUEST in one]


def test_parts_are_merged_by_key_and_null_leaves_one_out() -> None:
    base = with_request(update(), {"body": {"a": 1, "b": 2}, "params": {"x": "1"}})

    changed = with_request(base, {"body": {"a": None, "c": 3}, "params": {"x": None, "y": "2"}})

    assert changed.request is not None
    assert changed.request.params == {"y": "2"}
    assert {"b": 2, "c": 3}.items() <= changed.request.body.items()
    assert "a" not in changed.request.body
    assert changed.key == "update_user"
    assert changed.change == update().change


def test_a_body_that_is_no_object_takes_the_place_of_the_whole() -> None:
    changed = with_request(update(), {"body": ["{{ email }}"]})

    assert changed.request is not None
    assert changed.request.body == ["{{ email }}"]


def test_for_graphql_the_body_means_its_variables() -> None:
    preset = get_vendor("monday").preset("get_user_details")

    changed = with_request(preset, {"body": {"ids": ["1"]}})

    assert changed.request is not None
    assert changed.request.variables["ids"] == ["1"]
    assert changed.request.query_text


@pytest.mark.parametrize("part", [{"method": "DELETE"}, {"url": "users/{{ email }}"}])
def test_another_method_or_address_makes_it_a_call_of_its_own(part: dict[str, str]) -> None:
    """S-19: a call that only reads cannot be turned into one that deletes and is not journalled."""
    reads = get_vendor("betterworks").preset("get_user_by_id")

    changed = with_request(update(), part)
    turned = with_request(reads, {"method": "DELETE"})

    for one in (changed, turned):
        assert one.key == OWN_REQUEST
        assert one.change is not None
        assert one.change.takes_access


@pytest.mark.parametrize(
    ("overrides", "field"),
    [
        ({"method": "CONNECT"}, "method"),
        ({"url": "users/{{ email"}, "url"),
        ({"headers": {"X-A": "{{ email"}}, "headers"),
        ({"params": ["a"]}, "params"),
        ({"colour": "red"}, "request"),
    ],
)
def test_what_cannot_be_sent_is_refused_on_its_field(overrides: dict[str, Any], field: str) -> None:
    with pytest.raises(PresetRefused) as refused:
        with_request(own_request_preset("POST", "Mine"), overrides)

    assert refused.value.problems[0].field == field


def test_parameters_behind_the_address_are_taken_apart() -> None:
    preset = with_request(own_request_preset("GET", "Mine"), {"url": "users/?a=1&b={{ email }}"})

    assert preset.request is not None
    assert preset.request.path == "users/"
    assert preset.request.params == {"a": "1", "b": "{{ email }}"}


@pytest.mark.parametrize(
    "url",
    ["https://evil.example/users", "http://169.254.169.254/x", "https://a@evil.example/"],
)
def test_an_address_elsewhere_is_refused_before_anything_is_sent(
    betterworks: Desk, url: str
) -> None:
    """S-10, S-11: the credentials go to the vendor's hosts and their own base URL only."""
    preset = with_request(own_request_preset("POST", "Mine"), {"url": url})

    found = prepare_own(betterworks, preset)

    assert isinstance(found, PresetRefused)
    assert found.problems[0].field == "url"
    assert betterworks.sent() == []


def test_a_whole_address_below_the_base_url_is_called(shared_betterworks: Desk) -> None:
    desk = shared_betterworks
    base = desk.credentials.base_url
    body = {"email": "{{ email }}", "first_name": "Ann", "last_name": "Lee"}
    path = get_vendor("betterworks").preset("create_user").request
    assert path is not None
    preset = with_request(
        own_request_preset("POST", "Mine"),
        {"url": f"{base}/{path.path.removeprefix('/')}", "body": body},
    )
    call = prepare_own(desk, preset, email="own@acme.example")
    assert isinstance(call, PresetCall)
    account = account_of(desk.credentials, desk.inputs)

    with account.open() as client:
        [row] = perform_many(
            [Asked(call, "item:1", guarded=True)], preset=preset, client=client, started_by="ann"
        )

    assert (row.state, row.preset) == (Operation.State.DONE, "betterworks.own_request")
    assert row.takes_access
    assert "own@acme.example" in row.effect
    assert desk.effects() == ["user.create"]


def test_two_bodies_posted_to_one_address_are_two_effects(betterworks: Desk) -> None:
    preset = with_request(
        own_request_preset("POST", "Mine"), {"url": "users/", "body": {"email": "{{ email }}"}}
    )

    first, second = (prepare_own(betterworks, preset) for _at in range(2))

    assert isinstance(first, PresetCall)
    assert isinstance(second, PresetCall)
    assert first.effect != second.effect
    assert first.target != second.target
