"""What a listing gave, and whether it ended unbroken (F-23).

What makes a listing incomplete: a page that repeats, an id on two pages, a total that changes or
does not agree with the records, a page that is shorter than those before it, an end that never
comes. What was read is kept; only nobody may be removed because of it (M-11).
"""

from dataclasses import dataclass, field
from typing import Any

from integrations.errors import BrokenAnswer
from integrations.manifest_load import Load
from integrations.paths import compile_path
from integrations.values import printable

_MOST_RECORDS = 2_000_000


@dataclass(frozen=True)
class Page:
    """Records of one page, each id once per listing; `total` as the vendor announced it."""

    records: list[Any]
    number: int
    total: int | None


@dataclass(frozen=True)
class Listing:
    """How a listing went; `problems` are sentences, `undeclared` fields the vendor left out."""

    complete: bool
    problems: list[str]
    pages: int
    records: int
    total: int | None
    requests: int
    undeclared: tuple[str, ...] = ()


@dataclass
class Watch:
    """Watches a listing while it is read."""

    load: Load
    pages: int = 0
    records: int = 0
    requests: int = 0
    total: int | None = None
    undeclared: tuple[str, ...] = ()
    ended: bool = False
    _problems: list[str] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)
    _unnamed: set[int] = field(default_factory=set)
    _twice: int = 0
    _first_twice: str = ""

    def __post_init__(self) -> None:
        self._id = compile_path(self.load.id)

    def note(self, problem: str) -> None:
        """Note, once, why the listing is not complete."""
        if problem not in self._problems:
            self._problems.append(problem)

    def listing(self) -> Listing:
        """Give the verdict as it stands now."""
        problems = list(self._problems)
        if self._twice:
            problems.append(
                f"{self._twice} records came twice (the first has the id {self._first_twice}); "
                "the listing moved while it was read."
            )
        if not self.ended:
            problems.append("The listing was not read to its end.")
        return Listing(
            complete=not problems,
            problems=problems,
            pages=self.pages,
            records=self.records,
            total=self.total,
            requests=self.requests,
            undeclared=self.undeclared,
        )

    def is_repeat(self, records: list[Any]) -> bool:
        """Say whether every record of a page was there before."""
        if not records:
            return False
        ids = [self._id_of(record) for record in records]
        if all(ids):
            return all(one in self._seen for one in ids)
        mark = hash(repr(records))  # not as JSON: half a character cannot be written
        known = mark in self._unnamed
        self._unnamed.add(mark)
        return known

    def fresh(self, records: list[Any]) -> list[Any]:
        """Give the records whose id was not there before; those without an id stay.

        Raises BrokenAnswer when there is no end of them.
        """
        seen, kept = self._seen, []
        for record in records:
            one = self._id_of(record)
            if one:
                if one in seen:
                    self._twice += 1
                    self._first_twice = self._first_twice or printable(one[:64])
                    continue
                seen.add(one)
            kept.append(record)
        self.records += len(kept)
        if self.records > _MOST_RECORDS:
            raise BrokenAnswer(
                "too_large",
                f"More than {_MOST_RECORDS:,} records came, so reading was stopped. Check the "
                "sub-domain and the base URL.",
            )
        return kept

    def announce(self, total: int | None) -> None:
        """Take down the total that a page announces."""
        if total is None:
            return
        if self.total is not None and total != self.total:
            self.note(
                f"The number of records changed from {self.total} to {total} while it was read."
            )
        self.total = total

    def end(self) -> None:
        """The vendor says that this was all."""
        self.ended = True
        if self.total is not None and self.total != self.records:
            self.note(f"{self.total} records were announced and {self.records} came.")

    def _id_of(self, record: Any) -> str:
        value = self._id(record)
        if isinstance(value, str):
            return value
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""
