"""Which roles a vendor's record means (M-29): the manifest's rule, compiled once per load."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from integrations.filters import as_text
from integrations.manifest_load import RoleRows, RoleRule
from integrations.paths import MISSING, compile_path


@dataclass(frozen=True, slots=True)
class RoleRow:
    """One role of one account; `rank` 0 is the most important, the first row is the primary."""

    role: str
    scope_id: str
    scope: str
    rank: int


class _Unreadable(Exception):
    """The field is not in the record, or is not what it should be."""


_Reader = Callable[[Any], list[tuple[str, str, str]]]


def compile_roles(rule: RoleRule) -> Callable[[Mapping[str, Any]], list[RoleRow] | None]:
    """Make the function that reads the roles of a record, the primary first.

    It gives None where a field that says roles is absent or unreadable: roles are then left as
    they are (M-12). Rows are unique by role and scope id.
    """
    readers = [_flag_reader(rows) if rows.flag else _list_reader(rows) for rows in rule.rows]
    rank = {role: number for number, role in enumerate(rule.primary)}
    last = len(rank)
    otherwise = [RoleRow(rule.otherwise, "", "", rank.get(rule.otherwise, last))]

    @lru_cache(maxsize=4096)
    def row_of(role: str, scope_id: str, scope: str) -> RoleRow:
        return RoleRow(role, scope_id, scope, rank.get(role, last))

    def read(record: Mapping[str, Any]) -> list[RoleRow] | None:
        found: dict[tuple[str, str], RoleRow] = {}
        try:
            for reader in readers:
                for role, scope_id, scope in reader(record):
                    key = (role, scope_id)
                    if key not in found:
                        found[key] = row_of(role, scope_id, scope)
        except _Unreadable:
            return None
        if not found:
            return otherwise[:]
        rows = list(found.values())
        if len(rows) > 1:
            rows.sort(key=lambda row: (row.rank, row.role, row.scope, row.scope_id))
        return rows

    return read


def _flag_reader(rows: RoleRows) -> _Reader:
    flag = compile_path(rows.flag or "")
    row = [(rows.role_is or "", "", "")]
    wanted = {as_text(one).casefold() for one in rows.flag_is}

    def read(record: Any) -> list[tuple[str, str, str]]:
        value = flag(record)
        if wanted and isinstance(value, str | int) and not isinstance(value, bool):
            return row if as_text(value).casefold() in wanted else []
        if value is True:
            return row
        if value is False or value is None or (value is MISSING and rows.absent_means_none):
            return []
        raise _Unreadable

    return read


def _list_reader(rows: RoleRows) -> _Reader:
    items = compile_path(rows.each or "")
    scope_id = compile_path(rows.scope_id) if rows.scope_id else None
    scope = compile_path(rows.scope) if rows.scope else None
    name = _name_reader(rows)

    def read(record: Any) -> list[tuple[str, str, str]]:
        listed = items(record)
        if listed is None or (listed is MISSING and rows.absent_means_none):
            return []
        if not isinstance(listed, list):
            raise _Unreadable
        return [
            (
                name(item),
                _word(scope_id(item)) if scope_id else "",
                _word(scope(item)) if scope else "",
            )
            for item in listed
        ]

    return read


def _name_reader(rows: RoleRows) -> Callable[[Any], str]:
    """The role's own words; without them those of its code; an unknown code is shown as it is."""
    if rows.role_is:
        fixed = rows.role_is
        return lambda _item: fixed
    itself = not (rows.role or rows.code)
    role = compile_path(rows.role) if rows.role else None
    code = compile_path(rows.code) if rows.code else None
    names = {str(key): value for key, value in rows.names.items()}

    def read(item: Any) -> str:
        if itself:
            own = _word(item)
            if not own:
                raise _Unreadable
            return names.get(own, own)
        word = _word(role(item)) if role else ""
        if word:
            return word
        number = _word(code(item)) if code else ""
        if not number:
            raise _Unreadable
        return names.get(number, f"Role {number}")

    return read


def _word(value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return ""
