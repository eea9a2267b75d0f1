"""Every message that Validate gives, provoked: block, field, what is wrong, what to do.

`python -m pytest -s tests/workflows/test_messages.py -k every` prints them, to be read aloud.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User

from saas.models import Application
from tests.makers import (
    make_application,
    make_credentials,
    make_custom_field,
    make_person,
    make_saas_user,
    make_variable,
)
from workflows.definition import Definition
from workflows.errors import Mistake
from workflows.models import Workflow
from workflows.validation import in_words, validate

pytestmark = pytest.mark.django_db
ENDS = {"success": "end", "failure": "end"}
YES = {"yes": "end", "no": "end"}
MAIL = {"recipients": ["it@example.com"], "subject": "Hi", "message": "Hello"}
DAILY = {"every": "day", "at": "06:00", "timezone": "Europe/London"}
JARGON = re.compile(
    r"\b(None|null|dict|str|int|bool|traceback|exception|regex|tuple|enum|pk|kwargs|queryset|"
    r"fence|lease|slot|JSON pointer|validator)\b"
)
# What a sentence that says what to do has: a verb for the reader, or what would be right.
ADVICE = re.compile(
    r"\b(add|choose|give|take|remove|write|let|set|use|fill|run|keep|mend|name|make|leave|follow|"
    r"divide|say|ask|close|type|have|needs?|has to|at most|at least|must|is one of|say|put|"
    r"did you mean|from \d+ to|such as|is written|can approve|double|spell|begins? with|empty|"
    r"looks? like|takes|none of|look|change|connect|open|only)\b",
    re.IGNORECASE,
)


def mail(**settings: Any) -> dict[str, Any]:
    return block("notification", {**MAIL, **settings})


def block(kind: str, settings: Any = None, **parts: Any) -> dict[str, Any]:
    exits = {"condition": YES, "delay": {"success": "end"}}.get(kind, ENDS)
    if kind == "approval":
        exits = dict.fromkeys(("approved", "rejected", "expired"), "end")
    return {
        "key": "it",
        "kind": kind,
        "name": "This block",
        "settings": {} if settings is None else settings,
        "exits": exits,
        **parts,
    }


def call(preset: str = "aha.get_user_details", settings: Any = None, **parts: Any) -> Any:
    named = {"preset": preset, "credentials": f"{preset.partition('.')[0].title()} production"}
    return block("api", settings, **{**named, **parts})


def rules(*rows: Any) -> dict[str, Any]:
    return {"all": list(rows)}


def rule(field: Any, operator: Any, value: Any = ...) -> dict[str, Any]:
    given = {} if value is ... else {"value": value}
    return {"field": field, "operator": operator, **given}


def stores(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"response": {"positive": list(rows)}}


# name: (begin, blocks); what is not said of Begin is the action Manual.
PEOPLE: dict[str, tuple[dict[str, Any], list[Any]]] = {
    "no blocks": ({}, []),
    "no action": ({"actions": []}, [mail()]),
    "an action that is none": ({"actions": ["create"]}, [mail()]),
    "a schedule without its action": ({"schedule": DAILY}, [mail()]),
    "an action without its schedule": ({"actions": ["schedule"]}, [mail()]),
    "an odd time": ({"actions": ["schedule"], "schedule": {**DAILY, "at": "6 o'clock"}}, [mail()]),
    "an odd zone": (
        {"actions": ["schedule"], "schedule": {**DAILY, "timezone": "Europe/Troy"}},
        [mail()],
    ),
    "records that are none": ({"records": "everybody"}, [mail()]),
    "further events without actions": ({"also": ["undo"]}, [mail()]),
    "a source that is none": ({"actions": ["new"], "also": ["redo"]}, [mail()]),
    "a first block that is none": ({"next": "ti"}, [mail()]),
    "a rule on no field": ({"rules": rules(rule("emial", "equals", "x"))}, [mail()]),
    "a rule with no operator": ({"rules": rules({"field": "email"})}, [mail()]),
    "a rule with an odd operator": ({"rules": rules(rule("email", "is", "x"))}, [mail()]),
    "a rule without a value": ({"rules": rules(rule("email", "equals"))}, [mail()]),
    "a rule with a value too much": ({"rules": rules(rule("email", "is_empty", "x"))}, [mail()]),
    "a rule on a date": ({"rules": rules(rule("hire_date", "before", "soon"))}, [mail()]),
    "a rule on days": ({"rules": rules(rule("hire_date", "older_than_days", "x"))}, [mail()]),
    "an operator for numbers": ({"rules": rules(rule("email", "less", 5))}, [mail()]),
    "a rule on a change without events": ({"rules": rules(rule("title", "changed"))}, [mail()]),
    "an unknown group of rules": ({"rules": {"none": []}}, [mail()]),
    "a rule that is a text": ({"rules": rules("email")}, [mail()]),
    "a key with a blank": ({}, [mail() | {"key": "two words"}]),
    "a key of ours": ({}, [mail() | {"key": "end"}]),
    "a key twice": ({}, [mail() | {"exits": {"success": "it", "failure": "end"}}, mail()]),
    "a kind that is none": ({}, [block("mail")]),
    "a block for accounts": ({}, [block("saas_user_role")]),
    "an exit that leads nowhere": ({}, [mail() | {"exits": {"success": "end"}}]),
    "an exit too much": ({}, [mail() | {"exits": {**ENDS, "succes": "end"}}]),
    "an exit to no block": ({}, [mail() | {"exits": {"success": "ti", "failure": "end"}}]),
    "a block that nothing leads to": ({}, [mail(), mail() | {"key": "other"}]),
    "a circle": (
        {},
        [
            mail() | {"exits": {"success": "two", "failure": "end"}},
            mail() | {"key": "two", "exits": {"success": "it", "failure": "end"}},
        ],
    ),
    "never at the end": ({}, [mail() | {"exits": {"success": "it", "failure": "it"}}]),
    "a setting that is none": ({}, [mail(body="x")]),
    # Templates.
    "a brace too few": ({}, [mail(subject="{{ email }")]),
    "a brace never closed": ({}, [mail(subject="Hi {{ email")]),
    "a field that is none": ({}, [mail(subject="{{ emial }}")]),
    "a variable that is none": ({}, [mail(subject="{{ variables.nothing }}")]),
    "a filter that is none": ({}, [mail(subject="{{ email | capital }}")]),
    "a filter without its value": ({}, [mail(subject="{{ email | default }}")]),
    "nothing between braces": ({}, [mail(subject="{{ }}")]),
    "code between braces": ({}, [mail(subject="{{ email + 1 }}")]),
    "failure where nothing failed": ({}, [mail(subject="{{ failure.reason }}")]),
    "response outside of its tab": ({}, [mail(subject="{{ response.id }}")]),
    "credentials in a template": ({}, [mail(subject="{{ credentials.key }}")]),
    "variables alone": ({}, [mail(subject="{{ variables }}")]),
    "a variable set on one way": (
        {},
        [
            call(settings=stores({"from": "{{ response.id }}", "to": "variables.n"}))
            | {"exits": {"success": "tell", "failure": "tell"}},
            mail(subject="{{ variables.n }}") | {"key": "tell"},
        ],
    ),
    # Notification.
    "nobody to mail": ({}, [mail(recipients=[])]),
    "a mail to no address": ({}, [mail(recipients=["ann"])]),
    "fifty-one recipients": ({}, [mail(recipients=[f"a{n}@example.com" for n in range(51)])]),
    "a mail without a subject": ({}, [mail(subject="")]),
    "a subject that is a list": ({}, [mail(subject=["x"])]),
    # Delay.
    "a delay for nothing": ({}, [block("delay")]),
    "a delay for two things": ({}, [block("delay", {"for_days": 1, "for_hours": 2})]),
    "half a day": ({}, [block("delay", {"for_days": 0.5})]),
    "a delay until a text": ({}, [block("delay", {"until_field": "title"})]),
    "a delay until nothing": ({}, [block("delay", {"until_field": "hire_dat"})]),
    # Approval.
    "nobody approves": ({}, [block("approval", {"message": "May we?"})]),
    "a stranger approves": ({}, [block("approval", {"approvers": ["ann"], "message": "May we?"})]),
    "a placeholder approves": (
        {},
        [block("approval", {"approvers": ["{{ manager }}"], "message": "May we?"})],
    ),
    "nothing to approve": ({}, [block("approval", {"approvers": ["reader"]})]),
    "a deadline of years": (
        {},
        [block("approval", {"approvers": ["reader"], "message": "x", "deadline_days": 1000})],
    ),
    "one of two approvers": (
        {},
        [block("approval", {"approvers": ["reader", "ann"], "message": "May we?"})],
    ),
    # Condition.
    "a condition without rules": ({}, [block("condition")]),
    "a condition on no field": ({}, [block("condition", {"rules": rules(rule("x", "changed"))})]),
    "a condition on a variable that is none": (
        {},
        [block("condition", {"rules": rules(rule("variables.x", "equals", "1"))})],
    ),
    # Update.
    "an update of nothing": ({}, [block("update")]),
    "an update of the e-mail": ({}, [block("update", {"set": {"email": "x@example.com"}})]),
    "an update of no field": ({}, [block("update", {"set": {"titel": "x"}})]),
    "an update of a date": ({}, [block("update", {"set": {"hire_date": "tomorrow"}})]),
    "an update of a bad variable": ({}, [block("update", {"set": {"variables.a-b": "x"}})]),
    "an update of a list into a text": (
        {},
        [block("update", {"set": {"title": [{"a": 1}, "b"]}})],
    ),
    # API.
    "no preset": ({}, [call("", credentials="Aha production")]),
    "a preset that is none": ({}, [call("aha.deactivate")]),
    "a preset of roles": ({}, [call("aha.user_role")]),
    "no credentials": ({}, [call(credentials="")]),
    "credentials that are none": ({}, [call(credentials="Aha old")]),
    "credentials of another vendor": ({}, [call(credentials="Goto production")]),
    "credentials without a secret": ({}, [call(credentials="Aha empty")]),
    "a needed input": ({}, [call("goto.unassign_license_by_email", {"inputs": {}})]),
    "an input that is none": ({}, [call("goto.add_users", {"inputs": {"mail": "x"}})]),
    "an input too long": ({}, [call("goto.add_users", {"inputs": {"first_name": "x" * 61}})]),
    "an input that is empty": ({}, [call("goto.add_users", {"inputs": {"email": ""}})]),
    "a role that is none": ({}, [call("goto.add_users", {"inputs": {"admin_roles": ["BOSS"]}})]),
    "a locale that is none": ({}, [call("goto.update_user", {"inputs": {"locale": "xx_XX"}})]),
    "a time zone that is none": (
        {},
        [call("goto.update_user", {"inputs": {"time_zone": "Europe/Troy"}})],
    ),
    "a switch that is a word": ({}, [call("goto.update_user", {"inputs": {"name_locked": "on"}})]),
    "a switch that takes something away": (
        {},
        [call("aha.update_user_details", {"inputs": {"enabled": False}})],
    ),
    "a request that is a text": ({}, [call(settings={"request": "GET"})]),
    "a method that is none": ({}, [call(settings={"request": {"method": "FETCH"}})]),
    "an address elsewhere": ({}, [call(settings={"request": {"url": "https://evil.example/"}})]),
    "a header of ours": (
        {},
        [call(settings={"request": {"headers": {"Authorization": "x"}}})],
    ),
    "a brace in the address": ({}, [call(settings={"request": {"url": "users/{{aha_user_id}"}})]),
    "a mapping without a target": ({}, [call(settings=stores({"from": "{{ response.id }}"}))]),
    "a mapping without a source": ({}, [call(settings=stores({"to": "title"}))]),
    "a mapping onto the e-mail": (
        {},
        [call(settings=stores({"from": "{{ response.id }}", "to": "email"}))],
    ),
    "a mapping onto no field": (
        {},
        [call(settings=stores({"from": "{{ response.id }}", "to": "nothing"}))],
    ),
    "a whole answer into a short field": (
        {},
        [call(settings=stores({"from": "{{ response }}", "to": "title"}))],
    ),
    "a target twice": (
        {},
        [
            call(
                settings=stores(
                    {"from": "{{ response.a }}", "to": "title"},
                    {"from": "{{ response.b }}", "to": "title"},
                )
            )
        ],
    ),
    "an own request without an address": (
        {},
        [call("", {"request": {"method": "GET"}}, credentials="Aha production")],
    ),
    "an id that people lack": ({}, [call("aha.deactivate_user")]),
}
ACCOUNTS: dict[str, tuple[dict[str, Any], list[Any]]] = {
    "no users": ({}, [mail()]),
    "roles without a preset": ({}, [block("saas_user_role")]),
    "roles of another vendor": (
        {},
        [block("saas_user_role", preset="goto.user_role", credentials="Goto production")],
    ),
    "roles with a preset that reads none": (
        {},
        [
            block(
                "saas_user_role",
                preset="aha.get_user_details",
                credentials="Aha production",
            )
        ],
    ),
    "roles without credentials": ({}, [block("saas_user_role", preset="aha.user_role")]),
    "roles with an odd switch": (
        {},
        [
            block(
                "saas_user_role",
                {"deactivate_user": "perhaps"},
                preset="aha.user_role",
                credentials="Aha production",
            )
        ],
    ),
    "a call to another vendor": ({}, [call("goto.get_user_by_email")]),
    "a change of an account's name": (
        {"actions": ["edit"], "rules": rules(rule("person.title", "changed"))},
        [mail()],
    ),
}


@pytest.fixture
def world(db: None) -> None:
    """Credentials of two vendors, the fields that presets name, an admin, people."""
    make_variable()
    make_variable("GoTo.AccountKey", "3573452345454655709")
    make_credentials("Aha production")
    make_credentials("Aha empty", secret="")
    make_credentials("Goto production", vendor="goto", secret="canary-6b1e9d20")
    for label in ("Aha User Id", "GoTo User Key"):
        make_custom_field(label)
    User.objects.create_user("reader", is_staff=True)
    for _number in range(3):
        make_person()


def told(name: str) -> tuple[Definition, list[Mistake]]:
    """What Validate says of one of the definitions above."""
    application: Application | None = None
    begin, blocks = PEOPLE.get(name) or ACCOUNTS[name]
    if name in ACCOUNTS:
        application = make_application()
        if name != "no users":
            make_saas_user(application)
    workflow = Workflow(
        name="Story", object="saas_user" if application else "person", application=application
    )
    workflow.save()
    data = {"begin": {"actions": ["manual"], **begin}, "blocks": blocks}
    definition = Definition.from_data(data)
    return definition, validate(workflow, definition)


@pytest.mark.parametrize("name", [*PEOPLE, *ACCOUNTS])
def test_every_message_says_where_what_and_what_to_do(name: str, world: None) -> None:
    """C-10: a whole sentence, in plain words, that names block and field and ends with advice."""
    definition, mistakes = told(name)

    assert mistakes, "nothing was found"
    for one in mistakes:
        said = in_words(definition, one)
        print(f"\n[{name}]\n  {said}")  # noqa: T201 - to be read aloud
        where, _colon, message = said.partition(": ")
        assert where == "The workflow" or where.startswith(("Begin", "Block", "The workflow"))
        assert message[:1].isupper() or message[:1] in '"{', message
        assert message.endswith((".", "?")), message
        assert "  " not in message
        assert not re.search(r"[.?:;,][.:;,]", message.replace("...", "").replace('."', "")), (
            message
        )
        assert not JARGON.search(message), message
        assert ADVICE.search(message), message
