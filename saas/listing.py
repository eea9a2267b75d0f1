"""The SaaS users of an application with their roles of now, read as two streams side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from itertools import groupby
from operator import itemgetter
from typing import Any

from people.listing import CHUNK, Row, plain
from saas.errors import UnknownApplication
from saas.models import Application, SaaSUser, SaaSUserRole

COLUMNS = ("external_id", "email", "name", "status", "last_activity", "roles", "person")
_COLUMNS_READ = ("external_id", "email", "name", "status", "last_activity", "person__email")


def find_application(name: str) -> Application:
    """The application of this name, in whatever case. Raises UnknownApplication. One query."""
    applications = {one.name: one for one in Application.objects.all()}
    by_fold = {known.casefold(): one for known, one in applications.items()}
    found = applications.get(name) or by_fold.get(name.casefold())
    if found is not None:
        return found
    near = get_close_matches(name.casefold(), by_fold, n=1)
    hint = f' Did you mean "{by_fold[near[0]].name}"?' if near else ""
    known_names = ", ".join(sorted(applications)) or "none yet"
    raise UnknownApplication(f'There is no application "{name}".{hint} Known: {known_names}.')


def saas_user_rows(application: Application, custom: Sequence[str]) -> Iterator[Row]:
    """Every account with every field, roles with the primary one first, by id.

    Two queries, whatever the number of accounts; both are read in chunks.
    """
    roles = _current_roles(application)
    with_roles, held_roles = next(roles, (None, []))
    users = SaaSUser.objects.filter(application=application).order_by("pk")
    columns = users.values_list("pk", *_COLUMNS_READ, "custom")
    for pk, external_id, email, name, status, activity, person, held in columns.iterator(
        chunk_size=CHUNK
    ):
        while with_roles is not None and with_roles < pk:
            with_roles, held_roles = next(roles, (None, []))
        row = {
            "external_id": external_id,
            "email": email,
            "name": name,
            "status": status,
            "last_activity": plain(activity),
            "roles": held_roles if with_roles == pk else [],
            "person": person,
        }
        yield row | {key: held.get(key) for key in custom}


def _current_roles(application: Application) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """(account id, its roles) in the order of the ids; accounts without a role are left out."""
    rows = SaaSUserRole.objects.filter(
        saas_user__application=application, valid_to__isnull=True
    ).order_by("saas_user_id", "rank", "role", "scope", "pk")
    streamed = rows.values_list("saas_user_id", "role", "scope_id", "scope").iterator(
        chunk_size=CHUNK
    )
    for user, held in groupby(streamed, key=itemgetter(0)):
        yield (
            user,
            [
                {"role": role, "scope_id": scope_id, "scope": scope}
                for _user, role, scope_id, scope in held
            ],
        )
