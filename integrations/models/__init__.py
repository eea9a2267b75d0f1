"""The rows that hold the work: what is configured, what is linked, what runs, what is planned."""

from .credentials import Credentials, GlobalVariable
from .integration import FieldMapping, Integration
from .links import LinkState, RecordLink
from .runs import PlannedChange, RecordIssue, StagedRecord, SyncRun

__all__ = [
    "Credentials",
    "FieldMapping",
    "GlobalVariable",
    "Integration",
    "LinkState",
    "PlannedChange",
    "RecordIssue",
    "RecordLink",
    "StagedRecord",
    "SyncRun",
]
