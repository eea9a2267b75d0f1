"""One batch of the SaaS User Role block: one client, the listing once, look-ups for the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from integrations.client import VendorClient
from integrations.errors import (
    AskPerson,
    BrokenAnswer,
    IntegrationsError,
    TryLater,
    VendorError,
)
from saas.models import SaaSUser
from workflows.kinds import Item, Outcome, Step, stops
from workflows.records import DEACTIVATED
from workflows.removals import room_of
from workflows.roles.opening import NotReady, Opened, check_application, open_account
from workflows.roles.outcomes import Teller, external_id_of
from workflows.roles.reading import Listed, RoleReader, Told, listing_is_cheaper

# What a person has to mend in Rolecall before any account can be read.
_MEND = frozenset({"input_invalid", "credentials_invalid", "egress_refused", "other_account"})


def read_roles(step: Step) -> list[Outcome]:
    """Ask the vendor about every item's account. Sends nothing that changes anything.

    At most as many calls as the listing has pages and five more where the vendor lists and every
    account is found; one for each account that a listing lacks. About twelve queries.
    """
    try:
        opened = open_account(step)
        client = opened.account.open()
    except NotReady as problem:
        return [stops(str(problem)) for _item in step.items]
    except IntegrationsError as problem:
        return [stops(problem.message) for _item in step.items]
    with client:
        return _Batch(step, opened, client).outcomes()


class _Batch:
    """One batch while it is read."""

    def __init__(self, step: Step, opened: Opened, client: VendorClient) -> None:
        self._step = step
        self._opened = opened
        self._client = client
        self._today: date = step.now.astimezone(step.zone).date()
        self._reader = RoleReader(client, opened.load, tenant=self._tenant(), clock=step.clock)

    def _tenant(self) -> str:
        application = self._step.workflow.application
        return (application.tenant or "") if application is not None else ""

    def outcomes(self) -> list[Outcome]:
        wanted = list(dict.fromkeys(external_id_of(item) for item in self._step.items))
        teller = Teller(self._step, self._opened)
        try:
            self._check_account()
        except NotReady as problem:
            return [stops(str(problem)) for _item in self._step.items]
        except VendorError as problem:
            if isinstance(problem, AskPerson) and problem.code in _MEND:
                return [stops(problem.message) for _item in self._step.items]
            return [teller.unread(item, problem) for item in self._step.items]
        if not self._lists(len(wanted)):
            told = self._reader.look_up(wanted, control=None, today=self._today)
            return self._tell(replace(teller, looked_up=frozenset(wanted)), told, _Held())
        request = self._opened.listing_request(self._today)
        return self._from_listing(wanted, Teller(self._step, self._opened, request))

    def _check_account(self) -> None:
        """Whose account answers, where only the vendor says it. One call at most."""
        asked = self._opened.account.asked(self._client)
        check_application(self._step.workflow.application, asked)

    def _lists(self, wanted: int) -> bool:
        accounts = SaaSUser.objects.filter(application=self._step.workflow.application_id)
        return listing_is_cheaper(self._opened.load, wanted=wanted, accounts=accounts.count())

    def _from_listing(self, wanted: Sequence[str], teller: Teller) -> list[Outcome]:
        listed = self._reader.list_them(wanted, today=self._today)
        told = dict(listed.found)
        missing = [key for key in wanted if key not in told]
        problem = listed.problem
        if isinstance(problem, AskPerson | TryLater):
            # Who could be asked now? Nobody: the vendor refuses us, or is away.
            told |= {key: Told(self._step.clock(), problem=problem) for key in missing}
            return self._tell(teller, told, _Held())
        held = self._too_many(missing, listed)
        needed = {external_id_of(item) for item in self._step.items if not held.waits(item)}
        asked = [key for key in missing if key in needed]
        if asked:
            told |= self._reader.look_up(asked, control=listed.control, today=self._today)
        teller = replace(teller, looked_up=frozenset(asked))
        return self._tell(teller, told, held, None if listed.whole else _broken(listed))

    def _too_many(self, missing: Sequence[str], listed: Listed) -> _Held:
        """What is held before anybody is looked up, run by run (M-11, M-15). Three queries."""
        gone = frozenset(missing)
        if not self._opened.by_absence or not missing or not listed.whole:
            return _Held()
        per_run: dict[int, set[str]] = {}
        for item in self._step.items:
            if _may_go(item, gone):
                per_run.setdefault(item.run_id, set()).add(external_id_of(item))
        if not per_run or listed.short:
            return _Held(gone, dict.fromkeys(per_run, listed.short))
        room = room_of(self._step.workflow, self._step.now)
        because = {
            run: room.in_words(len(keys))
            for run, keys in per_run.items()
            if not room.allows(len(keys))
        }
        return _Held(gone, because)

    def _tell(
        self,
        teller: Teller,
        told: Mapping[str, Told],
        held: _Held,
        broken: BrokenAnswer | None = None,
    ) -> list[Outcome]:
        owner, nobody = self._owner(told.values())
        outcomes = []
        for item in self._step.items:
            if held.waits(item):
                outcomes.append(teller.held_unproven(item, held.because[item.run_id]))
                continue
            one = told[external_id_of(item)]
            removes = one.is_proof and item.record.status != DEACTIVATED
            if broken is not None and self._is_in_doubt(one, removes=removes):
                outcomes.append(teller.unread(item, broken))
            elif nobody is not None and removes:
                outcomes.append(teller.unread(item, nobody))
            else:
                outcomes.append(teller.of(item, one, owner=owner))
        return outcomes

    def _is_in_doubt(self, one: Told, *, removes: bool) -> bool:
        """Whether something would follow from being absent in a listing that broke off (M-11)."""
        if self._opened.load.lookup is None:
            return one.reading is not None and not one.reading.found
        return removes and self._opened.by_absence

    def _owner(self, told: Iterable[Told]) -> tuple[str | None, VendorError | None]:
        """Whose the credentials are, where somebody may be removed (M-15). One call then.

        A vendor that cannot say it now is a reason to remove nobody.
        """
        if not self._opened.by_absence or not any(one.is_proof for one in told):
            return None, None
        try:
            return self._client.owner_id(), None
        except VendorError as problem:
            return None, problem


def _broken(listed: Listed) -> BrokenAnswer:
    """Of a listing that broke off nobody is missing, so nobody's removal is proven (M-11)."""
    why = f" {listed.problem.message}" if listed.problem is not None else ""
    return BrokenAnswer(
        "listing_broken",
        f"The listing did not end as it should, so that nobody counts as missing.{why}",
    )


@dataclass(frozen=True)
class _Held:
    """Which removals wait for a person before anybody is looked up: accounts, and why by run."""

    missing: frozenset[str] = frozenset()
    because: Mapping[int, str] = field(default_factory=dict)

    def waits(self, item: Item) -> bool:
        return item.run_id in self.because and _may_go(item, self.missing)


def _may_go(item: Item, missing: frozenset[str]) -> bool:
    """Whether it is active here, absent there, and nobody approved its removal by name."""
    absent = external_id_of(item) in missing
    return absent and not item.approved_by and item.record.status != DEACTIVATED
