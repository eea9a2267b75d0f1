"""Our pages as a case: "setup" N fills an empty database, "serve" answers for pages of the admin.

"serve" prints the pages as JSON, {what it is: address}; then, for each address on a line of its
input, how long the page took and how many queries it made, asked for by a superuser here.
The environment names the database, as for the product.

Usage: "setup" N | "serve"
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import django
import orjson
from rows import COMMON, RARE, WHOLE, fill_all

_CHOICES, _PAGE = 3, 50
_PERSON_TABS = ("accounts", "operations", "workflows", "reports", "history")


def setup(number: int) -> None:
    """Migrate, collect the static files, and fill."""
    from django.contrib.auth.models import User
    from django.core.management import call_command

    with redirect_stdout(sys.stderr):
        call_command("migrate", verbosity=0, interactive=False)
        call_command("collectstatic", verbosity=0, interactive=False)
    User.objects.create_superuser("bench")
    fill_all(number)


def pages() -> dict[str, str]:
    """Every list with its filters, orders and searches; then pages of single rows."""
    return {"dashboard": "/admin/", **dict(_lists()), **dict(_single_pages())}


def _lists() -> Iterator[tuple[str, str]]:
    from django.apps import apps
    from django.contrib import admin
    from django.contrib.auth.models import User
    from django.test import RequestFactory
    from django.urls import reverse

    request = RequestFactory().get("/")
    request.user = User.objects.get(username="bench")
    for model in filter(admin.site.is_registered, apps.get_models()):
        found = admin.site.get_model_admin(model)
        options = model._meta
        address = reverse(f"admin:{options.app_label}_{options.model_name}_changelist")
        yield f"{options.model_name}", address
        # Approvals are a page of their own; what is set up by hand fills no two pages.
        if options.model_name == "runitem" or model.objects.count() <= _PAGE:
            continue
        listed = found.get_changelist_instance(request)
        for query in [*_filters(listed), *_orders(listed), *_searches(found)]:
            yield f"{options.model_name} {query}", f"{address}?{query}"


def _filters(listed: Any) -> Iterator[str]:
    """The first choices of each filter."""
    for one in listed.filter_specs:
        name = getattr(one, "parameter_name", None) or one.lookup_kwarg
        field = getattr(one, "field", None)
        choices = getattr(one, "lookup_choices", None) or getattr(field, "flatchoices", None)
        yield from (f"{name}={value}" for value, *_label in (choices or [])[:_CHOICES])


def _orders(listed: Any) -> Iterator[str]:
    for number, name in enumerate(listed.list_display):
        if name in listed.sortable_by and listed.get_ordering_field(name):
            yield from (f"o={number}", f"o=-{number}")


def _searches(found: Any) -> Iterator[str]:
    if found.search_fields:
        yield from (f"q={word}" for word in (RARE, COMMON, WHOLE))


def _single_pages() -> Iterator[tuple[str, str]]:
    """Of a workflow, of the runs of all records, of an item, of a person and what else is long."""
    from integrations.models import RecordIssue, SyncRun
    from people.models import Person
    from saas.models import SaaSUser
    from workflows.models import RunItem, Workflow, WorkflowRun

    workflow = Workflow.objects.get().pk
    for tab in ("change", "passed-over", "versions", "activate", "run"):
        yield f"workflow's page, {tab}", f"/admin/workflows/workflow/{workflow}/{tab}/"
    ended, open_ = WorkflowRun.objects.order_by("-pk").values_list("pk", flat=True)[:2][::-1]
    for name, run in (("ended", ended), ("under way", open_)):
        address = f"/admin/workflows/workflowrun/{run}/change/"
        middle = RunItem.objects.filter(run=run).order_by("pk")[500].pk
        yield f"run {name}", address
        yield f"run {name}, a later page", f"{address}?after={middle}"
        for query in (
            *("state=failed", "state=done", "state=waiting", "block=end", "block=ask"),
            *(f"q={RARE}", f"q={COMMON}", f"q={COMMON}&state=failed"),
        ):
            yield f"run {name} {query}", f"{address}?{query}"
        for tab in ("progress", "held", "cancel", "retry"):
            yield f"run {name}, {tab}", f"/admin/workflows/workflowrun/{run}/{tab}/"
    yield "item's page", f"/admin/workflows/runitem/{middle}/change/"
    yield "approvals of a run", f"/admin/workflows/runitem/?run={open_}"
    person = f"/admin/people/person/{Person.objects.get(email=WHOLE).pk}"
    for tab in ("change", *_PERSON_TABS):
        yield f"person's page, {tab}", f"{person}/{tab}/"
    account = SaaSUser.objects.get(email=WHOLE).pk
    yield "account's page", f"/admin/saas/saasuser/{account}/change/"
    source = SyncRun.objects.order_by("-pk")[0].pk
    for tab in ("change", "plan", "log"):
        yield f"sync run, {tab}", f"/admin/integrations/syncrun/{source}/{tab}/"
    issue = RecordIssue.objects.order_by("-pk")[0].pk
    yield "issue's page", f"/admin/integrations/recordissue/{issue}/change/"


def serve() -> None:
    """Answer until the input ends. Raises SystemExit where a page is not shown."""
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client

    client = Client(HTTP_HOST="localhost")
    client.force_login(
        User.objects.get(username="bench"), "django.contrib.auth.backends.ModelBackend"
    )
    print(orjson.dumps(pages()).decode(), flush=True)
    made: list[str] = []

    def count(execute: Any, sql: str, *given: Any) -> Any:
        made.append(sql)
        return execute(sql, *given)

    for line in sys.stdin:
        made.clear()
        with connection.execute_wrapper(count):
            began = time.perf_counter()
            answer = client.get(line.strip())
            seconds = time.perf_counter() - began
        if answer.status_code != 200:  # noqa: PLR2004
            raise SystemExit(f"{line.strip()}: {answer.status_code} {answer.headers}")
        print(orjson.dumps({"ms": 1000 * seconds, "queries": len(made)}).decode(), flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    django.setup()
    if sys.argv[1] == "setup":
        setup(int(sys.argv[2]))
    else:
        serve()
