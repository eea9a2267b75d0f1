"""The limits that an integration sets for itself: they may lower what holds anyway (M-15)."""

from __future__ import annotations

from integrations.errors import Problem
from integrations.models import Installation
from saas.models import Application


def limits_that_raise(
    *,
    percent: int | None,
    count: int | None,
    application: Application | None,
    installation: Installation | None,
) -> list[Problem]:
    """Say of each own limit that is above one which holds anyway, which one that is.

    `application` and `installation` are None where the integration removes nothing of theirs.
    """
    above: list[tuple[str, Application | Installation]] = []
    if application is not None:
        above.append((f'the application "{application}"', application))
    if installation is not None:
        above.append(("Global Settings", installation))
    problems = []
    for field, own, unit in (
        ("removals_percent", percent, " %"),
        ("removals_count", count, ""),
    ):
        for name, holder in above:
            limit = getattr(holder, field)
            if own is not None and own > limit:
                message = f"may only lower the limit of {name}, which is {limit}{unit}"
                problems.append(Problem(field, message))
    return problems
