"""The demo company as a configuration file: what an operator would write for these vendors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_BAMBOOHR: dict[str, Any] = {
    "name": "BambooHR employees",
    "vendor": "bamboohr",
    "load": "employees",
    "user_selection": "user_only",
    "preference": "create_and_update",
    "priority": 10,
    "inputs": {"subdomain": "{{ variables.BambooHR.Subdomain }}"},
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
    "inputs": {"subdomain": "{{ variables.Aha.Subdomain }}"},
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
_VARIABLE = {"aha": "Aha.Subdomain", "bamboohr": "BambooHR.Subdomain"}


def configuration_of(vendors: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The configuration for the vendors that the sandbox describes; secrets by name only."""
    ours = [part for part in (_BAMBOOHR, _AHA) if part["vendor"] in vendors]
    return {
        "variables": {
            _VARIABLE[part["vendor"]]: vendors[part["vendor"]]["inputs"]["subdomain"]
            for part in ours
        },
        "people_fields": [{"label": "Aha User Id", "type": "text"}],
        "credentials": [_credentials(part["vendor"], vendors[part["vendor"]]) for part in ours],
        "integrations": [
            {
                **part,
                "credentials": _credentials_name(part["vendor"]),
                "run_as": "admin",
                "state": "active",
            }
            for part in ours
        ],
    }


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


def _credentials_name(vendor: str) -> str:
    return {"aha": "Aha! sandbox", "bamboohr": "BambooHR sandbox"}[vendor]
