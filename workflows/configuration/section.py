"""The section `workflows:`: how it is checked, compared, written and exported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integrations.configuration.problems import Problems
from integrations.configuration.receipt import Change
from integrations.configuration.schema import Part
from integrations.configuration.sections import After
from integrations.configuration.write import Author
from workflows.configuration.check import check_workflow
from workflows.configuration.describe import read_stored
from workflows.configuration.facts import look_ahead
from workflows.configuration.schema import PARTS, WorkflowPart
from workflows.configuration.wishes import SECTION, Wish, change_of, read_wishes
from workflows.configuration.write import write_workflow


@dataclass(frozen=True)
class Work:
    """Workflows of the file that differ from what is stored."""

    author: Author
    found: Sequence[tuple[Change, Wish]]
    notes: Sequence[str]
    with_users: frozenset[str]

    @property
    def changes(self) -> Sequence[Change]:
        return [change for change, _wish in self.found]

    def write(self, problems: Problems) -> None:
        """Write those that differ, in the order of the file. Raises ConfigurationRefused."""
        for _change, wish in self.found:
            gets_users = wish.wanted.application in self.with_users
            write_workflow(wish, self.author, problems, gets_users=gets_users)


class WorkflowsSection:
    """What the configuration file asks of this app."""

    name: str = SECTION
    parts: Mapping[str, type[Part]] = PARTS

    def prepare(
        self, said: Sequence[WorkflowPart], after: After, author: Author, problems: Problems
    ) -> Work:
        """Check and compare. Without workflows in the file no query; else about sixteen."""
        if not said:
            return Work(author, (), (), frozenset())
        wishes = read_wishes(said, read_stored(), problems)
        ahead = look_ahead(after, author.user)
        notes = [
            note for wish in wishes for note in check_workflow(wish, ahead, author.user, problems)
        ]
        found = [(change, wish) for wish in wishes if (change := change_of(wish)) is not None]
        return Work(author, found, notes, ahead.with_users)

    def export(self) -> list[dict[str, Any]]:
        """Every workflow by name. Four queries."""
        stored = read_stored()
        names = sorted(stored, key=lambda name: (name.casefold(), name))
        return [stored[name].described.as_data(name) for name in names]


WORKFLOWS = WorkflowsSection()
