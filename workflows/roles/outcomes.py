"""What a block does with what the vendor said of accounts: roles, not found, deactivated here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from integrations.errors import TryLater, VendorError
from integrations.presets.read import RoleReading
from integrations.sync.prove import LASTS
from workflows.kinds import Item, Outcome, Step, Then, failed
from workflows.records import DEACTIVATED
from workflows.removals import held, removal_changes, removal_hash
from workflows.roles.opening import Opened
from workflows.roles.reading import Told

MOST_TRIES = 5
_PAUSES = tuple(timedelta(minutes=one) for one in (1, 5, 15, 60))
_GOOD = 200
_UNREAD = "unread"  # in the item's context: how often it waited for the vendor, by step


@dataclass(frozen=True)
class Teller:
    """Makes the outcomes of one batch; `request` is the call of the listing, masked.

    Accounts that were asked for one by one are `looked_up`.
    """

    step: Step
    opened: Opened
    request: Any = None
    looked_up: frozenset[str] = frozenset()

    def of(self, item: Item, told: Told, *, owner: str | None) -> Outcome:
        """The outcome of an account about which the vendor said something, or nothing."""
        if told.reading is None:
            assert told.problem is not None  # noqa: S101 - one of the two
            return self.unread(item, told.problem)
        if not told.reading.found:
            return self._not_found(item, told, owner)
        return self._found(item, told.reading)

    def _request(self, item: Item) -> Any:
        """The call that decided about an item's account."""
        external_id = external_id_of(item)
        if external_id in self.looked_up:
            return self.opened.look_up_request(external_id)
        return self.request

    # Found.

    def _found(self, item: Item, reading: RoleReading) -> Outcome:
        label = self.opened.label
        answer: dict[str, Any] = {"found": True, "status": reading.status}
        base = Outcome(found=True, request=self._request(item), answer=answer, status=_GOOD)
        if reading.status == DEACTIVATED:
            because = f"{label} says that the account is not active."
            if self.opened.by_status:
                return replace(base, removes=because, note=f"{because} Deactivated here.")
            return replace(base, note=f"{because} This block left the account here as it is.")
        if item.record.status == DEACTIVATED:
            note = "It is deactivated here, so it has no roles. The load says if it is back."
            return replace(base, note=note)
        if reading.rows is None:
            note = f"{label} said nothing that could be read of its roles; they stay as they were."
            return replace(base, code="roles_unknown", note=note)
        roles = [
            {"role": role, "scope_id": scope_id, "scope": scope}
            for role, scope_id, scope in reading.rows
        ]
        answer["roles"] = roles
        named = ", ".join(dict.fromkeys(row["role"] for row in roles))
        return replace(base, roles=roles, note=f"{label} says: {named}."[:500])

    # Not found.

    def _not_found(self, item: Item, told: Told, owner: str | None) -> Outcome:
        label = self.opened.label
        note = f"Not found at {label}."
        base = Outcome(
            found=False,
            code="not_found",
            request=self._request(item),
            answer={"found": False},
            status=told.status,
            note=note,
        )
        if item.record.status == DEACTIVATED or not self.opened.by_absence:
            return replace(base, note=f"{note} The account here was left as it is.")
        if not told.is_proof:
            return replace(
                base, note=f"{note} It is missing since today only, so it stays for now."
            )
        if owner is not None and owner == external_id_of(item):
            return replace(base, note=f"{note} Left: the credentials belong to this account.")
        if self.step.clock() - told.at > LASTS:
            return Outcome(
                then=Then.WAITS,
                exit="",
                waits_for="time",
                due_at=self.step.clock(),
                code="proof_too_old",
                note=f"{note} That was more than 15 minutes ago, so it is asked again.",
            )
        return replace(base, removes=f"Not found at {label}.", note=f"{note} Deactivated here.")

    def held_unproven(self, item: Item, because: str) -> Outcome:
        """A removal that waits for a person before anybody is looked up (M-11)."""
        values = item.record.values
        changes = removal_changes(values["status"], values.get("roles") or ())
        wanted = Outcome(
            removes=f"The listing of {self.opened.label} does not name it.",
            request=self._request(item),
        )
        return held(wanted, removal_hash(item.record.object, item.record.id, changes), because)

    # Nobody knows.

    def unread(self, item: Item, problem: VendorError) -> Outcome:
        """It waits while the vendor is away, five times; anything else is a failure (C-25)."""
        key = f"{self.step.block.key}:{item.retry}"
        before: Mapping[str, int] = item.context.get(_UNREAD) or {}
        tries = before.get(key, 0) + 1
        reason = f"The roles of {item.record.label} could not be read: {problem.message}"
        if not isinstance(problem, TryLater) or tries >= MOST_TRIES:
            return failed(
                reason, code=problem.code, status=problem.status, request=self._request(item)
            )
        return Outcome(
            then=Then.WAITS,
            exit="",
            waits_for="time",
            due_at=self._again_at(tries, problem),
            note=reason,
            code=problem.code,
            status=problem.status,
            context={_UNREAD: {**before, key: tries}},
        )

    def _again_at(self, tries: int, problem: VendorError) -> datetime:
        asked = timedelta(seconds=problem.retry_after or 0)
        return self.step.clock() + max(_PAUSES[tries - 1], asked)


def external_id_of(item: Item) -> str:
    """The id of the item's account at the vendor."""
    return str(item.record.values["external_id"])
