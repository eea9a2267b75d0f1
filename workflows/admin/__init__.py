"""The admin of workflows and their runs; being imported here is being registered."""

from workflows.admin import items, panels, runs, workflows

__all__ = ["items", "panels", "runs", "workflows"]
