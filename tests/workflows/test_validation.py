"""Validate: everything that is wrong with a definition, said so that it can be mended."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from integrations.models import Credentials
from saas.models import Application
from tests.makers import (
    make_application,
    make_credentials,
    make_custom_field,
    make_saas_user,
    make_variable,
)
from workflows.definition import Definition
from workflows.errors import Mistake
from workflows.facts import Facts, read_facts
from workflows.kinds import kinds
from workflows.models import Workflow
from workflows.validation import check, in_words, validate

END = {"success": "end", "failure": "end"}
NOTIFY = {"recipients": ["it@example.com"], "subject": "About {{ email }}", "message": "It is so."}


def workflow_on(application: Application | None = None) -> Workflow:
    named = {"object": "saas_user" if application else "person", "application": application}
    return Workflow.objects.get_or_create(name="Offboarding", defaults=named)[0]


def define(*blocks: dict[str, Any], **begin: Any) -> Definition:
    return Definition.from_data({"begin": {"actions": ["manual"], **begin}, "blocks": [*blocks]})


def tell(**settings: Any) -> dict[str, Any]:
    return {
        "key": "tell",
        "kind": "notification",
        "name": "Tell IT",
        "settings": {**NOTIFY, **settings},
        "exits": END,
    }


def disable(**parts: Any) -> dict[str, Any]:
    return {
        "key": "disable",
        "kind": "api",
        "name": "Disable in Aha!",
        "preset": "aha.deactivate_user",
        "credentials": "Aha production",
        "exits": END,
        **parts,
    }


def found(definition: Definition, *, at: str, field: str) -> list[Mistake]:
    return [
        one for one in validate(workflow_on(), definition) if (one.block, one.field) == (at, field)
    ]


@pytest.fixture
def aha(db: None) -> Credentials:
    make_variable()
    make_custom_field("Aha User Id")
    return make_credentials("Aha production")


# Templates.


def test_a_missing_brace_is_refused_with_block_field_and_position(db: None):
    """(AH-50, C-10)"""
    definition = define(tell(message="Id: {{aha_user_id} is gone"))

    (one,) = found(definition, at="tell", field="settings.message")

    assert one.position == 18
    assert in_words(definition, one) == (
        'Block "Tell IT", message: {{ is closed by a single }, at character 18. '
        "Write two braces on both sides, as in {{ email }}."
    )


def test_an_unknown_field_is_refused_with_what_was_meant(db: None):
    """(C-10)"""
    (one,) = found(define(tell(subject="{{ emial }}")), at="tell", field="settings.subject")

    assert 'no field "emial". Did you mean "email"?' in one.message
    assert one.position == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ variables.nope }}", 'no variable "nope"'),
        ("{{ variables }}", "Say which variable"),
        ("{{ failure.reason }}", 'known only behind the exit "failure"'),
        ("{{ response.id }}", "Response tab"),
        ("{{ email.domain }}", "single value"),
        ("{{ person.emial }}", 'Did you mean "email"?'),
        ("{{ credentials.value }}", "Templates cannot name"),
        ("{{ application.nope }}", '"application" has no "nope"'),
        ("{{ email | lowr }}", 'no filter "lowr". Did you mean "lower"?'),
        ("{{ email", "not closed"),
    ],
)
def test_each_name_that_cannot_be_filled_in_says_what_to_do(text: str, said: str, db: None):
    (one,) = found(define(tell(message=text)), at="tell", field="settings.message")

    assert said in one.message


def test_a_template_of_a_megabyte_is_refused_at_once(db: None):
    (one,) = found(
        define(tell(message="{{ email }}" * 100_000)), at="tell", field="settings.message"
    )

    assert "100000 characters" in one.message


ATTACKS = [
    *("{{ email.__class__ }}", "{{ __import__ }}", "{{ email.__init__.__globals__ }}"),
    *("{{ self }}", "{{ config }}", "{{ settings.SECRET_KEY }}", "{{ request }}", "{{ 7*7 }}"),
    *("{{ ''.__class__ }}", "{{ email|attr('x') }}", "{{ email|safe }}", "{{ email|upper|x }}"),
    *(
        "{{ credentials }}",
        "{{ credentials.value }}",
        "{{ token }}",
        "{{ secret }}",
        "{{ api_key }}",
    ),
    *("{{ password }}", "{{ variables.__class__ }}", "{{ variables[0] }}", "{{ email[0] }}"),
    *("{{ email() }}", "{{ email.lower() }}", "{{ lower(email) }}", "{{ email + email }}"),
    *("{{ email if 1 else 2 }}", "{{ for x in y }}", "{{ {{ email }} }}", "{{ '{{ email }}' }}"),
    *("{{ email }", "{{ email", "{{email}}}{{", "{{}}", "{{ }}", "{{|lower}}", "{{ .email }}"),
    *("{{ email. }}", "{{ email[ }}", "{{ email['x }}", '{{ email["x" }}', "{{ email[-1] }}"),
    *("{{ email\x00 }}", "{{ em\u200bail }}", "{{ ｅmail }}", "{{ ЕМАIL }}", "{{ ../email }}"),
    *("{{ email; drop }}", "{{ email -- }}", "{{ $email }}", "{{ @email }}", "{{ #email }}"),
    *("{{ env.PATH }}", "{{ os.environ }}", "{{ globals }}", "{{ locals }}", "{{ people }}"),
    *("{{ failure }}", "{{ failure.reason }}", "{{ response }}", "{{ response_headers.x }}"),
    *("{{ person }}", "{{ person.__dict__ }}", "{{ application.__class__ }}", "{{ _email }}"),
    *("{{ email|default }}", "{{ email|default(x) }}", "{{ email|date }}", "{{ email|join(1) }}"),
    *(f"{{{{ email{'.x' * count} }}}}" for count in (1, 10, 63, 64, 65, 500)),
    *(f"{{{{ {'x' * count} }}}}" for count in (1, 60, 1_000, 50_000)),
    *(f"{'{' * count} email {'}' * count}" for count in (3, 4, 5, 100)),
    *(f"{{{{ email | {name} }}}}" for name in ("eval", "exec", "import", "map", "format", "xml")),
    *(f"{{{{ {name} }}}}" for name in ("items", "inputs.x", "looked_up.x", "account.x", "end")),
    *(f'{{{{ email["{name}"] }}}}' for name in ("__class__", "x", "0", "}}", "{{")),
    *(f"{{{{ variables.{name} }}}}" for name in ("x", "x.y", "_", "FERNET_KEYS", "Aha")),
    *(f"{{{{ {sign}email }}}}" for sign in "!%^&*-+=~`:,<>/?\\"),
]


@pytest.mark.parametrize("text", ATTACKS)
def test_what_is_no_name_of_ours_is_refused(text: str, facts: Facts):
    """(S-12)"""
    mistakes = check(define(tell(message=text)), facts)

    assert [one for one in mistakes if (one.block, one.field) == ("tell", "settings.message")]


def test_there_are_enough_attacks():
    assert len(set(ATTACKS)) >= 120


@pytest.mark.parametrize("text", ["}} a }}", "{ email }", "{% if %}", "${email}", "<%= 1 %>", "{"])
def test_what_only_looks_like_a_template_is_text(text: str, facts: Facts):
    """(S-12)"""
    assert check(define(tell(message=text)), facts) == []


@pytest.fixture
def facts(db: None) -> Facts:
    return read_facts(workflow_on())


# Begin.


@pytest.mark.parametrize(
    ("begin", "field", "said"),
    [
        ({"actions": []}, "actions", "never start"),
        ({"actions": ["edti"]}, "actions", 'Did you mean "edit"?'),
        ({"actions": ["schedule"]}, "schedule", "there is no schedule. Say when"),
        (
            {"schedule": {"every": "day", "at": "06:00"}},
            "schedule",
            '"schedule" is none of the actions',
        ),
        (
            {"actions": ["schedule"], "schedule": {"every": "day", "at": "6"}},
            "schedule.at",
            "time of the day",
        ),
        ({"records": "activ"}, "records", 'Did you mean "active"?'),
        ({"also": ["udno"]}, "also", 'Did you mean "undo"?'),
        ({"also": ["undo"]}, "also", "no event starts the workflow"),
        (
            {"rules": {"all": [{"field": "emial", "operator": "equals", "value": "x"}]}},
            "rules.all[0].field",
            'Did you mean "email"?',
        ),
        (
            {"rules": {"all": [{"field": "email", "operator": "equals"}]}},
            "rules.all[0].value",
            '"equals" needs a value;',
        ),
        (
            {"rules": {"all": [{"field": "hire_date", "operator": "before", "value": "x"}]}},
            "rules.all[0].value",
            "no date",
        ),
        (
            {"rules": {"all": [{"field": "title", "operator": "contains", "value": " "}]}},
            "rules.all[0].value",
            "blank",
        ),
        (
            {"rules": {"all": [{"field": "title", "operator": "changed"}]}},
            "rules.all[0].operator",
            "No event starts this one",
        ),
    ],
)
def test_each_mistake_in_begin_names_its_field(
    begin: dict[str, Any], field: str, said: str, facts: Facts
):
    mistakes = [one for one in check(define(tell(), **begin), facts) if one.field == field]

    assert mistakes
    assert mistakes[0].block == "begin"
    assert said in mistakes[0].message


def test_changes_of_a_persons_fields_are_not_told_by_an_account(db: None):
    application = make_application()
    make_saas_user(application)
    rules = {"all": [{"field": "title", "operator": "changed"}]}

    mistakes = validate(workflow_on(application), define(tell(), actions=["edit"], rules=rules))

    assert [one.field for one in mistakes] == ["rules.all[0].field"]


def test_an_application_without_users_says_what_to_run_first(db: None):
    """(C-23)"""
    mistakes = validate(workflow_on(make_application()), define(tell()))

    assert any("User plus SaaS User first" in one.message for one in mistakes)


@pytest.mark.parametrize("kind", ["begin", "condition"])
def test_rules_that_are_nested_without_end_are_refused(kind: str, facts: Facts):
    rules: Any = {"field": "email", "operator": "equals", "value": "x"}
    for _depth in range(3_000):
        rules = {"all": [rules]}
    block = {
        "key": "ask",
        "kind": "condition",
        "settings": {"rules": rules},
        "exits": {"yes": "end", "no": "end"},
    }

    mistakes = (
        check(define(tell(), rules=rules), facts)
        if kind == "begin"
        else check(define(block), facts)
    )

    assert any("nested at most 10 deep" in one.message for one in mistakes)


# Credentials and presets.


def test_a_workflow_with_what_it_needs_is_valid(aha: Credentials):
    """(BW-08)"""
    assert validate(workflow_on(), define(disable())) == []


def test_deleted_credentials_are_named(aha: Credentials):
    """(BW-07)"""
    aha.delete()

    (one,) = found(define(disable()), at="disable", field="credentials")

    assert '"Aha production"' in one.message


def test_a_preset_that_is_gone_is_named(aha: Credentials):
    (one,) = found(define(disable(preset="aha.deactivate_usr")), at="disable", field="preset")

    assert 'Did you mean "aha.deactivate_user"?' in one.message


def test_a_missing_input_is_named(db: None):
    """(GT-11)"""
    make_credentials("GoTo", vendor="goto")
    block = disable(preset="goto.unassign_license_by_email", credentials="GoTo")

    mistakes = validate(workflow_on(), define(block))

    assert "settings.inputs.license_key" in {one.field for one in mistakes}


def test_a_property_that_does_not_exist_here_is_warned_of(db: None):
    """(GT-13)"""
    make_variable()
    make_credentials("Aha production")

    mistakes = validate(workflow_on(), define(disable()))

    assert mistakes
    assert all(one.warning for one in mistakes)
    assert any("aha_user_id" in one.message for one in mistakes)


def test_secrets_that_only_commands_read_go_with_starts_by_hand_only(db: None):
    """(M-35)"""
    make_variable()
    make_custom_field("Aha User Id")
    references = {"value": {"env": "AHA_KEY"}}
    make_credentials("Aha production", secret="", stored="reference", references=references)

    by_command = found(define(disable()), at="disable", field="credentials")
    by_event = found(define(disable(), actions=["archive"]), at="disable", field="credentials")

    assert not [one for one in by_command if "only a command" in one.message]
    assert "only a command" in by_event[0].message


def test_who_saves_may_use_only_what_their_groups_may(aha: Credentials, workflow_editor: User):
    """(M-25)"""
    mistakes = validate(workflow_on(), define(disable()), user=workflow_editor)

    assert "credentials" in {one.field for one in mistakes if not one.warning}


# The whole.


def test_all_mistakes_are_told_at_once_in_the_order_of_the_blocks(db: None):
    definition = define(
        {**tell(message="{{ nope }}"), "exits": {"success": "disable"}},
        disable(preset="", settings={"request": {"method": "GET"}}),
        actions=[],
    )

    mistakes = validate(workflow_on(), definition)

    order = [one.block for one in mistakes]
    assert order == sorted(order, key=["", "begin", "tell", "disable"].index)
    assert set(order) >= {"begin", "tell", "disable"}


def test_the_queries_do_not_depend_on_the_number_of_blocks(
    aha: Credentials, django_assert_max_num_queries: Any
):
    workflow = workflow_on()
    many = [
        {**disable(), "key": f"b{n}", "exits": {"success": f"b{n + 1}", "failure": "end"}}
        for n in range(40)
    ]
    many[-1]["exits"] = END

    with django_assert_max_num_queries(14):
        assert validate(workflow, define(*many)) == []


ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 10**20)
    | st.floats(allow_nan=False)
    | st.sampled_from(["", "x", "{{ email }}", "{{", "end", "email", "variables.x", "2026-11-21"]),
    lambda part: (
        st.lists(part, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "inputs",
                    "request",
                    "response",
                    "positive",
                    "negative",
                    "from",
                    "to",
                    "set",
                    "rules",
                    "all",
                    "any",
                    "field",
                    "operator",
                    "value",
                    "recipients",
                    "subject",
                    "message",
                    "for_days",
                    "until_field",
                    "approvers",
                    "deadline_days",
                    "method",
                    "url",
                    "params",
                    "headers",
                    "body",
                    "email",
                    "variables.x",
                ]
            ),
            part,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@hypothesis_settings(max_examples=150)
@given(
    kind=st.sampled_from(sorted(kinds())),
    settings=ANYTHING,
    exits=ANYTHING | st.just(END),
    preset=st.sampled_from(["", "aha.deactivate_user", "aha.user_role", "nope", "aha.own_request"]),
    begin=st.dictionaries(
        st.sampled_from(["actions", "schedule", "records", "rules", "next", "also"]), ANYTHING
    ),
)
def test_whatever_a_file_holds_validate_answers_with_sentences(
    kind: str, settings: Any, exits: Any, preset: str, begin: dict[str, Any], facts: Facts
):
    block = {"key": "one", "kind": kind, "preset": preset, "settings": settings, "exits": exits}
    try:
        definition = define({**block, "credentials": "Aha"}, **begin)
    except TypeError:
        return  # no list where the file's own check wants one

    for one in check(definition, facts):
        assert one.message[0].isupper() or not one.message[0].isalpha(), one
        assert one.message.rstrip().endswith((".", "?", "!")), one
        assert in_words(definition, one)
    json.dumps([one.message for one in check(definition, facts)])
