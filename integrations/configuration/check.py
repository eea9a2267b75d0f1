"""Is what the file wants possible: variables, fields and credentials. Reads, never writes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from django.conf import settings
from django.core.exceptions import ValidationError

from integrations.auth import Access, signer_for
from integrations.configuration.problems import Path, Problems
from integrations.configuration.schema import CredentialsPart, FieldPart
from integrations.configuration.world import Wanted, World
from integrations.egress import check_url, listed_origin
from integrations.errors import (
    AskPerson,
    InputInvalid,
    OverrideRefused,
    UnknownVendor,
    did_you_mean,
)
from integrations.holding import OPTIONAL, SECRETS
from integrations.models import Credentials, GlobalVariable
from integrations.oauth.grant import SETTINGS as OAUTH_SETTINGS
from integrations.oauth.grant import mistakes_in
from integrations.registry import Vendor, get_vendor, vendors
from people.errors import FieldInvalid
from people.fields import check_field, has_values
from people.models import CustomField

_SETTINGS: Mapping[str, tuple[str, ...]] = {
    "api_key": ("token_name", "add_to"),
    "basic": (),
    "oauth2": OAUTH_SETTINGS,
}
_PLACEHOLDER = re.compile(r"{{.*?}}")


def check_variables(variables: Mapping[str, str], problems: Problems) -> None:
    """Names that templates can say, and values that the inputs they fill can take (AH-10)."""
    inputs = [one for vendor in vendors().values() for one in vendor.inputs.values()]
    for key, value in variables.items():
        path: Path = ("variables", key)
        try:
            GlobalVariable(key=key, value=value).clean_fields()
        except ValidationError as mistakes:
            for message in mistakes.messages:
                problems.add(path, message)
        for one in inputs:
            if one.variable == key:
                try:
                    one.normalise(value)
                except InputInvalid as problem:
                    problems.add(path, problem.message)


def check_fields(
    fields: Sequence[tuple[str, Wanted[FieldPart, CustomField]]], problems: Problems
) -> None:
    """Keys that are free, types that may change, uniqueness that is possible."""
    for object_, wish in fields:
        wanted = field_row(object_, wish)
        try:
            check_field(wanted)
        except FieldInvalid as problem:
            problems.add((*wish.path, problem.field), str(problem))
        old = wish.row
        if old is not None and old.type != wanted.type and has_values(old):
            problems.add(
                (*wish.path, "type"),
                f"{old.label} has values already, so its type stays {old.type}; "
                "make a new field for the other type",
            )


def field_row(object_: str, wish: Wanted[FieldPart, CustomField]) -> CustomField:
    """The row as it is to become, unsaved."""
    wanted = dict(wish.wanted)
    if wanted["visible_to_hr"] is None:
        wanted["visible_to_hr"] = wanted["type"] != CustomField.Type.LONG_TEXT
    return CustomField(pk=wish.row.pk if wish.row else None, object=object_, key=wish.key, **wanted)


def check_credentials(
    wish: Wanted[CredentialsPart, Credentials], world: World, problems: Problems
) -> None:
    """Known vendor, type, settings, groups, overrides; a base URL that may be called."""
    wanted, path = wish.wanted, wish.path
    try:
        vendor = get_vendor(wanted["vendor"])
    except UnknownVendor as problem:
        problems.add((*path, "vendor"), problem.message)
        return
    if wish.row is not None and wish.row.vendor != vendor.key:
        problems.add(
            (*path, "vendor"),
            f'"{wish.key}" belong to {wish.row.vendor}; make other credentials for {vendor.key}',
        )
    types = vendor.manifest.auth.types
    if wanted["type"] not in types:
        problems.add(
            (*path, "type"), f"{vendor.label} takes {' or '.join(types)}, not {wanted['type']}"
        )
    else:
        _check_settings(wish, vendor, problems)
    _check_secret_names(wish, problems)
    for number, name in enumerate(wish.part.groups):
        if name not in world.groups:
            hint = did_you_mean(name, world.groups)
            problems.add((*path, "groups", number), f'there is no group "{name}".{hint}')
    try:
        vendor.corrected(wanted["overrides"])
    except OverrideRefused as problem:
        problems.add((*path, "overrides"), problem.message)
    if wanted["base_url"]:
        _check_base_url(wanted["base_url"], vendor, (*path, "base_url"), problems)


def _check_settings(
    wish: Wanted[CredentialsPart, Credentials], vendor: Vendor, problems: Problems
) -> None:
    """What the signer would say to these settings, said before anything is stored."""
    wanted = wish.wanted
    known, mistaken = _SETTINGS[wanted["type"]], False
    for name, value in wanted["settings"].items():
        place = (*wish.path, "settings", name)
        if name not in known:
            problems.add(place, f"unknown key.{did_you_mean(name, known)}")
            mistaken = True
        elif not isinstance(value, str):
            problems.add(place, "must be text")
            mistaken = True
    if mistaken:
        return
    if wanted["type"] == Credentials.Type.OAUTH2:
        for name, why in mistakes_in(vendor, wanted["settings"]).items():
            problems.add((*wish.path, "settings", name), why)
        return
    stand_in = dict.fromkeys(SECRETS[wanted["type"]], "x")
    access = Access(0, wish.key, wanted["type"], wanted["settings"], stand_in)
    try:
        signer_for(vendor.manifest.auth, access)
    except AskPerson as problem:
        problems.add((*wish.path, "settings"), problem.message)


def _check_secret_names(wish: Wanted[CredentialsPart, Credentials], problems: Problems) -> None:
    needed = SECRETS[wish.wanted["type"]]
    known = (*needed, *OPTIONAL.get(wish.wanted["type"], ()))
    for name in wish.part.secrets:
        if name not in known:
            problems.add(
                (*wish.path, "secrets", name),
                f"{wish.wanted['type']} has no secret of this name.{did_you_mean(name, known)} "
                f"It has: {', '.join(known)}.",
            )
    outside = wish.wanted["stored"] == Credentials.Stored.REFERENCE
    if outside and wish.wanted["type"] == Credentials.Type.OAUTH2:
        problems.add(
            (*wish.path, "stored"),
            "OAuth 2.0 is always sealed: its tokens change by themselves and have to be stored",
        )
    if (wish.row is None or outside) and wish.part.secrets:
        for name in needed:
            if name not in wish.part.secrets:
                problems.add((*wish.path, "secrets", name), "is missing")


def _check_base_url(url: str, vendor: Vendor, path: Path, problems: Problems) -> None:
    hosts = [_PLACEHOLDER.sub("*", host) for host in vendor.manifest.hosts]
    try:
        check_url(
            url,
            vendor_hosts=hosts,
            extra_hosts=listed_origin(url, settings.EGRESS_EXTRA_HOSTS),
            allow_http=settings.EGRESS_ALLOW_HTTP,
        )
    except AskPerson as problem:
        problems.add(path, problem.message.removeprefix("The call was not sent: "))
        return
    if "?" in url:
        problems.add(path, "a base URL holds no parameters")
