"""What the monday.com sandbox lists and changes: the arguments of `users`, the user mutations."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from graphql import GraphQLError

from integrations.vendors.monday.sandbox_records import (
    ACTIVE,
    GUEST,
    INACTIVE,
    PENDING,
    PEOPLE,
    User,
)

LARGEST_PAGE = 1000
LARGEST_BATCH = 200

# None when it went through, else code and message.
Refusal = tuple[str, str] | None


def failure(message: str, code: str, status: int, **more: Any) -> GraphQLError:
    """An error of one field, as monday.com words it."""
    extensions = {"code": code, "error_data": {}, "status_code": status, **more}
    return GraphQLError(message, extensions=extensions)


def select(users: Iterable[User], version: str, **given: Any) -> list[User]:
    """The users that the arguments of `users` mean. Raises GraphQLError."""
    asked = {name: value for name, value in given.items() if value is not None}
    chosen = [user for user in users if _is_meant(user, asked)]
    chosen.sort(key=lambda user: (user.created_at, _number(user.id)))
    sort = asked.get("sort") or []
    if asked.get("newest_first") or any(one["direction"] == "DESC" for one in sort):
        chosen.reverse()
    limit, page = asked.get("limit"), asked.get("page", 1)
    if limit is None:
        return chosen
    largest = LARGEST_PAGE if version >= "2026-07" else len(chosen) + 1
    if page < 1 or limit < 1 or limit > max(largest, LARGEST_PAGE):
        raise failure("Invalid limit or page", "InvalidArgumentException", 400)
    return chosen[(page - 1) * limit : page * limit]


def _number(user_id: str) -> tuple[int, str]:
    return (int(user_id), "") if user_id.isdecimal() else (0, user_id)


def _is_meant(user: User, asked: dict[str, Any]) -> bool:
    return (
        user.status in _statuses(asked)
        and ("ids" not in asked or user.id in asked["ids"])
        and ("emails" not in asked or _fold(user.email) in map(_fold, asked["emails"]))
        and ("name" not in asked or _has_name(user, asked))
        and _has_kind(user, asked)
    )


def _statuses(asked: dict[str, Any]) -> Sequence[str]:
    """Unless something else is asked for, deactivated users are not there."""
    if "status" in asked:
        return list(asked["status"])
    if "non_active" in asked:
        return [INACTIVE] if asked["non_active"] else [ACTIVE]
    return [ACTIVE, PENDING]


def _has_name(user: User, asked: dict[str, Any]) -> bool:
    """Anywhere in the name, or exactly together with another filter."""
    wanted, name = _fold(asked["name"]), _fold(user.name)
    return wanted == name if asked.keys() & {"user_kind", "kind", "emails"} else wanted in name


def _has_kind(user: User, asked: dict[str, Any]) -> bool:
    older = asked.get("kind", "all")
    if older in {"guests", "non_guests"} and (user.kind == GUEST) != (older == "guests"):
        return False
    if older == "non_pending" and user.status == PENDING:
        return False
    wanted = asked.get("user_kind") or {}
    within, without = wanted.get("in"), wanted.get("not_in")
    return (within is None or _is_kind(user, within)) and not _is_kind(user, without or [])


def _is_kind(user: User, filters: Sequence[str]) -> bool:
    return user.kind.upper() in filters or (user.kind in PEOPLE and "BASIC" in filters)


def _fold(text: str | None) -> str:
    return (text or "").casefold()


def change_each(
    users: dict[str, User], user_ids: Sequence[str], own_id: str, change: Callable[[User], Refusal]
) -> tuple[list[User], list[dict[str, Any]]]:
    """Change users one by one; gives those that were changed, and an error for each other one."""
    if len(user_ids) > LARGEST_BATCH:
        message = f"Up to {LARGEST_BATCH} users at once"
        return [], [{"message": message, "code": "EXCEEDS_BATCH_LIMIT", "user_id": None}]
    done, errors = [], []
    for user_id in dict.fromkeys(user_ids):
        refusal: Refusal = None
        user = users.get(user_id)
        if user is None:
            refusal = ("USER_NOT_FOUND", "User not found")
        elif user_id == own_id:
            refusal = ("CANNOT_UPDATE_SELF", "You cannot update yourself")
        else:
            refusal = change(user)
        if refusal is None and user is not None:
            done.append(user)
        elif refusal is not None:
            errors.append({"message": refusal[1], "code": refusal[0], "user_id": user_id})
    return done, errors
