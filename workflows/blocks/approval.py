"""Approval: waits until one of the approvers says yes or no, or the time for it is over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from integrations.errors import TemplateError
from integrations.mails import one_line
from integrations.templates import render_text
from people.masking import mask
from workflows.approvals import (
    APPROVED,
    asked_of,
    find_approvers,
    in_words,
    missing_approvers,
    named_in,
)
from workflows.block_checks import is_blank, is_constant, unknown_settings, whole_number
from workflows.definition import BlockPart
from workflows.errors import Mistake
from workflows.facts import Facts
from workflows.kinds import BlockKind, Item, Mail, Outcome, Planned, Step, Then, stops
from workflows.links import link_to
from workflows.models import RunItem
from workflows.templates import check_template

DAYS = 14
"""How long it waits where the block does not say."""
_MOST_DAYS = 365
_MOST_APPROVERS = 50
_LONGEST_MESSAGE = 5_000
_NAMED = 20  # records in one mail


class Kind(BlockKind):
    key = "approval"
    label = "Approval"
    icon = "how_to_reg"
    help = (
        "Waits until one of the approvers has approved or rejected it. Approvers are usernames, "
        "e-mails of users, or groups; they get a mail. Without a decision it leaves by expired "
        f"after the deadline, {DAYS} days where none is given. Then the record is read again; if "
        "it no longer matches Begin, it ends there."
    )
    exits = ("approved", "rejected", "expired")

    def batch(self, block: BlockPart) -> int:
        return 1_000

    def check(self, block: BlockPart, facts: Facts) -> Iterator[Mistake]:
        yield from unknown_settings(block, ("approvers", "message", "deadline_days"))
        yield from _check_approvers(block, facts)
        message = block.settings.get("message")
        if is_blank(message) or not isinstance(message, str):
            yield Mistake(
                block.key,
                "settings.message",
                "Write what is to be approved, as a text for those who decide.",
            )
        else:
            yield from check_template(message, facts, block, "settings.message")
        yield from _check_deadline(block)

    def run(self, step: Step) -> Sequence[Outcome]:
        asks = [item for item in step.items if not asked_of(item.context).get("asked_at")]
        if not asks:
            return [_looked_at(item, step) for item in step.items]
        return _ask(step, {item.id for item in asks})

    def plan(self, step: Step) -> Sequence[Planned]:
        users = find_approvers(named_in(step.block.settings))
        return [
            _planned(step, item, [user.get_username() for user in users]) for item in step.items
        ]


# Checking.


def _check_approvers(block: BlockPart, facts: Facts) -> Iterator[Mistake]:
    approvers, at = block.settings.get("approvers"), "settings.approvers"
    if not isinstance(approvers, list) or is_blank(approvers):
        yield Mistake(
            block.key,
            at,
            "Say who approves: a list of usernames, e-mails of users, or groups.",
        )
        return
    if len(approvers) > _MOST_APPROVERS:
        yield Mistake(
            block.key, at, f"At most {_MOST_APPROVERS} approvers are taken. Name a group instead."
        )
    good = [one for one in approvers if isinstance(one, str) and is_constant(one)]
    for number, one in enumerate(approvers):
        if one not in good:
            yield Mistake(
                block.key,
                f"{at}[{number}]",
                "Approvers are the same for every record, so they are named without a placeholder. "
                "Give a username, the e-mail of a user, or a group.",
            )
    yield from _check_who_is_missing(block, good, facts.approvers)


def _check_who_is_missing(
    block: BlockPart, names: Sequence[str], known: frozenset[str]
) -> Iterator[Mistake]:
    """Somebody has to be there who can decide; who else is missing is only told."""
    missing = missing_approvers(names, known)
    named = ", ".join(f'"{one_line(one)[:80]}"' for one in missing)
    if names and len(missing) == len(names):
        yield Mistake(
            block.key,
            "settings.approvers",
            f"Nobody could approve: {named} is no active user, and no group with an active user. "
            "Name somebody else, or add the user first.",
        )
    elif missing:
        yield Mistake(
            block.key,
            "settings.approvers",
            f"{named} is no active user, and no group with an active user. The others can approve.",
            warning=True,
        )


def _check_deadline(block: BlockPart) -> Iterator[Mistake]:
    days = block.settings.get("deadline_days")
    number = whole_number(days)
    if days is not None and days != "" and (number is None or not 0 < number <= _MOST_DAYS):
        yield Mistake(
            block.key,
            "settings.deadline_days",
            f"The deadline is a whole number of days from 1 to {_MOST_DAYS}.",
        )


# Asking.


def _ask(step: Step, asks: set[int]) -> list[Outcome]:
    """Ask for those that came now; one mail per run tells of all of them. One query."""
    users = find_approvers(named_in(step.block.settings))
    if not users:
        sentence = (
            f'Nobody can approve at the block "{step.block.label}": none of its approvers is an '
            "active user any more. Name somebody else there, then activate the workflow."
        )
        return [
            stops(sentence, code="no_approver") if item.id in asks else _looked_at(item, step)
            for item in step.items
        ]
    names = [user.get_username() for user in users]
    addresses = tuple(user.email for user in users if user.email)
    new: dict[int, list[Item]] = {}
    for item in step.items:
        if item.id in asks:
            new.setdefault(item.run_id, []).append(item)
    mails = {run: (_mail(step, items, addresses),) for run, items in new.items() if addresses}
    return [
        _asked(step, item, names, mails.get(item.run_id, ()))
        if item.id in asks
        else _looked_at(item, step)
        for item in step.items
    ]


def _asked(step: Step, item: Item, names: Sequence[str], mails: tuple[Mail, ...]) -> Outcome:
    until = step.now + timedelta(days=_days(step.block.settings))
    return Outcome(
        then=Then.WAITS,
        exit="",
        waits_for=RunItem.WaitsFor.APPROVAL,
        due_at=until,
        mails=mails,
        note=f"Waits for approval by {_listed(names)} until {in_words(until)}.",
        context={
            "approval": {
                "asked_at": step.now.isoformat(),
                "until": until.isoformat(),
                "message": _message(step, item),
                "approvers": list(names),
            }
        },
    )


def _mail(step: Step, items: Sequence[Item], addresses: tuple[str, ...]) -> Mail:
    first = items[0]
    if len(items) == 1:
        about, link = first.record.label, link_to("runitem_change", first.id)
    else:
        about, link = f"{len(items)} records", link_to("workflowrun_change", first.run_id)
    listed = [f"{one.record.label}: {_message(step, one)}" for one in items[:_NAMED]]
    if len(items) > _NAMED:
        listed.append(f"And {len(items) - _NAMED} more.")
    until = in_words(step.now + timedelta(days=_days(step.block.settings)))
    lines = [
        f'The workflow "{step.workflow.name}" waits at "{step.block.label}" for your approval.',
        *listed,
        f"Approve or reject until {until}: {link}",
    ]
    return Mail(
        subject=one_line(f'Approval for "{step.workflow.name}": {about}'),
        body="\n\n".join(lines),
        recipients=addresses,
        together=True,
    )


def _message(step: Step, item: Item) -> str:
    """What is to be approved; it is asked for also where a value cannot be filled in."""
    template = str(step.block.settings.get("message") or "")
    try:
        text = mask(render_text(template, step.values(item), absent="blank"))
    except TemplateError as problem:
        return f"The message cannot be filled in: {problem.message}."
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[: _LONGEST_MESSAGE - 1]}…"


def _days(settings: Mapping[str, Any]) -> int:
    return whole_number(settings.get("deadline_days")) or DAYS


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMED])
    return f"{shown} and {len(names) - _NAMED} more" if len(names) > _NAMED else shown


# Looking again.


def _looked_at(item: Item, step: Step) -> Outcome:
    said = asked_of(item.context)
    if decision := said.get("decision"):
        verb = "Approved" if decision == APPROVED else "Rejected"
        reason = f": {said['reason']}" if said.get("reason") else "."
        at = in_words(datetime.fromisoformat(said["at"]))
        return Outcome(exit=str(decision), note=f"{verb} by {said.get('by')} on {at}{reason}")
    until = datetime.fromisoformat(said["until"])
    if until <= step.now:
        return Outcome(exit="expired", note=f"Nobody decided until {in_words(until)}.")
    return Outcome(
        then=Then.WAITS,
        exit="",
        waits_for=RunItem.WaitsFor.APPROVAL,
        due_at=until,
        note=f"Waits for approval by {_listed(said.get('approvers') or [])} "
        f"until {in_words(until)}.",
    )


def _planned(step: Step, item: Item, names: Sequence[str]) -> Planned:
    if not names:
        problem = "None of the approvers is an active user any more."
        return Planned("wait", "Would stop the workflow.", "approved", problem=problem)
    return Planned(
        "wait",
        f"Waits up to {_days(step.block.settings)} days for approval by {_listed(names)}: "
        f"{_message(step, item)}",
        "approved",
    )
