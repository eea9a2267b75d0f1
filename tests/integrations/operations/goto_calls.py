"""Calls to the sandbox's GoTo: accounts, licences and a mail that can be sent twice."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from integrations.presets.call import PresetCall
from integrations.sandbox.server import Sandbox
from tests.integrations.sync.worlds import sync
from tests.integrations.vendors.goto_account import Account

from .calls import Clock, Desk

Made = tuple[PresetCall, str]


class GotoDesk(Desk):
    """A loaded account of GoTo, and calls as the preset engine makes them."""

    def __init__(self, sandbox: Sandbox, clock: Clock) -> None:
        self.sandbox, self.clock, self.vendor = sandbox, clock, "goto"
        self.account = Account(sandbox)
        self.credentials = self.account.credentials
        self.tenant = self.account.side.inputs()["account_key"]
        sync(self.account.integration)  # so that there is a record to check look-ups by
        licences = self.account.side.directory.licences.values()
        licence = max(licences, key=lambda one: one.seats)
        licence.seats = 10_000
        self.licence = licence.key

    def user(self, number: int) -> Made:
        """Add a user."""
        email = f"new{number}@acme.example"
        inputs = {"email": email, "first_name": "Ann", "last_name": "Lee"}
        return self.call("add_users", {"email": email, "inputs": inputs}), email

    def removal(self, number: int) -> Made:
        """Delete a user that there is."""
        key = self.account.add(f"leaver{number}")
        return self.call("delete_users", {"goto_user_key": key}), f"leaver{number}@acme.example"

    def mail(self, number: int) -> Made:
        """Send the welcome mail again, which nothing shows afterwards."""
        key = self.account.add(f"welcome{number}")
        call = self.call("resend_welcome_email", {"goto_user_key": key})
        return call, f"welcome{number}@acme.example"

    def assignment(self, number: int, *, take: bool = False) -> Made:
        """Give a licence to a user who has none, or take it from one who was given it."""
        name = f"{'taken' if take else 'given'}{number}"
        key = self.account.add(name)
        inputs = {"license_key": self.licence}
        values = {
            "email": f"{name}@acme.example",
            "inputs": inputs,
            "looked_up": {"user": {"key": key}},
        }
        give = self.call("assign_license_to_user_by_email", values)
        if not take:
            return give, f"{name}@acme.example"
        self.perform(give)
        return self.call("unassign_license_by_email", values), f"{name}@acme.example"

    @property
    def unassignment(self) -> Callable[[int], Made]:
        """The reverse of `assignment`."""
        return partial(self.assignment, take=True)
