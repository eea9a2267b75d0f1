"""Mistakes in what a person wrote: told on the field that they belong to, before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from integrations import services
from integrations.errors import NotReady, Problem
from integrations.models import Credentials, FieldMapping, GlobalVariable, Integration, SyncRun
from tests.integrations.bad_input.world import World, mend


def queue(world: World) -> SyncRun:
    integration = Integration.objects.get(pk=world.integration.pk)
    return services.queue_run(integration, by="admin")


def problems_of(world: World) -> list[Problem]:
    """What a run is refused for; nothing was sent to the vendor."""
    with pytest.raises(NotReady) as refused:
        queue(world)
    assert world.requests() == []
    assert not SyncRun.objects.exists()
    return list(refused.value.problems)


def set_inputs(world: World, **inputs: str) -> None:
    Integration.objects.filter(pk=world.integration.pk).update(inputs=inputs)


@pytest.mark.parametrize(
    "typed",
    [
        "acme",
        " ACME ",
        "https://acme.{domain}/",
        "acme.{domain}",
        "http://acme.{domain}/home?x=1#a",
    ],
)
def test_a_pasted_address_is_as_good_as_the_sub_domain(world: World, typed: str) -> None:
    """AH-11: a full URL as sub-domain works when it is the vendor's."""
    mend(world)
    domain = {"bamboohr": "bamboohr.com", "aha": "aha.io"}[world.vendor]
    set_inputs(world, subdomain=typed.format(domain=domain))

    run = world.sync()

    assert run.state == "done"


@pytest.mark.parametrize(
    "typed",
    [
        "https://acme.example.com/",
        "https://evil.example/?acme.bamboohr.com",
        "acme.bamboohr.com.evil.example",
        "https://bamboohr.com/",
        "https://user:password@acme.bamboohr.com/",
        "127.0.0.1",
        "acme\r\nHost: evil.example",
        "{{ variables.Nobody }}",
        "a" * 64,
        "акме",
    ],
)
def test_what_can_be_no_sub_domain_is_refused_on_its_input(bamboohr: World, typed: str) -> None:
    """S-11: told at the input, before a request is made."""
    set_inputs(bamboohr, subdomain=typed)

    problems = problems_of(bamboohr)

    assert [one.field for one in problems] == ["inputs.subdomain"]
    assert "Subdomain" in problems[0].message
    assert len(problems[0].message) < 400


def test_a_variable_that_was_emptied_is_told_on_the_input(bamboohr: World) -> None:
    set_inputs(bamboohr, subdomain="{{ variables.BambooHR.Subdomain }}")
    GlobalVariable.objects.create(key="BambooHR.Subdomain", value="https://")

    problems = problems_of(bamboohr)

    assert [one.field for one in problems] == ["inputs.subdomain"]


def test_another_companys_sub_domain_fails_the_run_before_it_asks(world: World) -> None:
    """M-1: an integration is bound to its account; nothing counts as absent."""
    mend(world)
    world.sync()
    asked = len(world.requests())
    set_inputs(world, subdomain="another")

    run = world.sync()

    assert run.state == "failed"
    assert 'was launched for the account "acme"' in run.error_message
    assert 'now name "another"' in run.error_message
    assert len(world.requests()) == asked


def test_an_unmapped_required_field_is_told_by_its_name(world: World) -> None:
    FieldMapping.objects.filter(integration=world.integration, target="email").delete()
    FieldMapping.objects.filter(integration=world.integration, target="username").update(sync_key=1)

    problems = problems_of(world)

    assert [one.field for one in problems] == ["mappings"]
    assert problems[0].message == "Map a field to E-mail: it must be known for everybody."


def test_an_unknown_transform_is_told_with_its_mapping_and_what_was_meant(world: World) -> None:
    FieldMapping.objects.filter(integration=world.integration, target="email").update(
        transform="lowr"
    )

    problems = problems_of(world)

    assert [one.field for one in problems] == ["mappings"]
    assert problems[0].message.startswith("E-mail: ")
    assert 'There is no transform "lowr". Did you mean "lower"?' in problems[0].message


@pytest.mark.parametrize("source", ["first name", "a..b", "a[x]", "{{ name }}", "a['b"])
def test_a_source_that_is_no_path_is_told_with_its_mapping(world: World, source: str) -> None:
    FieldMapping.objects.filter(integration=world.integration, target="email").update(source=source)

    problems = problems_of(world)

    assert [one.field for one in problems] == ["mappings"]
    assert problems[0].message.startswith("E-mail: ")
    assert source in problems[0].message


def test_a_target_that_is_gone_and_a_sync_key_that_is_gone_are_told(world: World) -> None:
    FieldMapping.objects.filter(integration=world.integration, target="email").update(
        target="e_mail", sync_key=None
    )
    FieldMapping.objects.filter(integration=world.integration).update(sync_key=None)

    messages = [one.message for one in problems_of(world)]

    assert 'There is no people field "e_mail"; make it first.' in messages
    assert any("Mark one mapping as sync key" in one for one in messages)
    assert any(one.startswith("Map a field to E-mail") for one in messages)


@pytest.mark.parametrize(
    "filters",
    [
        {"all": [{"field": "hair_colour", "operator": "equals", "value": "red"}]},
        {"all": [{"field": "status", "operator": "is_like", "value": "x"}]},
        {"every": []},
        [1],
    ],
)
def test_filters_that_make_no_sense_end_the_run_before_it_asks(world: World, filters: Any) -> None:
    Integration.objects.filter(pk=world.integration.pk).update(filters=filters)

    run = world.sync()

    assert run.state == "failed"
    assert run.error_code == "not_ready"
    assert len(run.error_message) > 20
    assert world.requests() == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"base_url": "https://evil.example/api"}, "egress_refused"),
        ({"base_url": "http://169.254.169.254/latest"}, "egress_refused"),
        ({"base_url": "file:///etc/passwd"}, "egress_refused"),
        ({"base_url": "http://[::ffff:127.0.0.1]:80/"}, "egress_refused"),
        ({"overrides": {"auth.api_key.prefix": "x"}}, "not_ready"),
        ({"overrides": {"rate.per_second": "fast"}}, "not_ready"),
    ],
)
def test_a_base_url_or_an_override_that_is_not_allowed_sends_nothing(
    world: World, change: dict[str, Any], said: str
) -> None:
    """S-11: whatever was written past the form is checked again by the run."""
    Credentials.objects.filter(pk=world.credentials.pk).update(**change)

    run = world.sync()

    assert (run.state, run.error_code) == ("failed", said)
    assert len(run.error_message) > 20
    assert world.requests() == []


def test_credentials_without_a_secret_are_told_at_the_credentials(world: World) -> None:
    Credentials.objects.filter(pk=world.credentials.pk).update(hints={}, sealed="")

    problems = problems_of(world)

    assert [one.field for one in problems] == ["credentials"]
    assert "hold no secret yet" in problems[0].message


def test_a_key_that_no_header_can_hold_is_refused_without_being_shown(world: World) -> None:
    """S-05, S-10: a line break in a pasted key would begin a header of its own."""
    from integrations.secrets import seal

    credentials = Credentials.objects.get(pk=world.credentials.pk)
    seal(credentials, {"value": "canary\r\nX-Evil: 1"}, by="admin")
    credentials.save()

    run = world.sync()

    assert (run.state, run.error_code) == ("failed", "credentials_invalid")
    assert "paste it again" in run.error_message
    assert "canary" not in run.error_message
    assert world.requests() == []
