"""What a user who applies a configuration file has to be allowed, by the sections that it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth.models import User

from integrations.configuration.problems import Problems

_PERMISSIONS: Mapping[str, Sequence[str]] = {
    "variables": ("integrations.change_globalvariable",),
    "people_fields": ("people.change_customfield",),
    "saas_user_fields": ("people.change_customfield",),
    "credentials": ("integrations.change_credentials",),
    "integrations": ("integrations.change_integration", "integrations.launch_integration"),
}


def refuse_without_rights(parts: Any, user: User | None, problems: Problems) -> None:
    """Refuse a file with a section that the user may not change, even where it changes nothing.

    What is compared with a file is told, so the words come before any other. Sections of apps
    above ask for their own permissions. Without a user it is the command line, or a program,
    which may do everything. Raises ConfigurationRefused, naming each section that is refused.
    """
    if user is None:
        return
    for section, permissions in _PERMISSIONS.items():
        if not getattr(parts, section):
            continue
        for permission in permissions:
            if not user.has_perm(permission):
                problems.add(
                    (section,),
                    f'"{user}" may not do this: the permission {permission} is missing. '
                    "The group IT admin has it.",
                )
    problems.refuse_if_any()
