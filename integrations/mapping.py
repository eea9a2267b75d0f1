"""A vendor's record and the mapping rows -> the values to write, compiled once per run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from integrations import templates
from integrations.errors import TransformFailed
from integrations.manifest_load import Load, SourceField
from integrations.paths import MISSING, compile_path, parse_path, walk
from integrations.roles import compile_roles
from integrations.transforms import get_transform
from integrations.values import (
    READERS,
    printable,
    read_boolean,
    read_date,
    read_datetime,
    read_integer,
)
from people.identity import email_key, username_key
from people.queries import Target

Read = Callable[[Any], Any]
_LONGEST_LONG_TEXT = 100_000
_ID_LENGTH = 200
_MEMBER = ("Member", "", "")


@dataclass(frozen=True, slots=True)
class MappingRow:
    """A FieldMapping as the mapper needs it."""

    source: str
    constant: str | None
    transform: str
    target: Target


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


@dataclass(frozen=True, slots=True)
class Constants:
    """What the synthetic source fields hold in this run (AH-30)."""

    credentials: str
    source: str
    inputs: Mapping[str, str]


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
        self._roles_of_people = role_names
        self._id = compile_path(load.id)
        self._constants = constants
        self._sources = {name: self._reader(field) for name, field in load.fields.items()}
        self._people = [self._compile(row) for row in rows if not row.target.of_saas_user]
        self._custom = [self._compile(row) for row in rows if row.target.of_saas_user]
        self._account = self._compile_account()
        self._roles = compile_roles(load.roles) if load.roles else None
        # Fields whose absence means "no such role", and which of them some record had (M-12).
        self.optional_role_fields = [
            path
            for rows in (load.roles.rows if load.roles else ())
            if rows.absent_means_none and (path := rows.each or rows.flag)
        ]
        self.role_fields_seen: set[str] = set()
        self._unseen = {path: compile_path(path) for path in self.optional_role_fields}
        self._status = self._compile_status()
        self._keep = keep
        self._filter_fields = [(name, self._sources[name]) for name in filter_fields]

    def map(self, record: Any) -> Mapped | None:
        """Map one record; None when it has no usable id, so that it cannot be told apart."""
        external_id = self._external_id(record)
        if external_id is None:
            return None
        try:
            return self._map(record, external_id)
        except _FieldProblem as problem:
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
        user = {}
        for part, read in self._account:
            value = read(record)
            if value is not MISSING:
                user[part] = value
        for target, read in self._custom:
            value = read(record)
            if value is not MISSING:
                user.setdefault("custom", {})[target] = value
        roles = self._read_roles(record)
        outcome = "mapped" if self._is_kept(record) else "filtered"
        payload = orjson.dumps({"p": people, "u": user, "r": roles, "s": status})
        email = people.get("email")
        username = people.get("username")
        return Mapped(
            external_id=external_id,
            key=(email or user.get("email") or external_id)[:320],
            email_key=email_key(email),
            username_key=username_key(username),
            employee_id=people.get("employee_id"),
            hash=hashlib.blake2b(payload + outcome.encode(), digest_size=16).hexdigest(),
            outcome=outcome,
            active=status != "deactivated",
            payload=payload.decode(),
        )

    def _is_kept(self, record: Any) -> bool:
        """Whether the filters let the record through; they judge no value that cannot be read."""
        if self._keep is None:
            return True
        values = {}
        for name, read in self._filter_fields:
            try:
                values[name] = _or_none(read(record))
            except TransformFailed as problem:
                reason = f"The filters cannot judge {self._load.fields[name].label}: {problem}"
                raise _FieldProblem("value_unusable", name, reason) from None
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
        return [_clean_role(row.role, row.scope_id, row.scope) for row in found]

    def _safe_key(self, record: Any) -> str:
        """The record's e-mail for the issue, or its id when even that cannot be read."""
        for name, read in self._account:
            if name == "email":
                try:
                    return str(_or_none(read(record)) or "")[:320]
                except _FieldProblem:
                    return ""
        return ""

    # -- compiling ---------------------------------------------------------------------------

    def _reader(self, field: SourceField) -> Read:
        if field.synthetic is not None:
            return _constant(self._synthetic(field))
        path = field_reader(field)
        blanks = (*self._load.blank.get("any", ()), *self._load.blank.get(field.type, ()))
        read_type = READERS[field.type]
        is_text = field.type == "text"

        def read(record: Any) -> Any:
            value = path(record)
            if value is None or value is MISSING:
                return value
            if type(value) is str:
                if value in blanks or not value.strip():
                    return None
                return value if is_text else read_type(value)
            return _plain_text(value) if is_text else read_type(value)

        return read

    def _synthetic(self, field: SourceField) -> str | None:
        if field.synthetic == "credentials":
            return self._constants.credentials
        if field.synthetic == "source":
            return self._constants.source
        if field.synthetic == "input":
            return self._constants.inputs.get(field.input or "")
        return None  # sync_time: shown from LinkState, in no plan (M-1)

    def _compile(self, row: MappingRow) -> tuple[str, Read]:
        field = self._load.fields.get(row.source)
        source: Read
        if row.constant is not None:
            source = _constant(row.constant)
        elif field is not None:
            source = self._sources[row.source]
        else:
            path = compile_path(row.source)
            source = lambda record: path(record)  # noqa: E731, PLW0108 - one shape for all sources
        transform = get_transform(row.transform) if row.transform else None
        convert = self._converter(row.target, field)
        target, label = row.target.key, row.target.label

        def read(record: Any) -> Any:
            try:
                value = source(record)
                if value is MISSING:
                    return MISSING
                if value is not None and transform is not None:
                    value = transform(value)
                return None if value is None else convert(value)
            except TransformFailed as problem:
                raise _FieldProblem("value_unusable", target, f"{label}: {problem}") from None

        if row.target.type in _TEXTS and transform is None and row.constant is None:
            return target, self._quick(field, row.target, read)
        return target, read

    def _quick(self, field: SourceField | None, target: Target, slowly: Read) -> Read:
        """Text straight into text, as most mappings are: ordinary values in one step."""
        if field is None or field.type != "text" or field.synthetic is not None:
            return slowly
        path = field_reader(field)
        blanks = (*self._load.blank.get("any", ()), *self._load.blank.get("text", ()))
        longest, trim = _longest(target), _is_trimmed(target)

        def read(record: Any) -> Any:
            value = path(record)
            if (
                type(value) is str
                and len(value) <= longest
                and value.isascii()
                and value.isprintable()
                and value not in blanks
            ):
                text = value.strip()
                return (text if trim else value) if text else None
            return slowly(record)

        return read

    def _converter(self, target: Target, field: SourceField | None) -> Read:
        if target.type == "manager":
            return _manager_reader(field)
        if target.type == "status":
            return self._status_converter()
        if target.type == "role":
            return self._role_converter()
        if target.type in _TEXTS:
            return _text_reader(_longest(target), trim=_is_trimmed(target))
        return _TYPED[target.type]

    def _status_converter(self, *, only_own: bool = False) -> Read:
        """Reads a status by the usual words and the vendor's own, or by the vendor's own only."""
        usual = {"active": "active", "inactive": "deactivated", "deactivated": "deactivated"}
        words = {} if only_own else usual
        status = self._load.status
        if status is not None:
            words |= {_word(value): "active" for value in status.active}
            words |= {_word(value): "deactivated" for value in status.deactivated}

        def convert(value: Any) -> str:
            try:
                return words[_word(value)]
            except KeyError:
                raise TransformFailed(
                    f"{_shown(value)} is no status that is known here; known are "
                    f"{', '.join(sorted(words))}."
                ) from None

        return convert

    def _role_converter(self) -> Read:
        text = _text_reader(100)

        def convert(value: Any) -> Any:
            name = text(value)
            if name is not None and name not in self._roles_of_people:
                raise TransformFailed(
                    f'there is no people role "{name}". Add it under People roles, or map another.'
                )
            return name

        return convert

    def _compile_status(self) -> Read:
        """The record's own word on whether it is active; None where its answer does not say."""
        if self._load.status is None:
            return lambda _record: None
        source = self._sources[self._load.status.field]
        others = self._load.status.others
        # What the vendor's folder leaves as it is must not be decided by our words (GT-34).
        convert = self._status_converter(only_own=others == "leave")

        def read(record: Any) -> Any:
            try:
                value = source(record)
                return None if value is None or value is MISSING else convert(value)
            except TransformFailed as problem:
                if others == "leave":
                    return None
                raise _FieldProblem("status_unknown", "status", f"Status: {problem}") from None

        return read

    def _compile_account(self) -> list[tuple[str, Read]]:
        account = self._load.account
        parts = {
            "email": (account.email, _text_reader(320)),
            "name": (account.name, _text_reader(400)),
            "last_activity": (account.last_activity, _moment),
        }
        return [
            (name, self._account_part(name, text, convert))
            for name, (text, convert) in parts.items()
            if text is not None
        ]

    def _account_part(self, name: str, text: str, convert: Read) -> Read:
        field = text.strip()
        if field in self._sources:
            source = self._sources[field]
        else:
            wanted = {part: self._sources[part] for part in templates.parse(text).names}

            def source(record: Any) -> Any:
                found = {part: read(record) for part, read in wanted.items()}
                if all(value is MISSING for value in found.values()):
                    return MISSING
                values = {part: _or_none(value) for part, value in found.items()}
                return " ".join(templates.render_text(text, values, absent="blank").split())

        def read(record: Any) -> Any:
            try:
                value = source(record)
                return value if value is None or value is MISSING else convert(value)
            except TransformFailed as problem:
                raise _FieldProblem("value_unusable", name, f"{name}: {problem}") from None

        return read


_TEXTS = {"text": 1000, "long_text": _LONGEST_LONG_TEXT, "department": 200}


def _path_reader(text: str) -> Read:
    """The look-up of a path; None where an object on its way is null: there is none then."""
    path, steps = compile_path(text), parse_path(text)
    if len(steps) == 1:
        return path
    ways = [steps[:count] for count in range(1, len(steps))]

    def read(record: Any) -> Any:
        value = path(record)
        if value is MISSING and any(walk(record, way) is None for way in ways):
            return None
        return value

    return read


def field_reader(field: SourceField) -> Read:
    """The look-up of a field, with the manifest's own words for the vendor's values."""
    path = _path_reader(field.path or "")
    if field.yes_if or field.no_if:
        yes = {_word(one) for one in field.yes_if}
        no = {_word(one) for one in field.no_if}

        def derive(record: Any) -> Any:
            value = path(record)
            if value is None or value is MISSING or value == "":
                return value
            word = _word(value)
            return word in yes if yes else word not in no

        return derive
    if field.words:
        words = {_word(one): ours for one, ours in field.words.items()}

        def translate(record: Any) -> Any:
            value = path(record)
            if isinstance(value, str | bool | int):
                return words.get(_word(value), value)
            return value

        return translate
    return path


def _longest(target: Target) -> int:
    """How many characters fit into the target."""
    return target.max_length or _TEXTS[target.type]


def _is_trimmed(target: Target) -> bool:
    """All but departments: " Sales" is another one than "Sales", and is reported (BB-30)."""
    return target.type != "department"


class _FieldProblem(Exception):
    """A value that cannot be used; the record gets an issue."""

    def __init__(self, code: str, field: str, reason: str) -> None:
        super().__init__(reason)
        self.code, self.field, self.reason = code, field, reason


def _with_issue(external_id: str, key: str, problem: _FieldProblem) -> Mapped:
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


def _constant(value: Any) -> Read:
    return lambda _record: value


def _or_none(value: Any) -> Any:
    return None if value is MISSING else value


def _word(value: Any) -> str:
    return str(value).strip().casefold()


def _shown(value: Any) -> str:
    text = str(value)[:40]
    return f'"{text}"' if text.isprintable() else "a value with characters that cannot be shown"


def _text_reader(longest: int, *, trim: bool = True) -> Read:
    """Text, trimmed; lists, objects, NUL bytes, half characters and over-long text are refused."""

    def read(value: Any) -> Any:
        if type(value) is not str:
            value = _plain_text(value)
        text = value.strip()
        if not text:
            return None
        if not trim:
            text = value
        if len(text) > longest:
            raise TransformFailed(f"{len(text):,} characters; at most {longest:,} fit.")
        if "\x00" in text:
            raise TransformFailed("it holds a NUL byte; remove it at the vendor.")
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:
                raise TransformFailed(
                    "it holds half of a character (a lone surrogate); mend it at the vendor."
                ) from None
        return text

    return read


def _plain_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return str(value)
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    if isinstance(value, list) and all(type(item) in {str, int} for item in value):
        return ", ".join(map(str, value))
    raise TransformFailed("a list or an object where text is expected; choose a path into it.")


def _date(value: Any) -> str | None:
    day = read_date(value)
    return day.isoformat() if day else None


def _moment(value: Any) -> str | None:
    moment = read_datetime(value)
    return moment.isoformat() if moment else None


def _integer(value: Any) -> int | None:
    number = read_integer(value)
    if number is not None and abs(number) >= 2**53:
        raise TransformFailed("a number this long loses digits; map it to a text field.")
    return number


def _decimal(value: Any) -> str | None:
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        raise TransformFailed(f"{_shown(value)} is no number.") from None
    if not number.is_finite():
        raise TransformFailed(f"{_shown(value)} is no number.")
    return str(number)


_TYPED: dict[str, Read] = {
    "date": _date,
    "datetime": _moment,
    "integer": _integer,
    "decimal": _decimal,
    "boolean": read_boolean,
}


def _manager_reader(field: SourceField | None) -> Read:
    """How the source names a manager, as `kind:value`; the second pass finds the person (F-38)."""
    kind = field.reference if field is not None else None
    text = _text_reader(300)

    def read(value: Any) -> Any:
        reference = text(value)
        if reference is None or reference == "0":
            return None
        return f"{kind or ('email' if '@' in reference else 'employee_id')}:{reference}"

    return read


_ROLE_LENGTHS = (200, 200, 300)


@lru_cache(maxsize=4096)
def _clean_role(role: str, scope_id: str, scope: str) -> list[str]:
    """A role as it fits its columns; roles are no key, so that cutting them harms nobody."""
    return [
        part
        if len(part) <= length and part.isascii() and part.isprintable()
        else part[:length].replace("\x00", "").encode("utf-8", "replace").decode()
        for part, length in zip((role, scope_id, scope), _ROLE_LENGTHS, strict=True)
    ]


def as_moment(value: str) -> datetime:
    """A moment that a payload holds."""
    return datetime.fromisoformat(value)
