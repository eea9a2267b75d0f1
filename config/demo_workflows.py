"""The workflows of the demo company: what only reads runs, what changes a vendor is a draft."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from integrations.registry import get_vendor

APPLICATIONS = {
    "betterworks": "Betterworks",
    "goto": "GoTo",
    "aha": "Aha!",
    "monday": "monday.com",
}
PEOPLE_FIELDS: tuple[Mapping[str, str], ...] = (
    {"label": "API Response", "type": "long_text"},
    {"label": "Betterworks Active", "type": "boolean"},
    {"label": "GoTo License Key", "type": "text"},
)
SAAS_USER_FIELDS: tuple[Mapping[str, str], ...] = ({"label": "Details", "type": "long_text"},)
_IT = "it@example.com"
_ALL = {"response": {"positive": [{"from": "{{ response }}", "to": "api_response"}]}}
_TELL = {
    "key": "tell",
    "kind": "notification",
    "name": "Tell IT",
    "settings": {
        "recipients": [_IT],
        "subject": "A workflow failed for {{ email }}",
        "message": "{{ failure.reason }}",
    },
    "exits": {"success": "end", "failure": "end"},
}


def credentials_name(vendor: str) -> str:
    """The name of the demo's credentials for a vendor."""
    return f"{get_vendor(vendor).label} sandbox"


def role_workflow(vendor: str) -> str:
    """The name of the workflow that reads a vendor's roles."""
    return f"{APPLICATIONS[vendor]} roles"


def workflows_of(ours: Collection[str]) -> list[dict[str, Any]]:
    """The workflows for these vendors, as the configuration file writes them."""
    found = [_roles(vendor, at) for vendor, at in _ROLES_AT if vendor in ours]
    return found + [one for vendor, one in _others() if vendor in ours]


_ROLES_AT = (("betterworks", "07:00"), ("goto", "07:10"), ("aha", "07:20"), ("monday", "07:30"))


def _roles(vendor: str, at: str) -> dict[str, Any]:
    return {
        "name": role_workflow(vendor),
        "object": "saas_user",
        "application": APPLICATIONS[vendor],
        "description": "Reads every morning who has which role.",
        "begin": {"actions": ["schedule", "manual"], "schedule": _daily(at), "records": "active"},
        "blocks": [
            {
                "key": "role",
                "kind": "saas_user_role",
                "name": "Read roles",
                "preset": f"{vendor}.user_role",
                "credentials": credentials_name(vendor),
                "settings": {"deactivate_user": True},
                "exits": {"success": "end", "failure": "tell"},
            },
            _TELL,
        ],
        "state": "active",
    }


def _others() -> list[tuple[str, dict[str, Any]]]:
    return [*_reads(), *_of_betterworks(), *_of_goto(), *_of_aha()]


def _reads() -> list[tuple[str, dict[str, Any]]]:
    """What can be started by hand for one record, or all: it only reads."""
    last = "{{ response.data.users[0].last_activity }}"
    kept = [{"from": "{{ response }}", "to": "details"}]
    active = [{"from": "{{ response.is_active }}", "to": "betterworks_active"}]
    first = [{"from": "{{ response.results[0].key }}", "to": "goto_license_key"}]
    manual = {"actions": ["manual"]}
    weekly = {
        "actions": ["schedule", "manual"],
        "schedule": {"every": "week", "on": ["monday"], "at": "07:40", "timezone": "Europe/London"},
        "rules": _all(("last_activity", "older_than_days", 60)),
    }
    stores = {"response": {"positive": [*_ALL["response"]["positive"], *active]}}
    licences = {"response": {"positive": [*_ALL["response"]["positive"], *first]}}
    return [
        _one("monday", "monday.com last activity of idle accounts", weekly, [
            _call("monday.get_last_activity", "Ask monday.com", {"response": {"positive": [
                {"from": last, "to": "last_activity"}]}}),
        ], object="saas_user", state="active"),
        _one("monday", "monday.com user details", manual, [
            _call("monday.get_user_details", "Read details", {"response": {"positive": kept}}),
        ], object="saas_user", state="active"),
        _one("aha", "Aha! user details", manual, [
            _call("aha.get_user_details", "Read details", {"response": {"positive": kept}}),
        ], object="saas_user", state="active"),
        _one("betterworks", "Betterworks user details", _filled("betterworks_user_id"), [
            _call("betterworks.get_user_by_id", "Read details", stores),
        ], state="active"),
        _one("betterworks", "Betterworks users with admin rights", manual, [
            _call("betterworks.list_users_with_admin_role", "List admins", _ALL),
        ], state="active"),
        _one("goto", "GoTo licences of a user", _filled("goto_user_key"), [
            _call("goto.get_licenses_by_user_id", "Read licences", licences),
        ], state="active"),
        _one("goto", "GoTo user by e-mail", manual, [
            _call("goto.get_user_by_email", "Find user", _ALL),
        ], state="active"),
    ]  # fmt: skip


def _of_betterworks() -> list[tuple[str, dict[str, Any]]]:
    made = {"response": {"positive": [{"from": "{{ response.id }}", "to": "betterworks_user_id"}]}}
    changed = {"inputs": {name: f"{{{{ {name} }}}}" for name in ("first_name", "last_name")}}
    edit = {"actions": ["edit"], "rules": {"any": [
        {"field": name, "operator": "changed"} for name in ("first_name", "last_name", "title")
    ]}}  # fmt: skip
    return [
        _one("betterworks", "Betterworks account for new people", {"actions": ["new"]}, [
            _call("betterworks.create_user", "Create account", made),
        ]),
        _one("betterworks", "Betterworks account follows changes", edit, [
            _call("betterworks.update_user", "Update account", {
                "inputs": {**changed["inputs"], "title": "{{ title }}"}}),
        ]),
    ]  # fmt: skip


def _of_goto() -> list[tuple[str, dict[str, Any]]]:
    made = {
        "inputs": {"email_subject": "Welcome to GoTo, {{ first_name }}"},
        "response": {"positive": [{"from": "{{ response[0].key }}", "to": "goto_user_key"}]},
    }
    found = {
        "response": {
            "positive": [{"from": "{{ response.results[0].key }}", "to": "variables.license"}]
        }
    }
    key = {"inputs": {"license_key": "{{ variables.license }}"}}
    ours = {"inputs": {"license_key": "{{ goto_license_key }}"}}
    asked = {
        "key": "ask", "kind": "approval", "name": "Ask IT",
        "settings": {"approvers": ["IT admin"], "message": "Delete {{ email }} at GoTo?"},
        "exits": {"approved": "call", "rejected": "end", "expired": "end"},
    }  # fmt: skip
    manual = {"actions": ["manual"], "rules": _all(("goto_user_key", "is_not_empty", None))}
    gone = {"actions": ["archive"], "rules": _all(("goto_user_key", "is_not_empty", None))}
    return [
        _one("goto", "GoTo account for new people", {"actions": ["new"]}, [
            _call("goto.add_users", "Add user", made),
        ]),
        _one("goto", "GoTo account follows changes", {
            "actions": ["edit"], "rules": _renamed("goto_user_key")}, [
            _call("goto.update_user", "Update user", {"inputs": {
                "first_name": "{{ first_name }}", "last_name": "{{ last_name }}"}}),
        ]),
        _one("goto", "GoTo licence of leavers is freed", gone, [
            {**_call("goto.get_licenses_by_user_id", "Read licences", found),
             "key": "licences", "exits": {"success": "call", "failure": "tell"}},
            _call("goto.unassign_license_by_email", "Take the licence", key),
        ]),
        _one("goto", "GoTo licence by e-mail", manual, [
            _call("goto.assign_license_to_user_by_email", "Give the licence", ours),
        ]),
        _one("goto", "GoTo welcome mail again", manual, [
            _call("goto.resend_welcome_email", "Send the mail", {}),
        ]),
        _one("goto", "GoTo account of leavers is deleted", gone, [
            asked, _call("goto.delete_users", "Delete user", {}),
        ]),
    ]  # fmt: skip


def _of_aha() -> list[tuple[str, dict[str, Any]]]:
    known = _all(("aha_user_id", "is_not_empty", None))
    gone = {"actions": ["archive"], "rules": known}
    return [
        _one("aha", "Aha! account of leavers is disabled", gone, [
            _call("aha.deactivate_user", "Disable user", {}),
        ]),
        _one("aha", "Aha! account follows changes", {
            "actions": ["edit"], "rules": _renamed("aha_user_id")}, [
            _call("aha.update_user_details", "Update user", {"inputs": {
                "first_name": "{{ first_name }}", "last_name": "{{ last_name }}"}}),
        ]),
    ]  # fmt: skip


def _one(
    vendor: str,
    name: str,
    begin: Mapping[str, Any],
    blocks: list[dict[str, Any]],
    *,
    object: str = "person",  # noqa: A002 - the word of the configuration file
    state: str = "draft",
) -> tuple[str, dict[str, Any]]:
    application = {"application": APPLICATIONS[vendor]} if object == "saas_user" else {}
    workflow = {"name": name, "object": object, **application}
    return vendor, {**workflow, "begin": begin, "blocks": [*blocks, _TELL], "state": state}


def _call(preset: str, name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "key": "call",
        "kind": "api",
        "name": name,
        "preset": preset,
        "credentials": credentials_name(preset.partition(".")[0]),
        "settings": settings,
        "exits": {"success": "end", "failure": "tell"},
    }


def _all(*rules: tuple[str, str, Any]) -> dict[str, Any]:
    rows = [
        {"field": field, "operator": operator} | ({} if value is None else {"value": value})
        for field, operator, value in rules
    ]
    return {"all": rows}


def _renamed(key: str) -> dict[str, Any]:
    """Who has an account and got another name."""
    names = [{"field": one, "operator": "changed"} for one in ("first_name", "last_name")]
    return {"all": [{"field": key, "operator": "is_not_empty"}, {"any": names}]}


def _filled(field: str) -> dict[str, Any]:
    return {"actions": ["manual"], "rules": _all((field, "is_not_empty", None))}


def _daily(at: str) -> dict[str, str]:
    return {"every": "day", "at": at, "timezone": "Europe/London"}
