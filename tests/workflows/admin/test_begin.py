"""Adding a workflow, its page with Begin and the table of blocks, and the list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.integrations.admin.pages import messages_of, read_form, save, text_of
from tests.makers import make_application, make_custom_field, make_saas_user
from tests.workflows.makers import make_run, make_workflow
from workflows.definition import Definition
from workflows.editing import latest_version, save_definition
from workflows.keeping import MOST_BLOCKS
from workflows.models import Workflow
from workflows.versions import read_definition

pytestmark = pytest.mark.django_db

LIST = "/admin/workflows/workflow/"
FORM = "workflow_form"
DAILY = {"every": "day", "at": "06:00", "timezone": "Europe/London"}


def block(key: str, **more: Any) -> dict[str, Any]:
    return {
        "key": key,
        "kind": "notification",
        "settings": {"recipients": ["it@example.com"], "subject": "Hi", "message": "Hello"},
        "exits": {"success": "end", "failure": "end"},
        **more,
    }


def page_of(workflow: Workflow) -> str:
    return f"{LIST}{workflow.pk}/change/"


def saved(workflow: Workflow) -> Definition:
    return read_definition(latest_version(workflow))


# Adding -----------------------------------------------------------------------------------------


def test_a_workflow_on_people_is_added_by_choosing_people(editor_page: Client):
    """BW-10, BW-40, GT-06: object first, then name and description."""
    shown = text_of(editor_page.get(f"{LIST}add/"))

    answer = editor_page.post(
        f"{LIST}add/?object=person", {"name": "Onboarding", "description": "For newcomers"}
    )

    made = Workflow.objects.get()
    listed = text_of(editor_page.get(LIST))
    assert "People" in shown
    assert answer["Location"] == page_of(made)
    assert (made.object, made.application, made.state) == ("person", None, "draft")
    assert "Onboarding" in listed
    assert "For newcomers" in listed


def test_a_workflow_on_saas_users_names_its_application(editor_page: Client):
    """BW-39, GT-32, C-23: without SaaS users it says what has to run first."""
    application = make_application("GoTo")
    empty = text_of(editor_page.get(f"{LIST}add/"))
    make_saas_user(application)
    full = text_of(editor_page.get(f"{LIST}add/"))

    editor_page.post(
        f"{LIST}add/?object=saas_user&application={application.pk}", {"name": "GoTo roles"}
    )

    assert "GoTo has no SaaS users yet" in empty
    assert "User plus SaaS User" in empty
    assert "has no SaaS users yet" not in full
    assert Workflow.objects.get().application == application


def test_without_any_application_the_page_says_what_has_to_run_first(editor_page: Client):
    """C-23."""
    shown = text_of(editor_page.get(f"{LIST}add/"))

    assert "there is no application yet" in shown
    assert "User plus SaaS User" in shown


def test_a_name_that_is_taken_is_told_at_the_name(editor_page: Client):
    make_workflow(name="Onboarding")

    answer = editor_page.post(f"{LIST}add/?object=person", {"name": "Onboarding"})

    assert "already" in answer.context["form"].errors["name"][0]


@pytest.mark.parametrize(
    "query", ["object=saas_user", "object=saas_user&application=99", "object=x"]
)
def test_an_address_of_nothing_leads_to_the_choice(editor_page: Client, query: str):
    answer = editor_page.post(f"{LIST}add/?{query}", {"name": "Onboarding"})

    assert "Choose what the workflow is about" in text_of(answer)
    assert not Workflow.objects.exists()


# Begin ------------------------------------------------------------------------------------------


def test_begin_is_saved_as_it_was_typed(editor_page: Client):
    """C-13..C-15, BW-18..BW-21, GT-08."""
    workflow = make_workflow([block("tell")], active=False)
    changed = {
        "actions": ["new", "edit", "archive", "schedule"],
        "schedule-kind": "day",
        "schedule-at": "07:30",
        "schedule-timezone": "Europe/London",
        "records": "all",
        "rules-0-field": "status",
        "rules-0-operator": "equals",
        "rules-0-value": "Active",
        "rules-1-field": "email",
        "rules-1-operator": "equals",
        "rules-1-value": "helen.troy@oomnitza.com",
        "also": ["import"],
    }

    answer = save(editor_page, page_of(workflow), FORM, **changed)

    begin = saved(workflow).begin
    assert messages_of(editor_page, answer) == ["Saved. Nothing runs before it is activated."]
    assert begin.actions == ("new", "edit", "archive", "schedule")
    assert begin.schedule == {"every": "day", "at": "07:30", "timezone": "Europe/London"}
    assert (begin.records, begin.also) == ("all", ("import",))
    assert begin.rules == {
        "all": [
            {"field": "status", "operator": "equals", "value": "Active"},
            {"field": "email", "operator": "equals", "value": "helen.troy@oomnitza.com"},
        ]
    }


def test_a_rule_can_ask_whether_a_field_was_changed(editor_page: Client):
    workflow = make_workflow([block("tell")], active=False)
    changed = {"rules-0-field": "title", "rules-0-operator": "changed", "rules-0-value": ""}

    save(editor_page, page_of(workflow), FORM, **changed)

    assert saved(workflow).begin.rules == {"all": [{"field": "title", "operator": "changed"}]}


def test_a_page_that_is_saved_unchanged_changes_nothing(editor_page: Client):
    begin = {
        "actions": ["new", "schedule"],
        "schedule": DAILY,
        "rules": {"any": [{"field": "title", "operator": "changed_to", "value": "Head"}]},
        "also": ["undo"],
        "next": "two",
    }
    workflow = make_workflow([block("one"), block("two")], begin=begin)
    before = saved(workflow)

    answer = save(editor_page, page_of(workflow), FORM)

    assert messages_of(editor_page, answer) == ["Nothing was changed, so nothing was saved."]
    assert saved(workflow) == before
    assert workflow.versions.count() == 1


def test_rules_that_are_nested_are_edited_as_text(editor_page: Client):
    rules = {"all": [{"any": [{"field": "title", "operator": "is_empty"}]}]}
    workflow = make_workflow([block("tell")], begin={"rules": rules})

    form = read_form(editor_page.get(page_of(workflow)), FORM)
    save(editor_page, page_of(workflow), FORM, records="all")

    assert '"any"' in form["rules-text"]
    assert saved(workflow).begin.rules == rules


def test_mistakes_stand_where_they_are_and_what_was_typed_stays(editor_page: Client):
    workflow = make_workflow([block("tell")], active=False)
    changed = {
        "name": "",
        "schedule-kind": "cron",
        "schedule-cron": "every day",
        "rules-0-field": "email",
        "rules-0-operator": "less",
        "rules-0-value": "x",
        "description": "still here",
    }

    answer = save(editor_page, page_of(workflow), FORM, **changed)

    assert set(answer.context["form"].errors) == {"name", "schedule", "rules"}
    assert "Nothing was saved yet" in text_of(answer)
    assert read_form(answer, FORM)["description"].strip() == "still here"
    assert latest_version(workflow).number == 1


def test_a_save_in_between_is_told_and_nothing_is_overwritten(editor_page: Client):
    workflow = make_workflow([block("tell")])
    typed = read_form(editor_page.get(page_of(workflow)), FORM)
    other = Definition.from_data({"begin": {"actions": ["new"]}, "blocks": [block("tell")]})
    save_definition(workflow, other, by=None, by_name="bob")

    answer = editor_page.post(page_of(workflow), {**typed, "records": "all", "name": "Mine"})

    workflow.refresh_from_db()
    assert "bob saved version 2" in text_of(answer)
    assert saved(workflow) == other
    assert workflow.name != "Mine"


def test_an_active_workflow_says_which_version_runs_and_which_is_saved(admin_page: Client):
    workflow = make_workflow([block("tell")], name="Onboarding")

    answer = save(admin_page, page_of(workflow), FORM, records="all")
    told = messages_of(admin_page, answer)
    shown = text_of(admin_page.get(page_of(workflow)))

    expected = "Version 2 is saved; version 1 runs until you activate version 2."
    assert told[0].startswith("Version 2 is saved; version 1 stays the one that runs")
    assert expected in shown
    assert "version 1; version 2 is saved" in text_of(admin_page.get(LIST))
    assert "Saved version 2: Begin." in LogEntry.objects.get().change_message


def test_no_field_that_is_hidden_from_an_editor_is_offered(editor_page: Client, admin_page: Client):
    """M-36."""
    make_custom_field("Salary", visible_to_hr=False)
    workflow = make_workflow([block("tell")])

    assert "Salary" not in text_of(editor_page.get(page_of(workflow)))
    assert "Salary" in text_of(admin_page.get(page_of(workflow)))


# The table of blocks ----------------------------------------------------------------------------


def test_exits_are_connected_by_choosing_where_they_lead(editor_page: Client):
    """C-12, BW-17, GT-16: each exit of each block."""
    blocks = [block("one", exits={}), block("two")]
    workflow = make_workflow(blocks, active=False)

    changed = {"exit__one__success": "two", "exit__one__failure": "end", "next": "two"}
    save(editor_page, page_of(workflow), FORM, **changed)

    first = saved(workflow).find("one")
    assert first is not None
    assert first.exits == {"success": "two", "failure": "end"}
    assert saved(workflow).begin.next == "two"


def test_an_exit_that_leads_to_no_block_is_shown_as_that(editor_page: Client):
    workflow = make_workflow([block("one", exits={"success": "gone"})], active=False)

    shown = text_of(editor_page.get(page_of(workflow)))
    save(editor_page, page_of(workflow), FORM)

    first = saved(workflow).find("one")
    assert "gone (does not exist)" in shown
    assert first is not None
    assert first.exits == {"success": "gone"}


@pytest.mark.parametrize(
    ("button", "order"),
    [
        ("up:two", ["two", "one", "three"]),
        ("down:two", ["one", "three", "two"]),
        ("up:one", ["one", "two", "three"]),
        ("down:nothing", ["one", "two", "three"]),
    ],
)
def test_buttons_move_blocks_and_save_what_was_typed(
    editor_page: Client, button: str, order: list[str]
):
    workflow = make_workflow([block("one"), block("two"), block("three")], active=False)

    save(editor_page, page_of(workflow), FORM, do=button, records="all")

    assert [one.key for one in saved(workflow).blocks] == order
    assert saved(workflow).begin.records == "all"


def test_a_button_for_each_kind_saves_and_goes_on(editor_page: Client):
    """BW-11, BW-42."""
    workflow = make_workflow([], active=False)
    shown = text_of(editor_page.get(page_of(workflow)))

    answer = save(editor_page, page_of(workflow), FORM, do="add:api", records="all")

    assert "No block yet" in shown
    assert answer["Location"] == f"{LIST}{workflow.pk}/blocks/add/api/"
    assert saved(workflow).begin.records == "all"


def test_only_kinds_that_fit_are_offered(editor_page: Client):
    people = make_workflow([], active=False)
    accounts = make_workflow([], active=False, application=make_application())

    assert "SaaS User Role" not in text_of(editor_page.get(page_of(people)))
    assert "SaaS User Role" in text_of(editor_page.get(page_of(accounts)))


def test_removing_a_block_asks_first_and_says_what_led_to_it(editor_page: Client):
    first = block("one", name="First", exits={"success": "two", "failure": "end"})
    workflow = make_workflow([first, block("two", name="Second")])

    asked = save(editor_page, page_of(workflow), FORM, do="remove:two")
    told = messages_of(editor_page, asked)
    shown = text_of(editor_page.get(asked["Location"]))
    kept = len(saved(workflow).blocks)
    save(editor_page, asked["Location"], "remove-form")

    left = saved(workflow)
    assert told == []
    assert "First leads to it" in shown
    assert kept == 2
    assert [one.exits for one in left.blocks] == [{"failure": "end"}]


def test_removing_a_block_discards_nothing_that_was_saved_in_between(
    editor_page: Client, workflow_editor: User
):
    workflow = make_workflow([block("one"), block("two")])
    page = f"{LIST}{workflow.pk}/remove-block/?key=two"
    asked = read_form(editor_page.get(page), "remove-form")
    theirs = Definition.from_data({"blocks": [block("one", name="Mended"), block("two")]})
    save_definition(workflow, theirs, by=workflow_editor, by_name="ben")

    told = messages_of(editor_page, editor_page.post(page, asked))

    assert told[0].startswith("ben saved version 2 of this workflow while you worked on version 1.")
    assert [one.label for one in saved(workflow).blocks] == ["Mended", "two"]


@pytest.mark.parametrize("key", ["a\r\nb", "ключ", "a&key=b", ""])
def test_a_key_that_no_block_can_have_is_asked_about_and_not_found(editor_page: Client, key: str):
    workflow = make_workflow([block("one")], active=False)

    answer = save(editor_page, page_of(workflow), FORM, do=f"remove:{key}")

    assert answer.status_code == 302
    assert editor_page.get(answer["Location"]).status_code == 404


def test_a_draft_of_as_many_blocks_as_are_kept_can_be_mended_on_its_page(editor_page: Client):
    """What its form sends is put together here, for reading such a page takes long."""
    workflow = make_workflow([], active=False)
    form = read_form(editor_page.get(page_of(workflow)), FORM)
    keys = [f"b{number}" for number in range(MOST_BLOCKS)]
    data = {"blocks": [block(key) for key in keys]}
    version = save_definition(workflow, Definition.from_data(data), by=None, by_name="ann")
    exits = {f"exit__{key}__{name}": "end" for key in keys for name in ("success", "failure")}
    form |= {**exits, "base": version.number, "do": "remove:b7"}

    asked = editor_page.post(page_of(workflow), form)
    save(editor_page, asked["Location"], "remove-form")

    assert len(saved(workflow).blocks) == MOST_BLOCKS - 1
    assert saved(workflow).find("b7") is None


def test_removing_a_block_says_whether_a_version_keeps_it(editor_page: Client):
    """Also of a version that was saved since and is not activated."""
    ran = make_workflow([block("one")], name="Ran")
    save_definition(ran, Definition.from_data({"blocks": [block("two")]}), by=None, by_name="ann")
    draft = make_workflow([block("two")], name="Draft", active=False)

    shown = [
        text_of(editor_page.get(f"{LIST}{one.pk}/remove-block/?key=two")) for one in (ran, draft)
    ]

    assert "it can be restored from Versions" in shown[0]
    assert "what was set in it is gone then" in shown[1]


def test_a_kind_and_a_preset_that_are_gone_are_shown_as_that(editor_page: Client):
    blocks = [block("odd", kind="nonsense"), block("call", kind="api", preset="aha.gone")]
    workflow = make_workflow(blocks, active=False)

    shown = text_of(editor_page.get(page_of(workflow)))

    assert "nonsense (unknown)" in shown
    assert "aha.gone (does not exist)" in shown


# Who, and how often it asks ---------------------------------------------------------------------


def test_an_auditor_reads_the_page_and_saves_nothing(
    auditor: User, open_as: Callable[[User], Client]
):
    """M-36."""
    workflow = make_workflow([block("tell")])
    page = open_as(auditor)

    shown = page.get(page_of(workflow))
    answer = page.post(page_of(workflow), {"name": "Other", "base": "1"})

    assert "You may look, not change." in text_of(shown)
    assert "<fieldset disabled" in shown.content.decode()
    assert 'name="do"' not in shown.content.decode()
    assert answer.status_code == 403


def test_hr_sees_nothing_of_workflows(hr_viewer: User, open_as: Callable[[User], Client]):
    """M-36."""
    workflow = make_workflow([block("tell")], name="Onboarding")
    page = open_as(hr_viewer)

    pages = [LIST, page_of(workflow), f"{LIST}{workflow.pk}/versions/"]
    assert [page.get(url).status_code for url in pages] == [403, 403, 403]
    assert "Workflows" not in text_of(page.get("/admin/"))


def test_the_list_filters_searches_and_shows_runs(admin_page: Client):
    """C-04: state, last run, next run with its zone."""
    begin = {"actions": ["schedule"], "schedule": DAILY}
    active = make_workflow([block("tell")], begin=begin, name="Leavers")
    make_run(active, state="failed")
    make_workflow([], active=False, name="Newcomers")

    everything = text_of(admin_page.get(LIST))
    drafts = text_of(admin_page.get(LIST, {"state__exact": "draft"}))
    found = text_of(admin_page.get(LIST, {"q": "leav"}))

    assert "06:00 Europe/London" in everything
    assert "Failed" in everything
    assert "Newcomers" in drafts
    assert "Leavers" not in drafts
    assert "Leavers" in found
    assert "Newcomers" not in found


def test_an_empty_list_says_the_next_step(editor_page: Client):
    """C-04."""
    assert "Add the first workflow" in text_of(editor_page.get(LIST))


def queries_of(client: Client, url: str) -> int:
    """How many queries the page takes, when what is kept between requests is there already."""
    client.get(url)
    with CaptureQueriesContext(connection) as queries:
        assert client.get(url).status_code == 200
    return len(queries)


def test_thirty_workflows_ask_as_often_as_one(admin_page: Client):
    begin = {"actions": ["schedule"], "schedule": DAILY}
    make_run(make_workflow([block("tell")], begin=begin))
    one = queries_of(admin_page, LIST)
    for _ in range(30):
        make_run(make_workflow([block("tell")], begin=begin))

    assert queries_of(admin_page, LIST) == one <= 15


def test_forty_blocks_ask_as_often_as_one(admin_page: Client):
    blocks = [
        block(f"b{number}", kind="api", preset="aha.get_user_details") for number in range(40)
    ]

    one = queries_of(admin_page, page_of(make_workflow(blocks[:1])))

    assert queries_of(admin_page, page_of(make_workflow(blocks))) == one <= 20


def test_a_draft_is_deleted_and_a_workflow_that_ran_is_not(admin_page: Client):
    """S-20: what ran is archived, and kept."""
    draft = make_workflow([block("tell")], active=False)
    active = make_workflow([block("tell")])

    admin_page.post(f"{LIST}{draft.pk}/delete/", {"post": "yes"})
    refused = admin_page.post(f"{LIST}{active.pk}/delete/", {"post": "yes"})

    assert refused.status_code == 403
    assert list(Workflow.objects.all()) == [active]


def test_a_rule_whose_field_is_gone_is_named_and_stays_until_it_is_mended(editor_page: Client):
    """It stands in its row, with the reason; it is not lost by saving the page."""
    rules = {"all": [{"field": "shoe_size", "operator": "equals", "value": "43"}]}
    workflow = make_workflow([], begin={"rules": rules}, active=False)
    url = page_of(workflow)

    shown = editor_page.get(url)
    refused = editor_page.post(url, read_form(shown, FORM))

    assert "shoe_size (no longer there)" in text_of(shown)
    assert read_form(shown, FORM)["rules-0-field"] == "shoe_size"
    assert "shoe_size" in text_of(refused)
    assert saved(workflow).begin.rules == rules


def test_an_empty_list_says_whether_filters_hide_what_there_is(editor_page: Client):
    nothing = text_of(editor_page.get(LIST))
    make_workflow([], name="Onboarding", active=False)
    hidden = text_of(editor_page.get(LIST, {"q": "nobody has this name"}))

    assert "There are no workflows yet." in nothing
    assert "Reset filters" not in nothing
    assert "Nothing fits what is searched and filtered for." in hidden
    assert "Reset filters" in hidden
