"""The mapper of one load: a listed record in, a row of the stage out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from integrations.errors import TransformFailed
from integrations.manifest_load import Load
from integrations.mapping.accounts import clean_role, compile_account, compile_status
from integrations.mapping.problems import FieldProblem
from integrations.mapping.rows import MappingRow, compile_row
from integrations.mapping.sources import Constants, compile_sources, or_none
from integrations.paths import MISSING, compile_path
from integrations.roles import compile_roles
from integrations.values import printable
from people.identity import email_key, username_key

_ID_LENGTH = 200
_MEMBER = ("Member", "", "")


class Mapped(NamedTuple):
    """One listed record, in the order of the stage's columns. `payload` is JSON, see `Mapper`."""

    external_id: str
    key: str
    email_key: str | None
    username_key: str | None
    employee_id: str | None
    hash: str
    outcome: str
    active: bool
    payload: str


class Mapper:
    """Maps the records of one load.

    The payload is {"p": {people field: value}, "u": SaaS user or null, "r": roles or null,
    "s": "active" | "deactivated" | null}, or {"i": [code, field, reason]} for a record that cannot
    be mapped. A field that the record's answer leaves out is left out of "p" (M-12): only a field
    that is there and blank is null.
    """

    def __init__(
        self,
        load: Load,
        rows: Sequence[MappingRow],
        *,
        constants: Constants,
        role_names: frozenset[str],
        keep: Callable[[Mapping[str, Any]], bool] | None = None,
        filter_fields: Sequence[str] = (),
    ) -> None:
        self._load = load
        self._id = compile_path(load.id)
        sources = compile_sources(load, constants)
        compiled = [
            (row.target.of_saas_user, compile_row(row, load, sources, role_names=role_names))
            for row in rows
        ]
        self._people = [reader for of_saas_user, reader in compiled if not of_saas_user]
        self._custom = [reader for of_saas_user, reader in compiled if of_saas_user]
        self._account = compile_account(load, sources)
        self._roles = compile_roles(load.roles) if load.roles else None
        # Fields whose absence means "no such role", and which of them some record had (M-12).
        self.optional_role_fields = [
            path
            for rule in (load.roles.rows if load.roles else ())
            if rule.absent_means_none and (path := rule.each or rule.flag)
        ]
        self.role_fields_seen: set[str] = set()
        self._unseen = {path: compile_path(path) for path in self.optional_role_fields}
        self._status = compile_status(load, sources)
        self._keep = keep
        self._filter_fields = [(name, sources[name]) for name in filter_fields]

    def map(self, record: Any) -> Mapped | None:
        """Map one record; None when it has no usable id, so that it cannot be told apart."""
        external_id = self._external_id(record)
        if external_id is None:
            return None
        try:
            return self._map(record, external_id)
        except FieldProblem as problem:
            return _with_issue(external_id, self._safe_key(record), problem)

    def _external_id(self, record: Any) -> str | None:
        value = self._id(record)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            return None
        value = value.strip()
        if not value or len(value) > _ID_LENGTH or not value.isprintable():
            return None
        return value

    def _map(self, record: Any, external_id: str) -> Mapped:
        people = {}
        for target, read in self._people:
            value = read(record)
            if value is not MISSING:
                people[target] = value
        status = self._status(record)
        user = self._read_account(record)
        roles = self._read_roles(record)
        outcome = "mapped" if self._is_kept(record) else "filtered"
        payload = orjson.dumps({"p": people, "u": user, "r": roles, "s": status})
        email = people.get("email")
        return Mapped(
            external_id=external_id,
            key=(email or user.get("email") or external_id)[:320],
            email_key=email_key(email),
            username_key=username_key(people.get("username")),
            employee_id=people.get("employee_id"),
            hash=hashlib.blake2b(payload + outcome.encode(), digest_size=16).hexdigest(),
            outcome=outcome,
            active=status != "deactivated",
            payload=payload.decode(),
        )

    def _read_account(self, record: Any) -> dict[str, Any]:
        user: dict[str, Any] = {}
        for part, read in self._account:
            value = read(record)
            if value is not MISSING:
                user[part] = value
        for target, read in self._custom:
            value = read(record)
            if value is not MISSING:
                user.setdefault("custom", {})[target] = value
        return user

    def _is_kept(self, record: Any) -> bool:
        """Whether the filters let the record through; they judge no value that cannot be read."""
        if self._keep is None:
            return True
        values = {}
        for name, read in self._filter_fields:
            try:
                values[name] = or_none(read(record))
            except TransformFailed as problem:
                reason = f"The filters cannot judge {self._load.fields[name].label}: {problem}"
                raise FieldProblem("value_unusable", name, reason) from None
        return self._keep(values)

    def _read_roles(self, record: Any) -> list[list[str]] | None:
        """The roles of the record (M-29); `Member` where the vendor's folder has no rule."""
        if self._roles is None:
            return [list(_MEMBER)]
        for path in [path for path, read in self._unseen.items() if read(record) is not MISSING]:
            self.role_fields_seen.add(path)
            del self._unseen[path]
        found = self._roles(record)
        if found is None:
            return None
        return [clean_role(row.role, row.scope_id, row.scope) for row in found]

    def _safe_key(self, record: Any) -> str:
        """The record's e-mail for the issue, or its id when even that cannot be read."""
        for name, read in self._account:
            if name == "email":
                try:
                    return str(or_none(read(record)) or "")[:320]
                except FieldProblem:
                    return ""
        return ""


def _with_issue(external_id: str, key: str, problem: FieldProblem) -> Mapped:
    # The reason may quote what the record holds, and that may be what no database stores.
    reason = printable(problem.reason[:500])
    payload = orjson.dumps({"i": [problem.code, problem.field, reason]})
    return Mapped(
        external_id=external_id,
        key=key if key.isprintable() and key else external_id,
        email_key=None,
        username_key=None,
        employee_id=None,
        hash="",
        outcome="issue",
        active=True,
        payload=payload.decode(),
    )
