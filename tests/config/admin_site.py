"""Every address of the admin, a world with a row of everything, who signs in, forms, fingerprints.

For tests about who may what. Addresses come from the URL resolver, so a new page joins by existing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from django.apps import apps
from django.contrib.auth.models import Group, User
from django.db import connection, models
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from integrations.models import Installation
from people.models import CustomField, Department, Event, PersonRole
from tests import makers
from tests.workflows.makers import make_item, make_workflow
from tests.workflows.makers import make_run as make_workflow_run

# Rows that a visit alone may write: they are no effect of the page.
_NOT_COUNTED = {"sessions", "axes", "contenttypes", "migrations"}

TELL = {
    "key": "tell",
    "kind": "notification",
    "settings": {"recipients": ["it@example.com"], "subject": "Hi", "message": "Hello"},
    "exits": {"success": "end", "failure": "end"},
}


@dataclass(frozen=True)
class Address:
    """One pattern of the resolver. `name` is None for the few that have none."""

    route: str
    name: str | None

    def path(self, world: World) -> str:
        """The pattern with the ids of rows that exist."""
        text = self.route.replace("^(?P<app_label>auth|people|saas|integrations)/$", "people/")
        text = re.sub(r"\^?\(\?P<app_label>[^)]*\)/?\$?", "people/", text)
        text = text.replace("(?P<url>.*)$", "no-such-page/")
        # The pages of one block of a workflow, and of a new one.
        text = text.replace("<path:key>", "tell").replace("<str:kind>", "notification")
        row = world.row_of(self)
        return "/" + re.sub(r"<(?:\w+:)?(?:object_id|id|pk)>", str(row), text).replace(
            "<path:content_type_id>", "1"
        )


@dataclass
class World:
    """A row of each model that the admin shows; `rows` is {app_model: id}."""

    rows: dict[str, int] = field(default_factory=dict)

    def row_of(self, address: Address) -> int:
        """The id for the pattern's model, 1 where the name says no model."""
        found = [key for key in self.rows if f"{key.replace('_', '/', 1)}/" in address.route]
        return self.rows[found[0]] if found else 1


def addresses() -> list[Address]:
    """Every pattern below /admin/, each route once."""
    found = {
        address.route: address
        for address in reversed(list(_walk(get_resolver().url_patterns, "")))
        if address.route.startswith("admin/")
    }
    return list(found.values())


def _walk(patterns: list[Any], prefix: str) -> Iterator[Address]:
    for entry in patterns:
        if isinstance(entry, URLResolver):
            yield from _walk(entry.url_patterns, prefix + str(entry.pattern))
        elif isinstance(entry, URLPattern):
            yield Address(prefix + str(entry.pattern), entry.name)


def make_world() -> World:
    """A person with a hidden field, accounts, credentials, an integration with a run, events."""
    manager = makers.make_person(first_name="Max", last_name="Boss")
    salary = makers.make_custom_field("Salary", type=CustomField.Type.DECIMAL, visible_to_hr=False)
    makers.make_custom_field("Shoe size", type=CustomField.Type.INTEGER)
    department = Department.objects.create(name="Clerks", name_key="clerks")
    role, _made = PersonRole.objects.get_or_create(name="Employee")
    person = makers.make_person(
        manager=manager, department=department, role=role, custom={"salary": "98765.43"}
    )
    application = makers.make_application()
    account = makers.make_saas_user(application, person=person, last_activity=timezone.now())
    makers.make_role(account, "Owner", scope="Mobile App", scope_id="1")
    makers.make_role(account, "Member", rank=1)
    integration = makers.make_integration(state="active", application=application)
    makers.make_integration("A draft", credentials=integration.credentials)
    variable = makers.make_variable()
    run = makers.make_run(integration)
    planned = {"title": ["Clerk", "Head"], "salary": ["91234.56", "98765.43"]}
    makers.make_change(run, target_id=person.pk, changes=planned)
    issue = makers.make_issue(run, candidates=[person.pk])
    makers.make_issue(
        run, field="salary", reason='Salary: "91234.56" is no number.', detail="salary 98765.43"
    )
    event = Event.objects.create(
        object="person",
        object_id=person.pk,
        kind=Event.Kind.EDIT,
        source=Event.Source.SYNC,
        run_id=run.pk,
        actor="Aha! User Load",
        changes={"title": ["Clerk", "Head"], "salary": ["91234.56", "98765.43"]},
        note="note with 98765.43",
    )
    mail = makers.make_notification(integration=integration, run=run)
    workflow = make_workflow([TELL], name="Greetings")
    workflow_run = make_workflow_run(workflow)
    rows: dict[str, Any] = {
        "people_person": person.pk,
        "people_department": Department.objects.create(name="Nobody's", name_key="nobody's").pk,
        "people_personrole": PersonRole.objects.create(name="Nobody's").pk,
        "people_customfield": salary.pk,
        "people_event": event.pk,
        "saas_application": application.pk,
        "saas_saasuser": account.pk,
        "integrations_credentials": integration.credentials_id,
        "integrations_globalvariable": variable.pk,
        "integrations_integration": integration.pk,
        "integrations_syncrun": run.pk,
        "integrations_recordissue": issue.pk,
        "integrations_notification": mail.pk,
        "integrations_operation": makers.make_operation(
            state="asks", person_id=person.pk, saas_user_id=account.pk
        ).pk,
        "integrations_installation": Installation.the().pk,
        "workflows_workflow": workflow.pk,
        "workflows_workflowrun": workflow_run.pk,
        "workflows_runitem": make_item(workflow_run, person).pk,
        "auth_user": User.objects.order_by("pk").values_list("pk", flat=True)[0],
        "auth_group": Group.objects.create(name="Guests").pk,
    }
    return World(rows | _rows_of_others(rows))


def _rows_of_others(known: dict[str, int]) -> dict[str, int]:
    """Any row of the models that this module has never heard of."""
    others = {}
    for model in apps.get_models():
        key = f"{model._meta.app_label}_{model._meta.model_name}"
        if key not in known:
            rows: Any = model._meta.default_manager
            others[key] = rows.values_list("pk", flat=True).first() or 1
    return others


def fingerprint() -> dict[str, str]:
    """A hash of each table's rows, but for sessions and the log-in guard. A query per table."""
    return {
        model._meta.db_table: _hash(model)
        for model in apps.get_models()
        if model._meta.app_label not in _NOT_COUNTED and model._meta.managed
    }


def _hash(model: type[models.Model]) -> str:
    columns = [column.column for column in model._meta.concrete_fields]
    names = ", ".join(f'"{name}"' for name in columns)
    with connection.cursor() as cursor:
        table = model._meta.db_table
        cursor.execute(f'SELECT {names} FROM "{table}" ORDER BY 1')  # noqa: S608 - our own names
        return hashlib.sha256(repr(cursor.fetchall()).encode()).hexdigest()


def client_for(user: User | None) -> Client:
    """A browser in which this user has signed in; errors come back as answers."""
    client = Client(raise_request_exception=False)
    if user is not None:
        client.force_login(user)
    return client


def text_of(response: Any) -> str:
    """The body of an answer, streamed or not."""
    body = b"".join(response.streaming_content) if response.streaming else response.content
    return body.decode("utf-8", "replace")


class FormReader(HTMLParser):
    """Reads every POST form of a page: {name: values}, and the choices of each `action` menu."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.forms: list[dict[str, list[str]]] = []
        self.actions: list[str] = []
        self.links: list[str] = []
        self._form: dict[str, list[str]] | None = None
        self._select = ""
        self._textarea: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        if tag == "form" and values.get("method", "").lower() == "post":
            self._form = {}
            self.forms.append(self._form)
        elif tag == "select":
            self._select = values.get("name", "")
        elif tag == "option":
            if self._select == "action" and values.get("value"):
                self.actions.append(values["value"])
            if "selected" in values:
                self._put(self._select, values.get("value", ""))
        elif tag == "textarea":
            self._textarea = values.get("name", "")
        elif tag == "input" and values.get("name"):
            ticked = values.get("type") not in {"checkbox", "radio"} or "checked" in values
            if ticked and values.get("type") != "submit":
                self._put(values["name"], values.get("value", ""))

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self._put(self._textarea, data.lstrip("\n"))
            self._textarea = None

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._textarea = None

    def _put(self, name: str, value: str) -> None:
        if self._form is not None and name:
            self._form.setdefault(name, []).append(value)


def read_page(html: str) -> FormReader:
    """What a page offers: forms, actions, links."""
    reader = FormReader()
    reader.feed(html)
    return reader
