"""Notification: a mail about a record, to fixed addresses and to those that its fields hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from integrations.addresses import is_address
from integrations.errors import TemplateError
from integrations.filters import as_text
from integrations.mails import one_line
from integrations.templates import parse, render_text
from people.masking import mask
from workflows.block_checks import is_blank, is_constant, unknown_settings
from workflows.definition import BlockPart
from workflows.errors import Mistake
from workflows.facts import Facts
from workflows.kinds import BlockKind, Item, Mail, Outcome, Planned, Step, failed
from workflows.templates import check_template

_MOST_RECIPIENTS = 50
_LONGEST_SUBJECT = 200
_LONGEST_MESSAGE = 20_000
# Of one value: a stored answer of a vendor must not push the rest out of the mail.
_LONGEST_VALUE = 2_000


class Kind(BlockKind):
    key = "notification"
    label = "Notification"
    icon = "mail"
    help = (
        "Sends a mail. Recipients are addresses, or fields that hold one, such as {{ email }} and "
        "{{ manager }}. The exit is failure where nobody of them has an address. Whether the mail "
        "could be sent does not decide whether the record failed."
    )
    only_tells = True

    def batch(self, block: BlockPart) -> int:
        return 1_000

    def check(self, block: BlockPart, facts: Facts) -> Iterator[Mistake]:
        yield from unknown_settings(block, ("recipients", "subject", "message"))
        yield from _check_recipients(block, facts)
        for name in ("subject", "message"):
            yield from _check_text(block, facts, name)

    def run(self, step: Step) -> Sequence[Outcome]:
        return [_outcome(step, item) for item in step.items]

    def plan(self, step: Step) -> Sequence[Planned]:
        return [_planned(step, item) for item in step.items]


# Checking.


def _check_recipients(block: BlockPart, facts: Facts) -> Iterator[Mistake]:
    recipients = block.settings.get("recipients")
    if not isinstance(recipients, list) or is_blank(recipients):
        yield Mistake(
            block.key,
            "settings.recipients",
            "Say who gets the mail: a list of addresses, or of fields that hold one, such as "
            '"it@example.com" and "{{ manager }}".',
        )
        return
    if len(recipients) > _MOST_RECIPIENTS:
        yield Mistake(
            block.key,
            "settings.recipients",
            f"One mail has at most {_MOST_RECIPIENTS} recipients, and this one has "
            f"{len(recipients)}. Use the address of a mailing list.",
        )
    for number, recipient in enumerate(recipients):
        yield from _check_recipient(block, facts, f"settings.recipients[{number}]", recipient)


def _check_recipient(block: BlockPart, facts: Facts, at: str, recipient: Any) -> Iterator[Mistake]:
    if isinstance(recipient, str) and not is_constant(recipient):
        yield from check_template(recipient, facts, block, at)
    elif not isinstance(recipient, str) or not is_address(recipient.strip()):
        shown = one_line(str(recipient))[:80]
        yield Mistake(
            block.key,
            at,
            f'"{shown}" is no e-mail address. Write one such as "it@example.com", or a field '
            'that holds one, such as "{{ email }}".',
        )


def _check_text(block: BlockPart, facts: Facts, name: str) -> Iterator[Mistake]:
    text = block.settings.get(name)
    at = f"settings.{name}"
    if is_blank(text):
        yield Mistake(block.key, at, f"Write the {name} of the mail.")
    elif not isinstance(text, str):
        yield Mistake(block.key, at, f"The {name} is text, and this is none. Write it in quotes.")
    else:
        yield from check_template(text, facts, block, at)


# Doing it.


def _outcome(step: Step, item: Item) -> Outcome:
    try:
        mail, missing = _mail(step, item)
    except TemplateError as problem:
        return failed(
            f"The mail cannot be filled in: {problem.message}.", code="template_not_filled"
        )
    if not mail.recipients:
        return failed(_nobody(missing), code="no_recipient")
    to = ", ".join(mail.recipients)
    left_out = f" Nobody else: {_nobody(missing)}" if missing else ""
    return Outcome(
        mails=(mail,),
        request={"to": list(mail.recipients), "subject": mail.subject, "message": mail.body},
        note=f"Mail to {to}.{left_out}"[:1_000],
    )


def _planned(step: Step, item: Item) -> Planned:
    try:
        mail, missing = _mail(step, item)
    except TemplateError as problem:
        said = f"The mail cannot be filled in: {problem.message}."
        return Planned("notify", "Would send no mail.", "failure", problem=said)
    if not mail.recipients:
        return Planned("notify", "Would send no mail.", "failure", problem=_nobody(missing))
    return Planned(
        "notify",
        f'Sends the mail "{mail.subject}" to {", ".join(mail.recipients)}.',
        "success",
        request={"to": list(mail.recipients), "subject": mail.subject, "message": mail.body},
        warnings=(_nobody(missing),) if missing else (),
    )


def _mail(step: Step, item: Item) -> tuple[Mail, list[str]]:
    """The mail to those who have an address, and the templates of those who have none."""
    settings, values = step.block.settings, step.values(item)
    found, missing = [], []
    for template in settings.get("recipients") or ():
        address = render_text(str(template), values, absent="blank").strip()
        if is_address(address):
            found.append(address)
        else:
            missing.append(str(template))
    subject = one_line(_filled(str(settings.get("subject") or ""), values))
    body = _filled(str(settings.get("message") or ""), values)
    mail = Mail(
        subject=_shortened(mask(subject), _LONGEST_SUBJECT) or f"About {item.record.label}",
        body=_shortened(mask(body), _LONGEST_MESSAGE),
        recipients=tuple(dict.fromkeys(found)),
    )
    return mail, missing


def _nobody(missing: Sequence[str]) -> str:
    named = ", ".join(one_line(one)[:80] for one in missing)
    verb = "gives" if len(missing) == 1 else "give"
    return f"{named} {verb} no e-mail address for this record. Fill the field, or name another."


def _filled(template: str, values: dict[str, Any]) -> str:
    """The text with its values, each cut where it is very long."""
    return "".join(
        part
        if isinstance(part, str)
        else _shortened(as_text(part.value(values, "blank")), _LONGEST_VALUE)
        for part in parse(template).parts
    )


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
