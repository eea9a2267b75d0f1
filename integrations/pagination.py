"""Listings page by page, by the rules of the manifest; `listing.py` judges how they went."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.answers import RawAnswer
from integrations.listing import Page, Watch
from integrations.manifest_load import Cursor, Declared, NextUrl, Offset, PageNumber
from integrations.paths import MISSING, compile_path, first_of, parse_path, walk

_REPEATS = 2
_TOTAL_DIGITS = 9  # what claims to be more is no count, and no database column holds it


def read_single(
    answer: RawAnswer, watch: Watch, *, max_depth: int, names: tuple[str, ...]
) -> Iterator[Page]:
    """Give the records of one answer in pages of `batch`. Raises BrokenAnswer."""
    load = watch.load
    envelope, pieces = answer.records(load.records, max_depth)
    if load.declared:
        watch.undeclared = check_declared(envelope, load.declared, names, answer)
    batch = load.paging.batch if load.paging.kind == "single" else 1000
    held: list[Any] = []
    for piece in pieces:
        held.extend(watch.fresh(piece))
        while len(held) >= batch:
            watch.pages += 1
            yield Page(held[:batch], watch.pages, None)
            del held[:batch]
    if held or not watch.pages:
        watch.pages += 1
        yield Page(held, watch.pages, None)
    watch.end()


def check_declared(
    envelope: Any, declared: Declared, names: tuple[str, ...], answer: RawAnswer
) -> tuple[str, ...]:
    """Give the requested fields that are left out. Raises BrokenAnswer for required ones."""
    listed = walk(envelope, parse_path(declared.fields))
    if not isinstance(listed, list):
        raise answer.failure("contradiction", "The answer does not say which fields it holds")
    read_id = compile_path(declared.id)
    held = {str(read_id(item)).casefold() for item in listed}
    missing = tuple(name for name in names if name.casefold() not in held)
    lost = [name for name in declared.required if name in missing or name.casefold() not in held]
    if lost:
        raise answer.failure(
            "contradiction",
            f"The answer leaves out {', '.join(lost)}: the key may not read "
            f"{'this field' if len(lost) == 1 else 'these fields'}. Nothing was loaded; give the "
            "key's owner access to it",
        )
    return missing


@dataclass(frozen=True)
class Position:
    """Where a page begins: values to send besides the load's own, or a whole address."""

    values: Mapping[str, Any] = field(default_factory=dict)
    url: str | None = None


def read_pages(
    watch: Watch,
    paging: PageNumber | Offset | Cursor | NextUrl,
    send: Callable[[Position], RawAnswer],
    *,
    max_depth: int,
) -> Iterator[Page]:
    """Ask for page after page until the vendor says that it is the last. Raises VendorError."""
    place = _Counted(paging) if isinstance(paging, PageNumber | Offset) else _Marked(paging)
    repeats = 0
    while True:
        answer = send(place.position())
        path = None if place.is_bare(answer) else watch.load.records
        value, records = answer.decode_page(path, max_depth)
        watch.pages += 1
        place.read_totals(value, watch)
        if watch.is_repeat(records):
            repeats += 1
            watch.note(f"Page {watch.pages} repeats records of earlier pages only.")
        else:
            repeats = 0
            yield Page(watch.fresh(records), watch.pages, watch.total)
        if repeats >= _REPEATS:
            watch.note("The same records came again and again, so reading was stopped.")
            return
        if place.is_last(records, watch):
            watch.end()
            return
        if watch.pages >= paging.max_pages:
            watch.note(f"There was no end after {watch.pages} pages, so reading was stopped.")
            return


class _Marked:
    """A listing whose answers say where the next page is: by a mark or by a whole address."""

    def __init__(self, paging: Cursor | NextUrl) -> None:
        self._paging = paging
        self._next = ""
        self._more: Any = MISSING

    def position(self) -> Position:
        paging = self._paging
        if isinstance(paging, NextUrl):
            return Position(url=self._next or None)
        size = {paging.size: paging.page_size} if paging.size else {}
        mark = {paging.cursor: self._next} if self._next else {}
        return Position({**size, **mark})

    def is_bare(self, answer: RawAnswer) -> bool:
        """Whether the answer is the list itself, without anything around it."""
        return isinstance(self._paging, NextUrl) and answer.starts_with(b"[")

    def read_totals(self, value: Any, watch: Watch) -> None:
        paging = self._paging
        if paging.total:
            total = _count(compile_path(paging.total)(value))
            watch.announce(total)
            if total is None:
                watch.note("The answer does not say how many records there are.")
        found = first_of(value, paging.next)
        self._next = str(found) if isinstance(found, str | int) and found is not False else ""
        self._more = compile_path(paging.more)(value) if paging.more else MISSING

    def is_last(self, records: list[Any], watch: Watch) -> bool:
        if self._more is False:
            return True
        if not self._next:
            if self._more is True:
                watch.note(f"Page {watch.pages} announces more, but not where.")
            return True
        if not records:
            watch.note(f"Page {watch.pages} is empty although more was announced.")
            return True
        return False


class _Counted:
    """A listing whose pages have numbers: where in it we are, and when it is over."""

    def __init__(self, paging: PageNumber | Offset) -> None:
        self._paging = paging
        self._number = paging.first_page if isinstance(paging, PageNumber) else 0
        self._taken = 0
        self._count = 0
        self._full: int | None = None
        self._pages: int | None = None

    def position(self) -> Position:
        paging = self._paging
        if isinstance(paging, Offset):
            return Position({paging.offset: self._taken, paging.limit: paging.page_size})
        size = {paging.size: paging.page_size} if paging.size else {}
        return Position({paging.page: self._number, **size})

    def is_bare(self, answer: RawAnswer) -> bool:
        """No list without totals around it."""
        del answer
        return False

    def read_totals(self, value: Any, watch: Watch) -> None:
        paging = self._paging
        if paging.total:
            total = _count(compile_path(paging.total)(value))
            watch.announce(total)
            if total is None:
                watch.note("The answer does not say how many records there are.")
        if isinstance(paging, PageNumber) and paging.total_pages:
            pages = _count(compile_path(paging.total_pages)(value))
            if pages is None:
                watch.note("The answer does not say how many pages there are.")
            elif self._pages is not None and pages != self._pages:
                watch.note(f"The number of pages changed from {self._pages} to {pages}.")
            self._pages = pages if pages is not None else self._pages

    def is_last(self, records: list[Any], watch: Watch) -> bool:
        self._number += 1
        self._count += 1
        self._taken += len(records)
        more = self._more_announced(watch)
        if more and not records:
            watch.note(f"Page {watch.pages} is empty although more was announced.")
            return True
        if more and self._full is not None and len(records) < self._full:
            watch.note(
                f"Page {watch.pages} has {len(records)} records, earlier pages {self._full}, "
                "although more follow."
            )
        if self._full is None:
            self._full = len(records)
        if more is None:
            return len(records) < self._paging.page_size
        return not more

    def _more_announced(self, watch: Watch) -> bool | None:
        """Whether the totals say that more follows; None when there are no totals."""
        if self._pages is not None:
            return self._count < self._pages
        if watch.total is not None:
            return self._taken < watch.total
        return None


def _count(value: Any) -> int | None:
    """A number of records or pages; None where there is none that can be true."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 <= value < 10**_TOTAL_DIGITS else None
    if isinstance(value, str) and len(value) <= _TOTAL_DIGITS:
        return int(value) if value.isascii() and value.isdigit() else None
    return None
