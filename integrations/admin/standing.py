"""How a removal stands: who said what, what became of it, and the row as it was shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from django.conf import settings

from integrations.models import PlannedChange
from integrations.show import moment
from integrations.sync.held import row_hash

State = PlannedChange.State
# Of these the action says all there is to say.
TOLD_BY_ACTION = frozenset({State.PLANNED, State.APPLIED, State.SKIPPED})
_TOKEN = re.compile(r"([0-9]{1,18}):([0-9a-f]{32})")


def token_of(row: PlannedChange) -> str:
    """The row as it is shown: its id and the hash of what is decided on."""
    said = {name: getattr(row, name) for name in ("object", "target_id", "action", "changes")}
    return f"{row.pk}:{row_hash(said)}"


def read_tokens(texts: Iterable[str]) -> Iterator[tuple[int, str]]:
    """(id, hash) of each token in texts of tokens between spaces; what is none is left out."""
    for text in texts:
        for part in text.split():
            if found := _TOKEN.fullmatch(part):
                yield int(found[1]), found[2]


def standing_of(row: PlannedChange) -> tuple[str, ...]:
    """What became of a row, as short sentences; nothing where its action says it all."""
    if row.state == State.HELD:
        return (_word_on(row),)
    if row.state == State.REJECTED:
        return (f"Rejected by {row.decided_by}, {moment(row.decided_at)}",)
    told = [] if row.state in TOLD_BY_ACTION else [row.get_state_display()]
    if row.state == State.SKIPPED and row.action != PlannedChange.Action.SKIP:
        told.append("Not applied")
    if row.decided_by:
        told.append(f"Approved by {_names(row)}")
    if row.applied_in:
        told.append(f"Applied in run {row.applied_in}")
    return tuple(told)


def _word_on(row: PlannedChange) -> str:
    if not row.decided_by:
        return "Waits for a decision"
    said = f"Approved by {_names(row)}, {moment(row.decided_at)}"
    if settings.SECOND_PERSON and not row.seconded_by:
        return f"{said}; waits for a second person"
    return f"{said}; waits to be applied"


def _names(row: PlannedChange) -> str:
    return " and ".join(name for name in (row.decided_by, row.seconded_by) if name)
