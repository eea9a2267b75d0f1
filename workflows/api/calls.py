"""Running an API block for a batch of items."""

from __future__ import annotations

from integrations.errors import VendorError
from workflows.api.changes import change_all
from workflows.api.opening import CannotWork, make_ready, open_client
from workflows.api.outcomes import of_vendor_error
from workflows.api.preparing import prepare
from workflows.api.reads import read_all
from workflows.kinds import Outcome, Step, stops


def run_calls(step: Step) -> list[Outcome]:
    """What the block comes to for each item. Not in a transaction; safe to repeat."""
    try:
        ready = make_ready(step)
    except CannotWork as problem:
        return [stops(str(problem))] * len(step.items)
    try:
        client = open_client(ready)
    except CannotWork as problem:
        return [stops(str(problem))] * len(step.items)
    except VendorError as problem:
        return [of_vendor_error(ready, item, problem) for item in step.items]
    with client:
        if ready.preset.change is None:
            return read_all(ready, prepare(ready, step.items, client), client)
        return change_all(ready, client)
