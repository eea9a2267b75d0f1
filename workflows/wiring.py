"""Where the apps below are told of workflows: what becomes due, what waits, and how it is done."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

logger = logging.getLogger(__name__)
Piece = Callable[[datetime], bool]


def wire() -> None:
    """Put this app's functions into the lists that the apps below keep for it. Once, at start."""
    from integrations import doctor, pending, plans, tick, worker
    from integrations.configuration.sections import SECTIONS
    from integrations.keeping import after_restore
    from integrations.operations.send import STILL_WANTED
    from integrations.uses import CREDENTIALS_USED_BY
    from people import fields
    from workflows import dispatch, reports, restoring, schedule, starts, uses, watching
    from workflows.configuration import WORKFLOWS
    from workflows.engine import advance, finish, leases, wanted

    def free(_now: datetime) -> None:
        leases.free_lost_items()  # by the clock of the database

    tick.STEPS += [
        free,
        leases.wake_waiting,
        finish.refresh_idle_runs,
        schedule.make_due_workflow_runs,
        watching.drop_old_answers,
    ]
    tick.SOURCES += [
        watching.waiting_dispatches,
        watching.waiting_starts,
        watching.waiting_items,
    ]
    worker.BREAKABLE += [
        careful(dispatch.dispatch_one),
        careful(starts.select_due),
        advance.advance_one,
    ]
    worker.GIVE_BACK.append(leases.give_back_own_items)
    STILL_WANTED.append(wanted.is_still_wanted)
    pending.OTHERS.append(watching.find_work)
    doctor.CHECKS["workflows"] = watching.check_workflows
    after_restore.OTHERS.append(restoring.let_go)
    plans.OTHERS[reports.LETTER] = watching.PLANS
    SECTIONS.append(WORKFLOWS)
    CREDENTIALS_USED_BY.append(uses.uses_of_credentials)
    fields.used_by_providers.append(uses.workflows_that_use)


def careful(piece: Piece) -> Piece:
    """A piece that leaves a mistake of our own in the log, so that the other pieces are done."""
    from django.db import Error

    def do(now: datetime) -> bool:
        try:
            return piece(now)
        except Error:
            raise
        except Exception:
            logger.exception("A piece of the workflows' work met an error of our own.")
            return False

    return do
