"""Workflows, their versions and blocks; their runs, and each record's way through them."""

from .definition import Block, Workflow, WorkflowVersion
from .runs import BlockRun, RunItem, WorkflowRun

__all__ = ["Block", "BlockRun", "RunItem", "Workflow", "WorkflowRun", "WorkflowVersion"]
