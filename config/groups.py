"""The four groups of model.md M-36 and exactly what each may do; made anew after each migrate."""

from __future__ import annotations

from typing import Any

HR_VIEWER = "HR viewer"
AUDITOR = "Auditor"
WORKFLOW_EDITOR = "Workflow editor"
IT_ADMIN = "IT admin"

_READ_AND_EXPORT = [
    "people.view_person",
    "people.view_department",
    "people.view_personrole",
    "people.view_event",
    "people.export_person",
    "saas.view_application",
    "saas.view_saasuser",
    "saas.view_saasuserrole",
    "saas.export_saasuser",
]
_AUDIT = [
    "integrations.view_integration",
    "integrations.view_fieldmapping",
    "integrations.view_syncrun",
    "integrations.view_plannedchange",
    "integrations.view_recordissue",
    "integrations.view_dueslot",
    "integrations.view_notification",
    "integrations.view_workingprocess",
    "integrations.view_installation",
    "integrations.view_operation",
]
# Auditors see runs, but no request and no answer of them: `view_payload` is the IT admin's.
_AUDIT_WORKFLOWS = [
    "workflows.view_workflow",
    "workflows.view_workflowversion",
    "workflows.view_block",
    "workflows.view_workflowrun",
    "workflows.view_runitem",
    "workflows.view_blockrun",
]
_EDIT_WORKFLOWS = [
    "workflows.view_workflow",
    "workflows.view_workflowversion",
    "workflows.view_block",
    "workflows.add_workflow",
    "workflows.change_workflow",
]
# IT admins hold every permission of the apps below, but for rows that nobody may change by hand.
_ADMIN_APPS = ["people", "saas", "integrations", "workflows", "auth"]
_NOBODY_CHANGES = {
    "event",
    "syncrun",
    "plannedchange",
    "recordissue",
    "dueslot",
    "notification",
    "workingprocess",
    "operation",
    "stagedrecord",
    "recordlink",
    "linkstate",
    "saasuserrole",
    "uniquevalue",
    "workflowversion",
    "block",
    "workflowrun",
    "runitem",
    "blockrun",
    "historicalcredentials",
    "historicalintegration",
    "historicalfieldmapping",
    "historicalglobalvariable",
}


def permissions_by_group() -> dict[str, list[str] | None]:
    """`app.codename` per group; None stands for the IT admin's computed set."""
    return {
        HR_VIEWER: _READ_AND_EXPORT,
        AUDITOR: _READ_AND_EXPORT + _AUDIT + _AUDIT_WORKFLOWS,
        WORKFLOW_EDITOR: _READ_AND_EXPORT + _EDIT_WORKFLOWS,
        IT_ADMIN: None,
    }


def make_groups(**_kwargs: Any) -> None:
    """Make or mend the groups. Safe to repeat; about ten queries."""
    from django.contrib.auth.models import Group, Permission

    every = {
        f"{permission.content_type.app_label}.{permission.codename}": permission
        for permission in Permission.objects.select_related("content_type")
    }
    for name, codes in permissions_by_group().items():
        group, _made = Group.objects.get_or_create(name=name)
        wanted = (
            [every[code] for code in codes if code in every]
            if codes is not None
            else [permission for code, permission in every.items() if _is_for_admins(code)]
        )
        group.permissions.set(wanted)


def _is_for_admins(code: str) -> bool:
    app, codename = code.split(".", 1)
    if app not in _ADMIN_APPS:
        return False
    verb, _, model = codename.partition("_")
    return not (verb in {"add", "change", "delete"} and model in _NOBODY_CHANGES)
