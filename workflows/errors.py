"""What can go wrong in workflows, ordered by what the caller does next.

WorkflowsError
├── WorkflowInvalid       mend the workflow; `mistakes`, each with its block and field
├── NotAllowed            another user does it, or this one gets the permission
├── NotNow                look again, or do first what the sentence says; nothing was changed
├── CannotStart           start it otherwise, or later; the sentence says why
├── CannotDecide          look again: it is not held, or not open any more
├── Unfit                 give another value: this one does not go into this field
└── ItemLost              stop: another process works on these items now
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Mistake:
    """Something that Validate found. `block` is a key, `begin`, or empty for the whole workflow.

    `field` is a path such as `settings.inputs.email`, `exits.success` or `rules.all[0].value`;
    `position` the first character's number in a template, from 1. A warning forbids nothing.
    """

    block: str
    field: str
    message: str
    position: int | None = None
    warning: bool = False


class WorkflowsError(Exception):
    """The root; `message` is a sentence for an admin."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class WorkflowInvalid(WorkflowsError):
    """The definition cannot be saved, or not be activated."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__(" ".join(one.message for one in mistakes))
        self.mistakes = tuple(mistakes)


class NotAllowed(WorkflowsError):
    """The user may not do it."""


class NotNow(WorkflowsError):
    """Something stands in the way: another save in between, items under way, a count untyped."""


class CannotStart(WorkflowsError):
    """The workflow cannot be started like this now."""


class CannotDecide(WorkflowsError):
    """What somebody decided on is no longer what they saw."""


class Unfit(WorkflowsError):
    """A value does not go into the field or variable that it is for; the message names both."""


class ItemLost(WorkflowsError):
    """Another process works on these items now."""
