"""What the Aha! sandbox takes from a request, and refuses of it."""

from datetime import UTC, datetime
from typing import Any

import orjson

from integrations.sandbox.messages import JSON, Answer, Request
from integrations.sandbox.vendor import LONGEST_NUMBER, RefusedError
from integrations.vendors.aha.sandbox_records import (
    ADMINISTRATOR_ROLES,
    ROLES,
    Product,
    User,
    find_product,
)

DEFAULT_PAGE = 30
LARGEST_PAGE = 200
WRITABLE_TEXT = ("first_name", "last_name", "email")
TEXTS = (*WRITABLE_TEXT, "accessed_at", "created_at", "updated_at")
FLAGS = ("enabled", "paid_seat")
WRITABLE = (*WRITABLE_TEXT, "enabled", "administrator", "administrator_roles")
_BOOLEANS = {True: True, False: False, "true": True, "false": False}


def stamp(moment: datetime) -> str:
    """`2019-01-01T00:00:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def page_of(records: list[Any], request: Request) -> tuple[list[Any], dict[str, int]]:
    """The records of the page that is asked for, and the pagination object."""
    page = max(1, _whole(request.parameter("page"), 1))
    size = min(LARGEST_PAGE, max(1, _whole(request.parameter("per_page"), DEFAULT_PAGE)))
    total_pages = -(-len(records) // size)
    shown = records[(page - 1) * size : page * size]
    counts = {"total_records": len(records), "total_pages": total_pages, "current_page": page}
    return shown, counts


def _whole(text: str | None, default: int) -> int:
    return int(text[:LONGEST_NUMBER]) if text and text.isdecimal() else default


def wrapped(request: Request, name: str) -> dict[str, Any]:
    """What is inside the wrapper; 400 when the body has none, or is not sent as JSON."""
    values = None
    if request.header("content-type").split(";")[0].strip().lower() == JSON:
        try:
            body = request.json()
        except orjson.JSONDecodeError:
            body = None
        values = body.get(name) if isinstance(body, dict) else None
    if not isinstance(values, dict) or not values:
        text = f"param is missing or the value is empty: {name}"
        raise RefusedError(Answer.of({"error": text}, status=400))
    return values


def invalid(message: str) -> RefusedError:
    return RefusedError(Answer.of({"errors": {"message": message}}, status=422))


def _boolean(name: str, value: Any) -> bool:
    if not isinstance(value, bool | str) or value not in _BOOLEANS:
        raise invalid(f"{name} must be 'true' or 'false'")
    return _BOOLEANS[value]


def checked(values: dict[str, Any]) -> dict[str, Any]:
    """Plain attributes to set; 422 for values of another kind. Unknown names are ignored."""
    changes: dict[str, Any] = {}
    for name in WRITABLE_TEXT:
        if name in values:
            if not isinstance(values[name], str):
                raise invalid(f"{name} is invalid")
            changes[name] = values[name]
    if "email" in changes and "@" not in changes["email"]:
        raise invalid("email is invalid")
    if "enabled" in values:
        changes["enabled"] = _boolean("enabled", values["enabled"])
    administers((), values)
    return changes


def administers(before: tuple[str, ...], values: dict[str, Any]) -> tuple[str, ...]:
    """`administrator` sets all three roles, `administrator_roles` those that it names."""
    roles = set(before)
    if "administrator" in values:
        every = _boolean("administrator", values["administrator"])
        roles = set(ADMINISTRATOR_ROLES) if every else set()
    named = values.get("administrator_roles", {})
    if not isinstance(named, dict):
        raise invalid("administrator_roles is invalid")
    for name, value in named.items():
        if name in ADMINISTRATOR_ROLES:
            (roles.add if _boolean(name, value) else roles.discard)(name)
    return tuple(name for name in ADMINISTRATOR_ROLES if name in roles)


def product_named(wanted: str) -> Product:
    product = find_product(wanted)
    if product is None:
        raise RefusedError(Answer.of({"error": "Record not found"}, status=404))
    return product


def role_named(word: Any) -> str:
    if word not in ROLES:
        raise invalid(f"role must be one of {', '.join(ROLES)}")
    return str(word)


def membership(user: User, product: Product) -> dict[str, Any]:
    number, description = ROLES[user.roles[product.id]]
    return {"role": number, "role_description": description, "user": user.brief()}


def set_values(user: User, values: dict[str, Any]) -> None:
    """Set values from outside the API; what is no attribute of the right type is answered raw."""
    for name, value in values.items():
        as_text = value is None or isinstance(value, str)
        is_flag = name in FLAGS and isinstance(value, bool)
        if is_flag or (name in TEXTS and as_text):
            setattr(user, name, value)
        elif name == "administrator" and isinstance(value, bool):
            user.administers = ADMINISTRATOR_ROLES if value else ()
        elif name == "roles":
            user.roles = {product_named(key).id: role_named(role) for key, role in value.items()}
        else:
            user.extra = {**(user.extra or {}), name: value}
