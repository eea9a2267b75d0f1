"""What the GoTo sandbox takes from a request, and refuses of it."""

import re
import zoneinfo
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import orjson

from integrations.sandbox.messages import JSON, Answer, Request
from integrations.sandbox.vendor import LONGEST_NUMBER, RefusedError
from integrations.vendors.goto.sandbox_records import ADMIN_ROLES, LOCALES, TEMPLATES, User

DEFAULT_PAGE = 25
LARGEST_PAGE = 1000
LENGTHS = {
    "email": (1, 128),
    "firstName": (1, 60),
    "lastName": (1, 60),
    "emailSubject": (0, 150),
    "emailText": (0, 20_000),
}
MAIL = ("emailSubject", "emailText", "emailTemplateKey")
NEW_USER = ("email", "firstName", "lastName", "locale")
NEW_USERS = ("users", "licenseKeys", "adminRoles", "managedGroupKeys", "groupKey", *MAIL)
FLAGS = ("nameLocked", "emailLocked", "admin", "suppressEmail")
CHANGES = (
    *("email", "firstName", "lastName", "locale", "timeZone", "adminRoles"),
    *("managedGroupKeys", "nameLocked", "emailLocked", "admin"),
)
IDENTITY = frozenset({"email", "firstName", "lastName", "locale"})
FILTERABLE = {"email": "email", "firstName": "first_name", "lastName": "last_name", "key": "key"}
_FILTER = re.compile(r'(\w+) eq "((?:[^"\\]|\\["\\/bfnrtu])*)"')
_BOOLEANS = {"true": True, "false": False}


def failure(status: int, code: str, message: str) -> RefusedError:
    """A refusal with a body as GoTo's are."""
    return RefusedError(Answer.of({"code": code, "message": message}, status=status))


def invalid(message: str) -> RefusedError:
    """A 400 about a value of the request."""
    return failure(400, "validation.failed", message)


def page_of(records: Sequence[Any], request: Request) -> tuple[Sequence[Any], dict[str, int]]:
    """The records of the page that is asked for, and what stands beside them."""
    size = _whole(request, "pageSize", DEFAULT_PAGE)
    offset = _whole(request, "offset", 0)
    if not 1 <= size <= LARGEST_PAGE:
        raise invalid(f"pageSize must be between 1 and {LARGEST_PAGE}")
    shown = records[offset : offset + size]
    last = max(offset, offset + len(shown) - 1)
    return shown, {"fromIndex": offset, "toIndex": last, "total": len(records)}


def _whole(request: Request, name: str, default: int) -> int:
    text = request.parameter(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal()) or len(text) > LONGEST_NUMBER:
        raise invalid(f"{name} must be a number")
    return int(text)


def read_filter(request: Request, *, ignore_case: bool) -> Callable[[User], bool] | None:
    """What the parameter `filter` asks for; None without one.

    400 for `+` in place of a blank, and for anything but `attribute eq "value"`.
    """
    text = request.parameter("filter")
    if text is None:
        return None
    raw = next(part for part in request.raw_query.split("&") if part.startswith("filter="))
    match = _FILTER.fullmatch(text)
    if "+" in raw or match is None:
        raise failure(400, "invalid.filter", "The filter cannot be read")
    name = FILTERABLE.get(match[1])
    if name is None:
        raise failure(400, "invalid.filter", f"Unknown attribute {match[1]}")
    try:
        wanted: str = orjson.loads(f'"{match[2]}"')
    except orjson.JSONDecodeError:
        raise failure(400, "invalid.filter", "The filter cannot be read") from None
    if ignore_case:
        return lambda user: str(getattr(user, name)).casefold() == wanted.casefold()
    return lambda user: bool(getattr(user, name) == wanted)


def flag_of(request: Request, name: str, *, default: bool) -> bool:
    """A query parameter that is true or false in any case."""
    text = request.parameter(name)
    if text is None:
        return default
    if text.lower() not in _BOOLEANS:
        raise invalid(f"{name} must be true or false")
    return _BOOLEANS[text.lower()]


def body_of(request: Request, known: tuple[str, ...], *, optional: bool = False) -> dict[str, Any]:
    """The body as an object that holds only known names, each with a right value."""
    if optional and not request.body:
        return {}
    if request.header("content-type").split(";")[0].strip().lower() != JSON:
        raise failure(415, "unsupported.media.type", f"Content-Type must be {JSON}")
    try:
        body = request.json()
    except orjson.JSONDecodeError:
        raise failure(400, "invalid.json", "The body is no JSON") from None
    if not isinstance(body, dict):
        raise invalid("The body must be an object")
    return checked(body, known)


def checked(values: Mapping[str, Any], known: tuple[str, ...]) -> dict[str, Any]:
    """The values; 400 for an unknown name or a value that the attribute cannot have."""
    for name, value in values.items():
        if name not in known:
            raise invalid(f"Unknown attribute {name}")
        if name in LENGTHS:
            _check_text(name, value)
        elif name in FLAGS and not isinstance(value, bool):
            raise invalid(f"{name} must be true or false")
        elif name == "locale" and value not in LOCALES:
            raise invalid(f"Unknown locale {value!r}")
        elif name == "timeZone" and str(value) not in time_zones():
            raise invalid(f"Unknown time zone {value!r}")
        elif name == "adminRoles":
            _check_roles(value)
        elif name in {"licenseKeys", "managedGroupKeys"}:
            keys_of(name, value)
        elif name == "emailTemplateKey" and _key(name, value) not in {one.key for one in TEMPLATES}:
            raise invalid(f"Unknown template {value!r}")
    return dict(values)


def _check_text(name: str, value: Any) -> None:
    shortest, longest = LENGTHS[name]
    if not isinstance(value, str) or not shortest <= len(value) <= longest:
        raise invalid(f"{name} must have {shortest} to {longest} characters")
    if name == "email" and not re.fullmatch(r"[^@\s]+@[^@\s]+", value):
        raise invalid("email is no address")


def _check_roles(value: Any) -> None:
    if not isinstance(value, list) or any(role not in ADMIN_ROLES for role in value):
        raise invalid(f"adminRoles is a list of {', '.join(ADMIN_ROLES)}")


def keys_of(name: str, value: Any) -> list[str]:
    """Keys as text; they may come as numbers or as text of digits."""
    if not isinstance(value, list):
        raise invalid(f"{name} must be a list")
    return [_key(name, one) for one in value]


def _key(name: str, value: Any) -> str:
    text = str(value)
    if isinstance(value, bool | float) or not (text.isascii() and text.isdecimal()):
        raise invalid(f"{name} must be a key")
    return text


@cache
def time_zones() -> frozenset[str]:
    """The IANA names."""
    return frozenset(zoneinfo.available_timezones())
