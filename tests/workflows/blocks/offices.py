"""A company's accounts at one vendor's sandbox, the same accounts here, and a role workflow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import Any

from django.utils import timezone

from integrations import services
from integrations.client import VendorClient
from integrations.models import LinkState, RecordLink
from integrations.paths import compile_path
from integrations.registry import get_vendor
from integrations.sandbox.server import Sandbox
from integrations.sandbox.vendor import RecordChange, StateChange
from saas.models import SaaSUser, SaaSUserRole
from tests.makers import make_application, make_integration, make_sandbox_credentials
from tests.workflows.blocks.steps import make_step, run_step
from tests.workflows.makers import make_workflow
from workflows.kinds import Outcome, Step
from workflows.models import Workflow
from workflows.writing import apply_outcomes

VENDORS = ("aha", "betterworks", "goto", "monday")
NO_LIMIT = {"per_minute": None, "per_second": None}
_FAST = {
    "aha": {"rate.per_minute": 100_000, "rate.per_second": 1000},
    "betterworks": {"rate.per_second": 1000},
    "goto": {"rate.per_second": 1000},
    "monday": {"rate.per_minute": 100_000, "rate.per_second": 1000},
}
_number = count(1)


@contextmanager
def offices(settings: Any) -> Iterator[Callable[..., Office]]:
    """Gives what opens the office of a vendor, with so many people who may have accounts there."""
    with ExitStack() as running:

        def opened(vendor: str, people: int = 12) -> Office:
            limits = dict.fromkeys(VENDORS, NO_LIMIT)
            sandbox = running.enter_context(Sandbox(people=people, seed=1, settings=limits))
            settings.EGRESS_EXTRA_HOSTS = [sandbox.url.removeprefix("http://")]
            settings.EGRESS_ALLOW_HTTP = True
            return Office(sandbox, vendor)

        yield opened


class Office:
    """One vendor with its credentials, its application, and the accounts that a load brought."""

    def __init__(self, sandbox: Sandbox, vendor: str) -> None:
        self.sandbox = sandbox
        self.vendor = vendor
        self.credentials = make_sandbox_credentials(
            sandbox, vendor, f"{vendor} {next(_number)}", overrides=_FAST[vendor]
        )
        self.inputs = sandbox.state[vendor].inputs()
        with self.client() as client:
            self.tenant = client.test().tenant
        self.application = make_application(
            f"{vendor} {next(_number)}", vendor=vendor, tenant=self.tenant
        )
        self.integration = make_integration(
            f"{vendor} load {next(_number)}",
            vendor=vendor,
            load="users",
            credentials=self.credentials,
            inputs=self.inputs,
            application=self.application,
            tenant=self.tenant,
            state="active",
            mappings=False,
        )
        self.load()
        self.sandbox.log.clear()

    def client(self) -> VendorClient:
        vendor = get_vendor(self.vendor).corrected(self.credentials.overrides)
        inputs = services.effective_inputs(self.vendor, self.inputs)
        return VendorClient(vendor, services.access_for(self.credentials), inputs=inputs)

    def load(self) -> None:
        """Make an account here for each there, as a load does, without roles."""
        load = get_vendor(self.vendor).load("users")
        read_id, read_email = compile_path(load.id), compile_path("email")
        with self.client() as client:
            records = [
                record
                for page in client.pages(load, today=timezone.localdate())
                for record in page.records
            ]
        for record in records:
            self.account(str(read_id(record)), email=str(read_email(record)))

    def account(self, external_id: str, **fields: Any) -> SaaSUser:
        """An account here that a listing had."""
        user = SaaSUser.objects.create(
            application=self.application, external_id=external_id, **fields
        )
        link = RecordLink.objects.create(
            vendor=self.vendor, tenant=self.tenant, external_id=external_id, saas_user=user
        )
        LinkState.objects.create(
            link=link, integration=self.integration, hash="x", seen_at=timezone.now()
        )
        return user

    def pad(self) -> None:
        """Accounts of long ago, so that the vendor's listing is thought to be long."""
        SaaSUser.objects.bulk_create(
            SaaSUser(
                application=self.application, external_id=f"old-{number}", status="deactivated"
            )
            for number in range(3_000)
        )

    def users(self) -> list[SaaSUser]:
        return list(SaaSUser.objects.filter(application=self.application).order_by("pk"))

    # The vendor's side.

    def join(self, **values: Any) -> SaaSUser:
        """A new account at the vendor and here."""
        number = next(_number)
        email = f"new{number}@acme.example"
        names = {"first_name": "New", "last_name": f"Joiner {number}"}
        if self.vendor == "monday":
            names = {"name": f"New Joiner {number}"}
        record = {"email": email, **names, **values}
        added = self.sandbox.change(StateChange(vendor=self.vendor, add=[record]))
        return self.account(added[self.vendor][0], email=email)

    def change(self, user: SaaSUser, **values: Any) -> None:
        """Set values of the account at the vendor."""
        change = RecordChange(id=user.external_id, set=values)
        self.sandbox.change(StateChange(vendor=self.vendor, change=[change]))

    def remove(self, *users: SaaSUser) -> None:
        """Take accounts away at the vendor."""
        ids = [user.external_id for user in users]
        self.sandbox.change(StateChange(vendor=self.vendor, delete=ids))

    def calls(self) -> list[str]:
        """What arrived at the vendor, token calls left out."""
        return [f"{one.method} {one.path}" for one in self.sandbox.log if "oauth" not in one.path]

    def effects(self) -> list[str]:
        """What the vendor committed."""
        return [one.op for one in self.sandbox.ledger if not one.op.startswith("token.")]

    # The workflow.

    def workflow(self, **settings: Any) -> Workflow:
        """A workflow that reads roles of this application's users."""
        block = {
            "key": "role",
            "kind": "saas_user_role",
            "preset": f"{self.vendor}.user_role",
            "credentials": self.credentials.name,
            "settings": settings,
        }
        return make_workflow([block], application=self.application)

    def read(
        self, users: Iterable[SaaSUser], *, item: Mapping[str, Any] | None = None, **settings: Any
    ) -> list[Outcome]:
        """Run the block for these users, and write what it found."""
        step = make_step(self.workflow(**settings), "role", users, **(item or {}))
        return finish(step)


def finish(step: Step) -> list[Outcome]:
    """Run the block, and write what it found as the engine does."""
    return apply_outcomes(step, run_step(step), now=step.clock())


def roles_now(user: SaaSUser) -> list[str]:
    """The roles that an account has now, the primary one first."""
    rows = SaaSUserRole.objects.filter(saas_user=user, valid_to=None).order_by("rank")
    return list(rows.values_list("role", flat=True))
