"""Planning accounts: a record's SaaS user is created, changed, or left as it is (M-5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.models import PlannedChange
from integrations.sync.people_rows import Changes
from integrations.sync.plan_batch import COMES, BatchPlan, Owner
from integrations.sync.plan_rows import Action
from integrations.sync.records import Staged
from integrations.sync.user_rows import for_known_user, for_new_user
from integrations.sync.work import Work
from saas.models import SaaSUser


def plan_user(one: Staged, owner: Owner, plan: BatchPlan) -> None:
    """Plan the account's row; a filtered-out record only keeps a known one true (M-9). No query."""
    known = plan.records.users.get(one.external_id)
    if known is None and one.outcome == "filtered":
        plan.work.count("saas_user", one.external_id, "skipped")
        return
    if owner.person_id is None:
        plan.work.look_again.add(one.external_id)
    if known is None:
        changes = for_new_user(one, person=owner.email if owner.person_id is not None else None)
        reason = "An account that was not known here."
        plan.add("saas_user", Action.CREATE, one, changes, reason)
    else:
        _plan_known(one, known, owner, plan)


def _plan_known(one: Staged, known: Mapping[str, Any], owner: Owner, plan: BatchPlan) -> None:
    if not plan.work.roles_are_known:
        one = one._replace(roles=None)
        plan.work.look_again.add(one.external_id)
    changes = for_known_user(
        one, known, plan.records, person_id=owner.person_id or None, person=owner.email
    )
    if owner.person_id == COMES:
        changes["person"] = [None, owner.email]
    if not changes:
        plan.count_untouched("saas_user", one)
        return
    action, reason = _action_and_reason(changes, plan.work)
    plan.add("saas_user", action, one, changes, reason).target_id = known["id"]


def _action_and_reason(changes: Changes, work: Work) -> tuple[PlannedChange.Action, str]:
    status = changes.get("status", [None, None])[1]
    if status == SaaSUser.Status.DEACTIVATED:
        return Action.DEACTIVATE, f"{work.vendor.label} says: no longer active (M-12)."
    if status == SaaSUser.Status.ACTIVE:
        return Action.REACTIVATE, f"{work.vendor.label} says: active again."
    return Action.UPDATE, f"{work.vendor.label} has other values."
