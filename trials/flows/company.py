"""A company whose workflows call vendors, over a wire that sees each request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from trials.killing.trap import Trap
from trials.killing.wires import Wire, Wires

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from integrations.sandbox.ledger import Effect
    from integrations.sandbox.server import Sandbox
    from people.models import Person
    from tests.integrations.presets.desk import Desk
    from workflows.models import Workflow

TELL = {
    "key": "tell",
    "kind": "notification",
    "settings": {
        "recipients": ["it@example.com"],
        "subject": "About {{ email }}",
        "message": "{{ title }}",
    },
    "exits": {"success": "end", "failure": "end"},
}
# What each workflow does at a vendor for a record: block -> the sandbox's word for the effect.
EFFECTS: Mapping[str, Mapping[str, str]] = {
    "joining": {"make": "user.create", "room": "department.create"},
    "leaving": {"licence": "license.assign", "welcome": "mail.welcome"},
}
# Setting these again is no second effect.
MAY_REPEAT = frozenset({"license.assign"})
WAYS: Mapping[str, Sequence[tuple[str, str]]] = {
    "joining": (
        ("note", "success"),
        ("make", "success"),
        ("room", "success"),
        ("is_noted", "yes"),
        ("tell", "success"),
    ),
    "leaving": (
        ("licence", "success"),
        ("pause", "success"),
        ("word", "approved"),
        ("welcome", "success"),
        ("tell", "success"),
    ),
}


@dataclass
class Company:
    """Its vendors, workflows, and who approves. `wire` is where requests pass.

    `note` is a field of its accounts.
    """

    sandbox: Sandbox
    wire: Wire
    trap: Trap
    desks: Mapping[str, Desk]
    workflows: Mapping[str, Workflow]
    boss: User
    note: str
    _number: Iterator[int] = field(default_factory=lambda: count(1))

    def people(self, name: str, number: int) -> list[Person]:
        """People for a run of this workflow, with the accounts that it needs."""
        return [self._joiner() if name == "joining" else self._leaver() for _one in range(number)]

    def _joiner(self) -> Person:
        email = f"joiner{next(self._number)}@acme.example"
        return self.desks["betterworks"].person(email=email, title="Before", location="Berlin")

    def _leaver(self) -> Person:
        email = f"leaver{next(self._number)}@acme.example"
        account = self.desks["goto"].account(email=email)
        return self.desks["goto"].person(
            vendor_id=account.external_id, email=email, title="Before", location="Berlin"
        )

    def effects(self) -> list[Effect]:
        """What vendors committed, tokens left out."""
        return [one for one in self.sandbox.ledger if not one.op.startswith("token.")]


@contextmanager
def open_company() -> Iterator[Company]:
    """Make all of it in the present database, which is empty."""
    from django.conf import settings
    from django.contrib.auth.models import User

    from integrations.sandbox.server import Sandbox
    from tests.integrations.presets.desk import NO_LIMIT, VENDORS, Desk
    from tests.makers import make_custom_field

    limits = dict.fromkeys(VENDORS, NO_LIMIT)
    trap = Trap()
    with Sandbox(people=3, seed=1, settings=limits) as sandbox, Wires() as wires:
        wire = wires.to_vendor(int(sandbox.url.rpartition(":")[2]), trap)
        settings.EGRESS_EXTRA_HOSTS = [
            f"127.0.0.1:{wire.port}",
            sandbox.url.removeprefix("http://"),
        ]
        settings.EGRESS_ALLOW_HTTP = True
        desks = {vendor: Desk(sandbox, vendor) for vendor in VENDORS}
        for desk in desks.values():
            through(desk, sandbox, wire)
        boss = User.objects.create_superuser("boss", "boss@example.com")
        note = make_custom_field("Note", object="saas_user").key
        workflows = {"joining": _joining(desks), "leaving": _leaving(desks)}
        try:
            yield Company(sandbox, wire, trap, desks, workflows, boss, note)
        finally:
            trap.release()
            wire.close()


def through(desk: Desk, sandbox: Sandbox, wire: Wire) -> None:
    """Let the calls of a desk pass over the wire."""
    port = sandbox.url.rpartition(":")[2]
    desk.credentials.base_url = desk.credentials.base_url.replace(f":{port}/", f":{wire.port}/")
    desk.credentials.save(update_fields=["base_url"])


def call_block(
    key: str, desk: Desk, preset: str, following: str, **settings: Any
) -> dict[str, Any]:
    """An API block; a failure goes to the notification."""
    return {
        "key": key,
        "kind": "api",
        "preset": f"{desk.vendor}.{preset}",
        "credentials": desk.credentials.name,
        "settings": settings,
        "exits": {"success": following, "failure": "tell"},
    }


def joining_blocks(desks: Mapping[str, Desk], *, title: str = "Seen in") -> list[dict[str, Any]]:
    """Update, create twice at a vendor, divide, tell."""
    kept_id = [{"from": "{{ response.id }}", "to": desks["betterworks"].id_field}]
    rules = {"field": "title", "operator": "begins_with", "value": title}
    return [
        {
            "key": "note",
            "kind": "update",
            "settings": {"set": {"title": f"{title} {{{{ location }}}}"}},
            "exits": {"success": "make", "failure": "tell"},
        },
        call_block(
            "make",
            desks["betterworks"],
            "create_user",
            "room",
            response={"positive": kept_id},
        ),
        call_block(
            "room",
            desks["betterworks"],
            "create_department",
            "is_noted",
            inputs={"name": "Room of {{ email }}"},
        ),
        {
            "key": "is_noted",
            "kind": "condition",
            "settings": {"rules": rules},
            "exits": {"yes": "tell", "no": "end"},
        },
        TELL,
    ]


def _joining(desks: Mapping[str, Desk]) -> Workflow:
    from tests.workflows.makers import make_workflow

    return make_workflow(joining_blocks(desks), name="joining")


def _leaving(desks: Mapping[str, Desk]) -> Workflow:
    """Give a licence, wait an hour, wait for a word, send a mail that nothing shows afterwards."""
    from tests.workflows.makers import make_workflow

    directory: Any = desks["goto"].sandbox.state["goto"]
    licence = next(iter(directory.directory.licences.values()))
    licence.seats = 100_000
    give = call_block(
        "licence",
        desks["goto"],
        "assign_license_to_user_by_email",
        "pause",
        inputs={"license_key": licence.key},
    )
    pause = {
        "key": "pause",
        "kind": "delay",
        "settings": {"for_hours": 1},
        "exits": {"success": "word"},
    }
    word = {
        "key": "word",
        "kind": "approval",
        "settings": {"approvers": ["boss"], "message": "May {{ email }} be told?"},
        "exits": {"approved": "welcome", "rejected": "tell", "expired": "tell"},
    }
    welcome = call_block("welcome", desks["goto"], "resend_welcome_email", "tell")
    return make_workflow([give, pause, word, welcome, TELL], name="leaving")
