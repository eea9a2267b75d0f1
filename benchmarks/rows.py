"""Rows of everything that grows, by INSERT ... SELECT: what the pages of `ours_pages.py` show.

About a minute for each 1,000,000 people. PostgreSQL only. One record in all has the rare word in
its name, every one has the common word in its e-mail. What is true of some rows is true of a tenth
of them, so that a filter fills a page over 1,000 rows as over many; other choices find nothing.
"""

from __future__ import annotations

import os
from typing import Any

import orjson

RARE, COMMON, WHOLE = "zebra", "user", "user500@example.com"
DEPARTMENTS = 10
_EMAIL = "'user' || n || '@example.com'"


def fill_all(number: int) -> None:
    """So many rows of each; the planner is told."""
    from django.db import connection

    fill_people(number)
    fill_integrations(number)
    fill_workflows(number)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")


def fill(model: Any, number: int, **given: str) -> None:
    """So many rows; `given` are SQL expressions of n = 1, 2, ..., others as by default."""
    from django.db import connection

    fields = [
        field
        for field in model._meta.concrete_fields
        if field.attname in given or not (field.primary_key or field.has_db_default())
    ]
    shown, values = [], []
    for field in fields:
        shown.append(f"({given.get(field.attname, '%s')})::{field.db_type(connection)}")
        if field.attname not in given:
            values.append(field.get_db_prep_save(field.get_default(), connection))
    names = ", ".join(f'"{field.column}"' for field in fields)
    with connection.cursor() as cursor:
        cursor.execute(
            f'INSERT INTO "{model._meta.db_table}" ({names}) '  # noqa: S608 - our own names
            f"SELECT {', '.join(shown)} FROM generate_series(1, {number}) AS n",
            values,
        )


def fill_people(number: int) -> None:
    """People, their accounts and roles, and an event of each; of ten events one by an undo."""
    from people.models import Department, Event, Person, PersonRole
    from saas.models import Application, SaaSUser, SaaSUserRole

    who = {"email": _EMAIL, "email_key": _EMAIL}
    status = "CASE WHEN n %% 10 = 0 THEN 'deactivated' ELSE 'active' END"
    name = f"'User ' || n || CASE WHEN n = 500 THEN ' {RARE}' ELSE '' END"
    fill(Department, DEPARTMENTS, name="'Department ' || n", name_key="'department ' || n")
    fill(
        Person, number, **who, username=_EMAIL, username_key=_EMAIL, full_name=name, status=status,
        department_id=f"1 + n / 10 %% {DEPARTMENTS}", manager_id="NULLIF(n / 20, 0)",
        role_id=str(PersonRole.objects.order_by("pk").values_list("pk", flat=True)[0]),
    )  # fmt: skip
    fill(Application, 3, name="'App ' || n", vendor="'aha'", tenant="'tenant ' || n")
    fill(
        SaaSUser, number, **who, application_id="1 + n %% 3", external_id="n", person_id="n",
        name=name, status=status, last_activity="now() - n %% 400 * interval '1 day'",
    )  # fmt: skip
    fill(SaaSUserRole, number, saas_user_id="n", role="'Role ' || n / 10 %% 10", valid_from="now()")
    fill(
        Event, number, object="'person'", object_id="n", kind="'edit'", dispatched="true",
        source="CASE WHEN n %% 10 = 0 THEN 'undo' ELSE 'sync' END", actor="'bench'",
        changes="""'{"title": ["Engineer", "Lead"]}'""",
    )  # fmt: skip


def fill_integrations(number: int) -> None:
    """Runs; of the newest a plan and issues, all open; vendor calls and mails."""
    from ours_workflows import configuration

    from integrations.configuration import apply_text
    from integrations.models import (
        Credentials,
        Integration,
        Notification,
        Operation,
        PlannedChange,
        RecordIssue,
        SyncRun,
    )

    os.environ["BENCH_KEY"] = "bench-key-0123456789"
    source = configuration(os.environ["SOURCE_URL"])
    apply_text(orjson.dumps(source).decode(), by="bench")
    key = str(Credentials.objects.get().pk)
    fill(
        Integration, 3, name="'Load ' || n", vendor="'aha'", load="'users'", state="'active'",
        tenant="'tenant ' || n", credentials_id=key, application_id="n",
    )  # fmt: skip
    fill(
        SyncRun, number, integration_id="1 + n %% 3", name="'Load ' || 1 + n %% 3",
        started_by="'bench'", state="CASE WHEN n %% 10 = 7 THEN 'failed' ELSE 'done' END",
        finished_at="now()", started_at="now()",
    )  # fmt: skip
    newest = f"{number} - n %% 3"
    fill(
        RecordIssue, number, run_id=newest, key=_EMAIL, code="'look_alike'", reason="'Two people.'"
    )
    fill(
        PlannedChange, number, run_id=str(number), object="'person'", action="'update'", key=_EMAIL,
        state="CASE WHEN n %% 10 = 0 THEN 'held' ELSE 'applied' END", external_id="n",
        target_id="n",
    )  # fmt: skip
    fill(
        Operation, number, key="'call ' || n", vendor="'aha'", tenant="'tenant ' || 1 + n %% 3",
        preset="'aha.update_user_details'", credentials_id=key, credentials_name="'Source'",
        target="n", effect="n", person_id="n", record=_EMAIL, started_by="'bench'",
        state="CASE n %% 10 WHEN 7 THEN 'asks' WHEN 8 THEN 'refused' ELSE 'done' END",
        finished_at="now()",
    )  # fmt: skip
    fill(
        Notification, number, kind="'failed'", episode="n", subject=f"'About ' || {_EMAIL}",
        state="CASE WHEN n %% 10 = 7 THEN 'unknown' ELSE 'sent' END", integration_id="1 + n %% 3",
    )  # fmt: skip


def fill_workflows(number: int) -> None:
    """A run of each person; then one of all that has ended, and one of all that is under way."""
    from django.utils import timezone
    from ours_workflows import make

    from workflows.engine.finish import refresh_runs
    from workflows.models import BlockRun, RunItem, Workflow, WorkflowRun

    blocks = [
        {"key": "update", "kind": "update", "settings": {"set": {"title": "Lead"}},
         "exits": {"success": "ask", "failure": "end"}},
        {"key": "ask", "kind": "approval", "settings": {"approvers": ["bench"], "message": "OK?"},
         "exits": {"approved": "end", "rejected": "end", "timeout": "end"}},
    ]  # fmt: skip
    row = make("Everybody", blocks, begin={"actions": ["edit", "manual"]})
    Workflow.objects.update(events_after=0)
    of = {"workflow_id": str(row.pk), "version_id": str(row.active_version_id)}
    run = {**of, "name": "'Everybody'", "trigger": "'manual'", "started_by": "'bench'"}
    done = """'{"matched": 1, "done": 1, "operations": {}}'"""
    fill(WorkflowRun, number, **run, state="'done'", matched="1", counts=done, finished_at="now()")
    fill(WorkflowRun, 2, **run, state="'running'", matched=str(number), started_at="now()")
    item = {**of, "record_id": "n", "label": _EMAIL}
    failing = "CASE WHEN n %% 10 = 0 THEN 'failed' ELSE 'done' END"
    fill(RunItem, number, **item, run_id="n", block="'end'", state="'done'")
    fill(RunItem, number, **item, run_id=str(number + 1), block="'end'", state=failing)
    states = "done done done done failed held waiting waiting cancelled ready"
    fill(
        RunItem, number, **item, run_id=str(number + 2),
        block="CASE WHEN n %% 10 < 5 THEN 'end' ELSE 'ask' END",
        state=f"(string_to_array('{states}', ' '))[1 + n %% 10]",
        waits_for="CASE n %% 10 WHEN 6 THEN 'approval' WHEN 7 THEN 'time' ELSE '' END",
        due_at="now() + interval '1 day'",
    )  # fmt: skip
    step = {"kind": "'update'", "block": "'update'", "name": "'Update'", "exit": "'success'"}
    moments = {"started_at": "now()", "ended_at": "now()"}
    fill(BlockRun, 3 * number, item_id="n", **step, **moments, operation_id="NULLIF(n %% 10, 0)")
    refresh_runs([number + 1], timezone.now())
