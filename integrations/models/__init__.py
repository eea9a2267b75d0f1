"""The rows that hold the work: what is configured, what is linked, what runs, what is planned."""

from .credentials import Credentials, GlobalVariable
from .integration import FieldMapping, Integration
from .links import LinkState, RecordLink
from .operations import Operation
from .pace import Pace
from .runs import PlannedChange, RecordIssue, StagedRecord, SyncRun
from .work import DueSlot, Installation, Notification, WorkingProcess

__all__ = [
    "Credentials",
    "DueSlot",
    "FieldMapping",
    "GlobalVariable",
    "Installation",
    "Integration",
    "LinkState",
    "Notification",
    "Operation",
    "Pace",
    "PlannedChange",
    "RecordIssue",
    "RecordLink",
    "StagedRecord",
    "SyncRun",
    "WorkingProcess",
]
