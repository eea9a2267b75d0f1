"""The admin of Configuration; being imported here is being registered."""

from integrations.admin import credentials, integration, issues, runs, variables

__all__ = ["credentials", "integration", "issues", "runs", "variables"]
