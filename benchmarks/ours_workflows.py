"""Our workflows as a case: "setup" fills an empty database, the others do a piece of work in it.

"read" and "change": a run over all people, Begin -> API -> Update -> End, by one worker process.
"calls": a batch of reads through our client, without a workflow. "roles": a role block that asks
for accounts one by one. "dispatch": an event of each person into five workflows. The environment
names the database, as for the product; SOURCE_URL is the vendor's base URL. Prints seconds, CPU
seconds and peak memory as JSON; starting Django is left out. PROFILE names a file for a profile.

Usage: "setup" N | "read" | "change" | "calls" | "roles" | "dispatch" N [LIMIT PER SECOND]
"""

from __future__ import annotations

import cProfile
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import django
import orjson
from process import cpu_seconds, peak_megabytes

NAMES = ("read", "change")
DISPATCHED = 5
_PRESETS = {
    "read": ("aha.get_user_details", {}),
    "change": ("aha.update_user_details", {"last_name": "{{ first_name }}"}),
}


def setup(source: str, number: int) -> None:
    """Migrate, apply the configuration, make people, accounts and workflows."""
    from django.contrib.auth.models import User
    from django.core.management import call_command

    from integrations.configuration import apply_text
    from people.models import Person

    call_command("migrate", verbosity=0, interactive=False)
    User.objects.create_superuser("bench")
    os.environ["BENCH_KEY"] = "bench-key-0123456789"
    apply_text(orjson.dumps(configuration(source)).decode(), by="bench")  # JSON is YAML
    Person.objects.bulk_create(
        [
            Person(
                email=f"user{pk}@example.com",
                username=f"user{pk}@example.com",
                first_name=f"First{pk}",
                custom={"aha_user_id": str(pk)},
            )
            for pk in range(1, number + 1)
        ],
        batch_size=1_000,
    )
    for name in NAMES:
        make(name, [call_block(name), {"key": "update", "kind": "update", **UPDATE}])
    make_roles(number)


UPDATE: Mapping[str, Any] = {
    "settings": {"set": {"aha_name": "{{ variables.name }}"}},
    "exits": {"success": "end", "failure": "end"},
}


def rate(limit: int) -> dict[str, float]:
    """So many calls a second; 0: more than anybody makes."""
    return {"rate.per_second": limit or 1_000_000, "rate.per_minute": 60_000_000}


def configuration(source: str) -> dict[str, object]:
    """Credentials at the fast vendor, without its limits, and two fields."""
    fields = ("Aha User Id", "Aha Name")
    return {
        "people_fields": [{"label": label, "type": "text"} for label in fields],
        "credentials": [
            {
                "name": "Source",
                "vendor": "aha",
                "type": "api_key",
                "settings": {"token_name": "Authorization", "add_to": "header"},
                "secrets": {"value": {"env": "BENCH_KEY"}},
                "base_url": source,
                "overrides": rate(0),
            }
        ],
    }


def call_block(name: str) -> dict[str, object]:
    """The API block: its answer's name becomes a variable, which the next block stores."""
    preset, inputs = _PRESETS[name]
    return {
        "key": "call",
        "kind": "api",
        "preset": preset,
        "credentials": "Source",
        "settings": {
            "inputs": {"subdomain": "bench", **inputs},
            "response": {
                "positive": [{"from": "{{ response.user.name }}", "to": "variables.name"}]
            },
        },
        "exits": {"success": "update", "failure": "end"},
    }


def make(name: str, blocks: Sequence[Mapping[str, Any]], **more: Any) -> Any:
    """An active workflow, by the way that tests make theirs."""
    from tests.workflows.makers import make_workflow

    return make_workflow(blocks, name=name, **more)


def make_roles(number: int) -> None:
    """Accounts of an application, and so many old ones that its listing is too long to be read."""
    from saas.models import Application, SaaSUser

    application = Application.objects.create(name="Aha!", vendor="aha", tenant="bench")
    users = (
        SaaSUser(application=application, external_id=str(pk), email=f"user{pk}@example.com")
        for pk in range(1, number + 1)
    )
    SaaSUser.objects.bulk_create(users, batch_size=1_000)
    block = {
        "key": "roles",
        "kind": "saas_user_role",
        "preset": "aha.user_role",
        "credentials": "Source",
        "settings": {"inputs": {"subdomain": "bench"}},
    }
    make("roles", [block], application=application)


# The cases.


def run_workflow(name: str) -> None:
    """A run from its start by hand until its worker has nothing left to do."""
    from integrations.worker import Worker
    from workflows.models import Workflow, WorkflowRun
    from workflows.starts import start_run

    trigger = WorkflowRun.Trigger.MANUAL
    workflow = Workflow.objects.get(name=name)
    run = start_run(workflow, trigger=trigger, started_by="bench", ids=None)
    Worker().do_due()
    run.refresh_from_db()
    if run.state != "done":
        raise SystemExit(f"The run ended {run.state}: {run.counts}")


def call(number: int) -> None:
    """Reads as a workflow has them made: signed, paced, on the sending threads."""
    from integrations.client import VendorClient
    from integrations.models import Credentials
    from integrations.registry import get_vendor
    from integrations.services import access_for
    from integrations.threads import on_threads

    access = access_for(Credentials.objects.get(name="Source"))
    inputs = {"subdomain": "bench"}
    with VendorClient(get_vendor("aha"), access, inputs=inputs) as client:

        def read(pk: int) -> str:
            return str(client.call("GET", f"users/{pk}").json["user"]["id"])

        found = dict(on_threads(read, range(1, number + 1), most=client.useful_threads))
    assert found == {pk - 1: str(pk) for pk in range(1, number + 1)}


def read_roles(number: int) -> None:
    """What the role block does where it looks accounts up one by one."""
    from django.utils import timezone

    from integrations.client import VendorClient
    from integrations.models import Credentials
    from integrations.registry import get_vendor
    from integrations.services import access_for
    from workflows.roles.reading import RoleReader

    access = access_for(Credentials.objects.get(name="Source"))
    vendor, today = get_vendor("aha"), timezone.localdate()
    with VendorClient(vendor, access, inputs={"subdomain": "bench"}) as client:
        reader = RoleReader(client, client.vendor.load("users"), tenant="bench", clock=timezone.now)
        wanted = [str(pk) for pk in range(1, number + 1)]
        told = reader.look_up(wanted, control=None, today=today)
    bad = [key for key, one in told.items() if one.reading is None or not one.reading.rows]
    if bad or len(told) != number:
        raise SystemExit(f"{len(bad)} accounts were not read: {told[bad[0]] if bad else ''}")


def make_events() -> None:
    """An event of each person, and five workflows that take all of them."""
    from people.models import Event, Person

    for number in range(DISPATCHED):
        rule = {"field": "email", "operator": "contains", "value": "user"}
        delay = {"key": "delay", "kind": "delay", "settings": {"for_days": 1}}
        make(f"taker {number}", [delay], begin={"actions": ["edit"], "rules": [rule]})
    people = Person.objects.order_by("pk").values_list("pk", flat=True)
    Event.objects.bulk_create(
        [
            Event(
                object="person",
                object_id=pk,
                kind="edit",
                source="admin",
                actor="bench",
                changes={"title": ["Engineer", "Lead"]},
            )
            for pk in people
        ],
        batch_size=1_000,
    )


def dispatch() -> None:
    """Everything that is to be dispatched."""
    from django.utils import timezone

    from workflows.dispatch import dispatch_one
    from workflows.models import RunItem

    while dispatch_one(timezone.now()):
        pass
    print(f"{RunItem.objects.count()} items", file=sys.stderr)


def get_ready(what: str, limit: int) -> None:
    """What a worker has done long before; not timed."""
    from django.urls import reverse

    from integrations.models import Credentials
    from integrations.registry import vendors

    vendors()
    reverse("admin:index")  # reads all addresses; mails hold some
    if limit:
        Credentials.objects.update(overrides=rate(limit))
    if what == "dispatch":
        make_events()


def main(what: str, number: int, limit: int) -> None:
    get_ready(what, limit)
    cases = {
        "calls": lambda: call(number),
        "roles": lambda: read_roles(number),
        "dispatch": dispatch,
        **{name: lambda: run_workflow(what) for name in NAMES},
    }
    profile = cProfile.Profile() if os.environ.get("PROFILE") else None
    began, cpu = time.perf_counter(), cpu_seconds()
    if profile is not None:
        profile.runcall(cases[what])
        profile.dump_stats(os.environ["PROFILE"])
    else:
        cases[what]()
    told = {"seconds": time.perf_counter() - began, "cpu": cpu_seconds() - cpu}
    print(orjson.dumps({**told, "megabytes": peak_megabytes()}).decode())


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    django.setup()
    if sys.argv[1] == "setup":
        setup(os.environ["SOURCE_URL"], int(sys.argv[2]))
    else:
        main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if sys.argv[3:] else 0)
