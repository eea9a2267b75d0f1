"""An API block between the others: validated with real facts, run by the engine, told in rows."""

from __future__ import annotations

import pytest
from django.utils import timezone

from tests.integrations.presets.desk import Desk
from tests.makers import make_custom_field
from tests.workflows.makers import make_item, make_run, make_workflow
from workflows.engine.advance import advance_one
from workflows.models import BlockRun, RunItem, Workflow
from workflows.validation import validate
from workflows.versions import read_definition


@pytest.fixture
def onboarding(betterworks: Desk) -> Workflow:
    """Make an account, keep its id, then read it by that id."""
    make_custom_field("API Response", type="long_text")
    common = {"kind": "api", "credentials": betterworks.credentials.name}
    return make_workflow(
        [
            {
                **common,
                "key": "make",
                "preset": "betterworks.create_user",
                "settings": {
                    "response": {
                        "positive": [
                            {"from": "{{ response.id }}", "to": betterworks.id_field},
                            {"from": "{{ response.id }}", "to": "variables.made"},
                        ]
                    }
                },
                "exits": {"success": "read", "failure": "end"},
            },
            {
                **common,
                "key": "read",
                "preset": "betterworks.get_user_by_id",
                "settings": {
                    "response": {"positive": [{"from": "{{ response }}", "to": "api_response"}]}
                },
                "exits": {"success": "again", "failure": "end"},
            },
            {
                **common,
                "key": "again",
                "settings": {
                    "request": {"method": "GET", "url": "users/{{ variables.made }}/"},
                },
                "exits": {"success": "end", "failure": "end"},
            },
        ]
    )


def test_a_whole_workflow_of_calls_is_valid_and_runs(
    betterworks: Desk, onboarding: Workflow
) -> None:
    """(BW-01, BW-03, C-17, C-18, C-24)"""
    people = [betterworks.person(email=f"p{number}@acme.example") for number in range(5)]
    run = make_run(onboarding)
    for person in people:
        make_item(run, person)
    version = onboarding.active_version
    assert version is not None

    mistakes = validate(onboarding, read_definition(version))
    while advance_one(timezone.now()):
        pass

    assert [one for one in mistakes if not one.warning] == []
    assert set(run.items.values_list("state", "note")) == {(RunItem.State.DONE, "")}
    assert betterworks.effects() == ["user.create"] * 5
    for person in people:
        person.refresh_from_db()
        assert person.custom[betterworks.id_field]
        assert person.email in person.custom["api_response"]
    way = BlockRun.objects.filter(item__run=run).order_by("id")
    assert way.filter(exit="success", status__isnull=False).count() == 15
    urls = [one.request["url"] for one in way if one.request is not None]
    assert len([url for url in urls if url.startswith("http")]) == 15
    assert not any(secret in repr(list(way.values())) for secret in betterworks.secrets)
