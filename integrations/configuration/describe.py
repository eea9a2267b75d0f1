"""Rows as the configuration file writes them: what export prints, and what apply compares."""

from __future__ import annotations

from typing import Any

from integrations.configuration.schema import CredentialsPart, FieldPart, IntegrationPart, Part
from integrations.errors import ScheduleInvalid
from integrations.models import Credentials, FieldMapping, Integration
from integrations.schedules import as_data, read_schedule
from people.models import CustomField

_MAPPING_KEYS = ("source", "constant", "transform", "target", "sync_key", "policy")
_NEVER_DESCRIBED = frozenset({"secrets"})


def describe_field(field: CustomField) -> dict[str, Any]:
    """A custom field of people or SaaS users."""
    return {key: getattr(field, key) for key in FieldPart.model_fields}


def describe_credentials(credentials: Credentials) -> dict[str, Any]:
    """Credentials without their secrets. One query for the groups unless they are prefetched."""
    return {
        "name": credentials.name,
        "vendor": credentials.vendor,
        "type": credentials.type,
        "settings": credentials.settings,
        "stored": credentials.stored,
        "tenant": credentials.tenant or None,
        "base_url": credentials.base_url or None,
        "expires_on": credentials.expires_on.isoformat() if credentials.expires_on else None,
        "groups": sorted(group.name for group in credentials.groups.all()),
        "overrides": credentials.overrides,
    }


def describe_integration(integration: Integration) -> dict[str, Any]:
    """An integration with its mappings; three related rows and the mappings are read."""
    return {
        "name": integration.name,
        "vendor": integration.vendor,
        "load": integration.load,
        "user_selection": integration.user_selection,
        "application": integration.application.name if integration.application else None,
        "installation": integration.installation,
        "preference": integration.preference,
        "priority": integration.priority,
        "credentials": integration.credentials.name if integration.credentials else None,
        "run_as": integration.run_as.get_username() if integration.run_as else None,
        "inputs": integration.inputs,
        "filters": integration.filters or {},
        "mappings": [describe_mapping(mapping) for mapping in integration.mappings.all()],
        "missing_users": integration.missing_users,
        "missing_people": integration.missing_people,
        "limits": {
            key: value
            for key in ("removals_percent", "removals_count")
            if (value := getattr(integration, key)) is not None
        },
        "protected": integration.protected,
        "notify": integration.notify,
        "schedule": integration.schedule,
        "state": integration.state,
    }


def describe_mapping(mapping: FieldMapping) -> dict[str, Any]:
    """One mapping; keys that hold their default are left out."""
    return _short({key: getattr(mapping, key) for key in _MAPPING_KEYS})


def defaults(part: type[Part]) -> dict[str, Any]:
    """What something new has where the file says nothing."""
    return {
        key: field.get_default(call_default_factory=True)
        for key, field in part.model_fields.items()
        if key not in _NEVER_DESCRIBED and not field.is_required()
    }


def said(part: Part) -> dict[str, Any]:
    """What the file says of one thing, in the shape of the functions above."""
    given = {key: value for key, value in part.given().items() if key not in _NEVER_DESCRIBED}
    if isinstance(part, IntegrationPart) and "mappings" in given:
        given["mappings"] = [_short(mapping.model_dump()) for mapping in part.mappings]
    if isinstance(part, IntegrationPart) and part.limits is not None:
        given["limits"] = part.limits.given()
    if isinstance(part, IntegrationPart) and part.schedule:
        given["schedule"] = _whole(part.schedule)
    if isinstance(part, CredentialsPart):
        given |= {key: given[key] or None for key in ("tenant", "base_url") if key in given}
        if "groups" in given:
            given["groups"] = sorted(set(part.groups))
    return given


def _whole(schedule: dict[str, Any]) -> dict[str, Any]:
    """The schedule with its zone, as it is stored; what cannot be read stays for the check."""
    try:
        return as_data(read_schedule(schedule))
    except ScheduleInvalid:
        return schedule


def _short(mapping: dict[str, Any]) -> dict[str, Any]:
    defaults_ = {None, "", "always"}
    return {
        key: mapping[key]
        for key in _MAPPING_KEYS
        if mapping[key] not in defaults_ or (key == "constant" and mapping[key] == "always")
    }
