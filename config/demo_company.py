"""The demo company as a configuration file: what an operator would write for these vendors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from config import demo_workflows
from config.demo_workflows import credentials_name as _credentials_name
from integrations.registry import get_vendor

_BAMBOOHR: dict[str, Any] = {
    "name": "BambooHR employees",
    "vendor": "bamboohr",
    "load": "employees",
    "user_selection": "user_only",
    "preference": "create_and_update",
    "priority": 10,
    "mappings": [
        {"source": "work_email", "target": "email", "sync_key": 1},
        {"source": "employee_number", "target": "employee_id", "sync_key": 2},
        {"source": "work_email", "target": "username"},
        {"source": "first_name", "target": "first_name"},
        {"source": "last_name", "target": "last_name"},
        {"source": "preferred_name", "target": "preferred_name", "policy": "when_filled"},
        {"source": "job_title", "target": "title"},
        {"source": "department", "target": "department"},
        {"source": "supervisor_eid", "target": "manager"},
        {"source": "work_phone", "target": "phone"},
        {"source": "location", "target": "location"},
        {"source": "country", "target": "country"},
        {"source": "hire_date", "target": "hire_date"},
        {"source": "termination_date", "target": "deactivation_date"},
        {"source": "employment_status", "target": "employment_status"},
        {"source": "status", "target": "status"},
        {"constant": "Employee", "target": "role", "policy": "on_create"},
    ],
    "missing_people": "deactivate",
    "schedule": {"every": "day", "at": "03:00", "timezone": "America/Los_Angeles"},
}
_AHA: dict[str, Any] = {
    "name": "Aha! users",
    "vendor": "aha",
    "load": "users",
    "user_selection": "user_plus_saas_user",
    "application": "Aha!",
    "preference": "create_and_update",
    "priority": 50,
    "mappings": [
        {"source": "email", "target": "email", "sync_key": 1},
        {"source": "email", "target": "username"},
        {"source": "id", "target": "aha_user_id"},
        {"source": "name", "transform": "first_name", "target": "first_name"},
        {"source": "name", "transform": "last_name", "target": "last_name"},
        {"constant": "Employee", "target": "role", "policy": "on_create"},
    ],
    "schedule": {"every": "day", "at": "06:00", "timezone": "Europe/London"},
}
_BETTERWORKS: dict[str, Any] = {
    "name": "Betterworks users",
    "vendor": "betterworks",
    "load": "users",
    "user_selection": "user_plus_saas_user",
    "application": "Betterworks",
    "preference": "update_only",
    "priority": 20,
    "mappings": [
        {"source": "employee_id", "target": "employee_id", "sync_key": 1, "policy": "when_filled"},
        {"source": "email", "target": "email", "sync_key": 2},
        {"source": "email", "target": "username"},
        {"source": "id", "target": "betterworks_user_id"},
    ],
    "schedule": {"every": "day", "at": "03:30", "timezone": "America/Los_Angeles"},
}
_GOTO: dict[str, Any] = {
    "name": "GoTo users",
    "vendor": "goto",
    "load": "users",
    "user_selection": "user_plus_saas_user",
    "application": "GoTo",
    "preference": "update_only",
    "priority": 30,
    "mappings": [
        {"source": "email", "target": "email", "sync_key": 1},
        {"source": "email", "target": "username"},
        {"source": "user_key", "target": "goto_user_key"},
    ],
    "schedule": {"every": "day", "at": "05:00", "timezone": "Europe/London"},
}
_MONDAY: dict[str, Any] = {
    "name": "monday.com users",
    "vendor": "monday",
    "load": "users",
    "user_selection": "user_plus_saas_user",
    "application": "monday.com",
    "preference": "update_only",
    "priority": 40,
    "mappings": [
        {"source": "email", "target": "email", "sync_key": 1},
        {"source": "email", "target": "username"},
        {"source": "id", "target": "monday_user_id"},
        {"source": "mobile_phone", "target": "mobile_phone", "policy": "when_filled"},
    ],
    "schedule": {"every": "day", "at": "05:30", "timezone": "Europe/London"},
}
_INTEGRATIONS = (_BAMBOOHR, _BETTERWORKS, _GOTO, _MONDAY, _AHA)
_PEOPLE_FIELDS = ("Betterworks User Id", "GoTo User Key", "Monday User Id", "Aha User Id")


def configuration_of(vendors: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The configuration for the vendors that the sandbox describes; secrets by name only."""
    ours = [part for part in _INTEGRATIONS if part["vendor"] in vendors]
    return {
        "variables": {
            variable: value
            for part in ours
            for _name, variable, value in _inputs(part["vendor"], vendors[part["vendor"]])
        },
        "people_fields": [
            *({"label": label, "type": "text"} for label in _PEOPLE_FIELDS),
            *demo_workflows.PEOPLE_FIELDS,
        ],
        "saas_user_fields": list(demo_workflows.SAAS_USER_FIELDS),
        "credentials": [_credentials(part["vendor"], vendors[part["vendor"]]) for part in ours],
        "integrations": [
            {
                **part,
                "inputs": {
                    name: f"{{{{ variables.{variable} }}}}"
                    for name, variable, _value in _inputs(part["vendor"], vendors[part["vendor"]])
                },
                "credentials": _credentials_name(part["vendor"]),
                "run_as": "admin",
                "state": "active",
            }
            for part in ours
        ],
        "workflows": demo_workflows.workflows_of([part["vendor"] for part in ours]),
    }


def _inputs(vendor: str, side: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(input, the variable that it is filled from, its value) of a vendor."""
    known = get_vendor(vendor).inputs
    return [(name, known[name].variable or "", value) for name, value in side["inputs"].items()]


def secret_variable(vendor: str, name: str) -> str:
    """The environment variable that holds a secret while the file is applied."""
    return f"DEMO_{vendor}_{name}".upper()


def _credentials(vendor: str, side: Mapping[str, Any]) -> dict[str, Any]:
    signed = side["credentials"]
    return {
        "name": _credentials_name(vendor),
        "vendor": vendor,
        "type": signed["type"],
        "settings": signed["settings"],
        "secrets": {name: {"env": secret_variable(vendor, name)} for name in signed["secrets"]},
        "base_url": side["base_url"],
        "groups": ["IT admin"],
    }
