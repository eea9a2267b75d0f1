"""What waits for a person's word at Approval blocks, who may say it, and saying it once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import formats, timezone

from integrations.broker import wake
from integrations.mails import one_line
from workflows.errors import CannotDecide, NotAllowed
from workflows.models import Block, RunItem

DECIDE = "workflows.decide_runitem"
APPROVED, REJECTED = "approved", "rejected"
KIND = "approval"
LONGEST_REASON = 500
_WAITING = {"state": RunItem.State.WAITING, "waits_for": RunItem.WaitsFor.APPROVAL}


# Who may.


def approver_names() -> frozenset[str]:
    """Everything that names an active user: username, e-mail, group; in lower case. One query."""
    rows = User.objects.filter(is_active=True).values_list("username", "email", "groups__name")
    return _folded(name for row in rows for name in row if name)


def find_approvers(names: Iterable[str]) -> list[User]:
    """The active users that these usernames, e-mails and groups name. One query.

    Compared here: SQLite folds no letters but those of ASCII.
    """
    wanted = _folded(names)
    users = User.objects.filter(is_active=True).annotate(group=F("groups__name"))
    return list(
        {
            user.pk: user
            for user in users.order_by("username")
            if wanted & _folded(filter(None, [user.username, user.email, user.group]))
        }.values()
    )


def named_in(settings: Mapping[str, Any]) -> list[str]:
    """The approvers that a block's settings name."""
    approvers = settings.get("approvers")
    return [str(one) for one in approvers] if isinstance(approvers, list) else []


def waiting_for(user: User) -> QuerySet[RunItem]:
    """The items that wait for a decision which this user may make, most urgent first.

    Two queries, and one or two more for permissions and groups that were not read yet; then that
    of the items.
    """
    waiting = RunItem.objects.filter(**_WAITING).order_by("due_at", "pk")
    if not user.is_active:
        return waiting.none()
    if user.has_perm(DECIDE):
        return waiting
    blocks = Block.objects.filter(kind=KIND, version__in=waiting.order_by().values("version"))
    names = _names_of(user)
    mine = Q(pk__in=[])
    for version_id, key, settings in blocks.values_list("version", "key", "settings"):
        if names & _folded(named_in(settings)):
            mine |= Q(version=version_id, block=key)
    return waiting.filter(mine)


def may_decide(user: User, item: RunItem) -> bool:
    """Whether this user may say the word at the block where the item is. Up to four queries."""
    if not user.is_active:
        return False
    if user.has_perm(DECIDE):
        return True
    block = Block.objects.filter(version=item.version_id, key=item.block, kind=KIND).first()
    return block is not None and bool(_names_of(user) & _folded(named_in(block.settings)))


def _names_of(user: User) -> frozenset[str]:
    groups = user.groups.values_list("name", flat=True)
    return _folded(name for name in [user.username, user.email, *groups] if name)


def _folded(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.strip().lower() for name in names)


# Deciding.


def decide(
    item_id: int, *, user: User, approve: bool, reason: str = "", now: datetime | None = None
) -> None:
    """Approve or reject once what waits at an Approval block; the item then goes on by itself.

    Of two people who decide at once, one is told what the other said. About six queries. Raises
    NotAllowed, and CannotDecide when it does not wait for a decision any more.
    """
    moment = now or timezone.now()
    with transaction.atomic():
        item = RunItem.objects.select_for_update().filter(pk=item_id).first()
        if item is None:
            raise CannotDecide("This approval does not exist any more.")
        _refuse_who_may_not(user, item)
        _refuse_unless_waiting(item, moment)
        decision = {
            "decision": APPROVED if approve else REJECTED,
            "by": user.get_username(),
            "reason": one_line(reason)[:LONGEST_REASON],
            "at": moment.isoformat(),
        }
        context = {**item.context, "approval": {**asked_of(item.context), **decision}}
        # Where rows cannot be locked, as in SQLite, the state decides who was first.
        decided = RunItem.objects.filter(pk=item.pk, fence=item.fence, **_WAITING).update(
            state=RunItem.State.READY, waits_for="", due_at=moment, context=context
        )
        if not decided:
            raise CannotDecide("Somebody else decided at the same moment. Look again.")
        transaction.on_commit(wake)


def asked_of(context: Mapping[str, Any]) -> dict[str, Any]:
    """What an item says of its approval: asked_at, until, message, approvers; then decision, by."""
    return dict(context.get("approval") or {})


def _refuse_who_may_not(user: User, item: RunItem) -> None:
    """Behind the block nobody knows any more who its approvers were; then it is too late."""
    if may_decide(user, item):
        return
    if not _waits(item):
        raise CannotDecide("It does not wait for an approval any more.")
    raise NotAllowed(
        "You are none of the approvers of this block. One of them can decide, or somebody with the "
        "permission to approve and reject what workflows hold."
    )


def _waits(item: RunItem) -> bool:
    return item.state == _WAITING["state"] and item.waits_for == _WAITING["waits_for"]


def _refuse_unless_waiting(item: RunItem, now: datetime) -> None:
    said = asked_of(item.context)
    if decision := said.get("decision"):
        raise CannotDecide(f"{said.get('by')} has {decision} it already.")
    if not _waits(item):
        state = RunItem.State(item.state).label.lower()
        raise CannotDecide(f"It does not wait for an approval any more ({state}).")
    if item.due_at is not None and item.due_at <= now:
        raise CannotDecide(f"The time for deciding ended on {in_words(item.due_at)}.")


def in_words(moment: datetime) -> str:
    """A moment here, with its zone."""
    local = timezone.localtime(moment)
    return f"{formats.date_format(local, 'j M Y, H:i')} {local.tzname()}"


def missing_approvers(names: Collection[str], known: Collection[str]) -> list[str]:
    """Those that name no active user."""
    return [name for name in names if name.strip().lower() not in known]
