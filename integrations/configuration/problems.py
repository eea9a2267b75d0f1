"""Collecting every mistake of a configuration file, each with its line and key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from integrations.errors import ConfigurationRefused, FileProblem

Path = tuple[str | int, ...]


def shown(path: Path) -> str:
    """A path as people read it: `integrations[0].mappings[2].target`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


@dataclass
class Problems:
    """The mistakes found so far; at one place only the first is kept."""

    file: str
    line_of: Callable[[Path], int | None] = lambda _path: None
    _found: dict[tuple[Path, str], FileProblem] = field(default_factory=dict)

    def add(self, path: Path, message: str) -> None:
        """Note a mistake at this place."""
        problem = FileProblem(self.line_of(path), shown(path), message)
        self._found.setdefault((path, message), problem)

    def count(self) -> int:
        """How many were found so far."""
        return len(self._found)

    def are_under(self, path: Path) -> bool:
        """Say whether something at this place, or inside it, is wrong already."""
        return any(place[: len(path)] == path for place, _message in self._found)

    def refuse_if_any(self) -> None:
        """Raise ConfigurationRefused with every mistake, in the order of the lines."""
        if self._found:
            found = sorted(self._found.values(), key=lambda one: (one.line or 0, one.path))
            raise ConfigurationRefused(self.file, found)
