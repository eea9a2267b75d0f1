"""The admin of Configuration; being imported here is being registered."""

from integrations.admin import (
    credentials,
    installation,
    integration,
    issues,
    notifications,
    operations,
    runs,
    variables,
)

__all__ = [
    "credentials",
    "installation",
    "integration",
    "issues",
    "notifications",
    "operations",
    "runs",
    "variables",
]
