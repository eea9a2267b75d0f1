"""What the Betterworks sandbox takes from a request, and refuses of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import orjson

from integrations.sandbox.messages import JSON, Answer, Request
from integrations.sandbox.vendor import LONGEST_NUMBER, RefusedError
from integrations.vendors.betterworks.sandbox_records import (
    DEPARTMENT_VALUES,
    FLAGS,
    PLAIN_TEXTS,
    USER_VALUES,
    Department,
    User,
)

LONGEST_TEXT = 255
REQUIRED = ("email", "first_name", "last_name")
DATES = ("deactivation_date", "hire_date")
DEPARTMENT_KEYS = ("department_name", "department_id")
WRITABLE = (
    "email", *PLAIN_TEXTS, *DATES, *DEPARTMENT_KEYS, "manager_id", "is_active", "custom_fields",
)  # fmt: skip
REQUIRED_TEXT = "This field is required."
BLANK_TEXT = "This field may not be blank."
NULL_TEXT = "This field may not be null."
INVALID_TEXT = "Not a valid string."


class InvalidValue(ValueError):
    """One value that is refused; its text is what the API says of the field."""


def detail(text: str, status: int) -> RefusedError:
    """A refusal as `{"detail": "..."}`."""
    return RefusedError(Answer.of({"detail": text}, status=status))


def field_errors(problems: Mapping[str, str]) -> RefusedError:
    """A refusal that names each field with its reason."""
    named = {name: [text] for name, text in problems.items()}
    return RefusedError(Answer.of(named, status=400))


def read_object(request: Request) -> dict[str, Any]:
    """The body as an object; 415 for another type, 400 for what is no JSON object."""
    kind = request.header("content-type").split(";")[0].strip().lower()
    if kind != JSON:
        raise detail(f'Unsupported media type "{kind}" in request.', 415)
    try:
        body = request.json()
    except orjson.JSONDecodeError:
        raise detail("JSON parse error", 400) from None
    if not isinstance(body, dict):
        raise field_errors({"non_field_errors": "Invalid data. Expected a dictionary."})
    return body


def checked_user(
    body: Mapping[str, Any], *, custom: tuple[str, ...], domains: tuple[str, ...]
) -> dict[str, Any]:
    """The values to set, of the right types; 400 names every field that is unknown or wrong.

    Fields that the company made itself stand among the others or in `custom_fields`.
    """
    values: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for name, value in body.items():
        if name in custom:
            values.setdefault("custom_fields", {})[name] = value
            continue
        try:
            checked = _checked(name, value, custom, domains)
        except InvalidValue as problem:
            problems[name] = str(problem)
            continue
        if name == "custom_fields":
            checked = {**values.get(name, {}), **checked}
        values[name] = checked
    if problems:
        raise field_errors(problems)
    return values


def missing_fields(values: Mapping[str, Any]) -> dict[str, str]:
    """The fields without which no user is made, with what is said of them."""
    return {name: REQUIRED_TEXT for name in REQUIRED if name not in values}


def _checked(name: str, value: Any, custom: tuple[str, ...], domains: tuple[str, ...]) -> Any:
    if name not in WRITABLE:
        raise InvalidValue("Unknown field.")
    if name == "email":
        return _email(value, domains)
    if name in REQUIRED:
        return _filled_text(value)
    if name in DATES:
        return _date(value)
    return _CHECKS[name](value) if name in _CHECKS else _custom(value, custom)


def _filled_text(value: Any) -> str:
    if value is None:
        raise InvalidValue(NULL_TEXT)
    if not isinstance(value, str):
        raise InvalidValue(INVALID_TEXT)
    if not value.strip():
        raise InvalidValue(BLANK_TEXT)
    return _short(value.strip())


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidValue(INVALID_TEXT)
    return _short(value)


def _short(value: str) -> str:
    if len(value) > LONGEST_TEXT or "\0" in value:
        raise InvalidValue(f"Ensure this field has no more than {LONGEST_TEXT} characters.")
    return value


def _email(value: Any, domains: tuple[str, ...]) -> str:
    address = _filled_text(value)
    local, _, domain = address.rpartition("@")
    if not local or "." not in domain or " " in address:
        raise InvalidValue("Enter a valid email address.")
    if domains and domain.casefold() not in domains:
        raise InvalidValue("The domain of this address does not belong to your company.")
    return address


def _date(value: Any) -> str | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(value).isoformat() if len(value) == len("2026-01-01") else _no()
    except (TypeError, ValueError):
        return _no()


def _no() -> str:
    raise InvalidValue("Date has wrong format. Use one of these formats instead: YYYY-MM-DD.")


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidValue("Must be a valid boolean.")
    return value


def _number(value: Any) -> int | None:
    if value is None:
        return None
    text = str(value)
    whole = isinstance(value, int | str) and not isinstance(value, bool)
    if not whole or not (text.isascii() and text.isdecimal()) or len(text) > LONGEST_NUMBER:
        raise InvalidValue("Incorrect type. Expected pk value.")
    return int(text)


def _custom(value: Any, custom: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidValue("Expected a dictionary of items.")
    unknown = [name for name in value if name not in custom]
    if unknown:
        raise InvalidValue(f"Unknown field: {unknown[0][:LONGEST_TEXT]}.")
    return value


_CHECKS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys((*PLAIN_TEXTS, "department_name"), _text),
    "department_id": _number,
    "manager_id": _number,
    "is_active": _boolean,
}


def checked_department(body: Mapping[str, Any]) -> tuple[str, int | None]:
    """Name and parent of a department to make; 400 names what is wrong."""
    problems = {name: "Unknown field." for name in body if name not in {"name", "parent"}}
    name, parent = "", None
    try:
        name = _filled_text(body["name"]) if "name" in body else ""
    except InvalidValue as problem:
        problems["name"] = str(problem)
    if "name" not in body:
        problems["name"] = REQUIRED_TEXT
    try:
        parent = _number(body.get("parent"))
    except InvalidValue as problem:
        problems["parent"] = str(problem)
    if problems:
        raise field_errors(problems)
    return name, parent


def set_values(user: User, values: Mapping[str, Any]) -> None:
    """Set values from outside the API; what is no attribute of the right type is answered raw."""
    texts = {"email", "uuid", *PLAIN_TEXTS, *DATES}
    for name, value in values.items():
        is_text = value is None or isinstance(value, str)
        number = isinstance(value, int) and not isinstance(value, bool)
        if name in FLAGS and isinstance(value, bool):
            others = tuple(flag for flag in user.flags if flag != name)
            user.flags = (*others, name) if value else others
        elif (
            (name in texts and is_text)
            or (name in {"manager_id", "department_id"} and (number or value is None))
            or (name == "is_active" and isinstance(value, bool))
        ):
            setattr(user, name, value)
        else:
            user.extra = {**(user.extra or {}), name: value}


def read_users(kept: list[dict[str, Any]]) -> dict[int, User]:
    """Users by id of what `User.kept` gave."""
    users = [User.from_kept({name: one[name] for name in USER_VALUES}) for one in kept]
    return {user.id: user for user in users}


def read_departments(kept: list[dict[str, Any]]) -> dict[int, Department]:
    """Departments by id of what was kept of them."""
    made = [Department(**{name: one[name] for name in DEPARTMENT_VALUES}) for one in kept]
    return {department.id: department for department in made}
