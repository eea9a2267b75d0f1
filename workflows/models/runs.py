"""Runs of workflows: the header, one item per record, and the item's way through the blocks."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

from integrations.models import DueSlot, Operation, SyncRun
from workflows.models.definition import Workflow, WorkflowVersion

_LONGEST_NAME = 200
LONGEST_APPROVERS = 2 * _LONGEST_NAME + len(" and ")


class WorkflowRun(models.Model):
    """One start of a workflow, for one record or many; it keeps the version that it began with.

    `selection` is what its records are chosen by until they are: {} for all that match, or
    {"records": [ids]}. `chain` counts workflows that started one another (M-20).
    """

    class Trigger(models.TextChoices):
        EVENT = "event", "Event"
        SCHEDULE = "schedule", "Schedule"
        MANUAL = "manual", "By hand"
        COMMAND = "command", "Command"

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        HELD = "held", "Held"
        DONE = "done", "Done"
        PARTIAL = "partial", "Partly done"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    ACTIVE_STATES = (State.QUEUED, State.RUNNING)

    workflow = models.ForeignKey(Workflow, on_delete=models.PROTECT, related_name="runs")
    version = models.ForeignKey(WorkflowVersion, on_delete=models.PROTECT, related_name="runs")
    name = models.CharField(max_length=150, help_text="The workflow's name when it began.")
    trigger = models.CharField(max_length=8, choices=Trigger.choices)
    started_by = models.CharField(max_length=200, help_text="Who or what asked for it.")
    source_run = models.ForeignKey(
        SyncRun, on_delete=models.SET_NULL, null=True, related_name="workflow_runs"
    )
    slot = models.ForeignKey(
        DueSlot, on_delete=models.SET_NULL, null=True, related_name="workflow_runs"
    )
    chain = models.PositiveSmallIntegerField(default=0)
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    selection = models.JSONField(default=dict)
    matched = models.PositiveIntegerField(default=0)
    already_under_way = models.PositiveIntegerField(default=0)
    counts = models.JSONField(default=dict, help_text="As in JSON output, when it has ended.")
    held_because = models.CharField(max_length=500, blank=True)
    error_code = models.CharField(max_length=50, blank=True)
    error_message = models.TextField(blank=True)
    queued_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["workflow", "source_run"],
                condition=Q(source_run__isnull=False),
                name="one_run_of_a_workflow_per_sync_run",
            ),
            models.CheckConstraint(
                condition=Q(
                    state__in=[
                        "queued",
                        "running",
                        "held",
                        "done",
                        "partial",
                        "failed",
                        "cancelled",
                    ]
                ),
                name="workflow_run_state_is_known",
            ),
            models.CheckConstraint(
                condition=Q(trigger__in=["event", "schedule", "manual", "command"]),
                name="workflow_run_trigger_is_known",
            ),
        ]
        indexes = [
            models.Index(fields=["workflow", "-id"], name="workflow_run_by_workflow"),
            models.Index(fields=["state", "-id"], name="workflow_run_by_state"),
            models.Index(fields=["trigger", "-id"], name="workflow_run_by_trigger"),
            models.Index(
                fields=["chain"], condition=Q(chain__gt=0), name="workflow_run_in_a_chain"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}, run {self.pk}"


class RunItem(models.Model):
    """One record in a run: the durable unit (M-22). `block` is where it is.

    ready -> working -> ready at the next block | waiting | held -> done | failed |
    no_longer_applies | cancelled. Whoever works on it holds its `fence` until `leased_until` by
    the clock of the database. `context` is {"variables", "failure", "written", "since", ...}.
    """

    class State(models.TextChoices):
        READY = "ready", "Waits for a worker"
        WORKING = "working", "Is being worked on"
        WAITING = "waiting", "Waiting"
        HELD = "held", "Held: waits for approval"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        NO_LONGER_APPLIES = "no_longer", "No longer applies"
        CANCELLED = "cancelled", "Cancelled"

    class WaitsFor(models.TextChoices):
        NOTHING = "", ""
        TIME = "time", "A point in time"
        OPERATION = "operation", "A vendor call"
        APPROVAL = "approval", "An approval"

    OPEN_STATES = (State.READY, State.WORKING, State.WAITING, State.HELD)

    run = models.ForeignKey(
        WorkflowRun,
        on_delete=models.CASCADE,
        related_name="items",
        db_index=False,  # indexes of several columns begin with it
    )
    # Copies of what the run says, which the database holds for both: to check 50,000 starts against
    # two more tables would take a third of the time in which they are written.
    workflow = models.ForeignKey(
        Workflow,
        on_delete=models.PROTECT,
        related_name="items",
        db_index=False,
        db_constraint=False,
    )
    version = models.ForeignKey(
        WorkflowVersion,
        on_delete=models.PROTECT,
        related_name="items",
        db_index=False,
        db_constraint=False,
    )
    record_id = models.BigIntegerField(help_text="The person or SaaS user.")
    label = models.CharField(max_length=320, help_text="The record's name when it began.")
    event_id = models.BigIntegerField(null=True)
    block = models.CharField(max_length=60)
    state = models.CharField(max_length=10, choices=State.choices, default=State.READY)
    waits_for = models.CharField(
        max_length=10, choices=WaitsFor.choices, blank=True, default="", db_default=""
    )
    due_at = models.DateTimeField(null=True, help_text="Not taken up before.")
    leased_until = models.DateTimeField(null=True)
    worker = models.CharField(max_length=200, blank=True, default="", db_default="")
    fence = models.PositiveIntegerField(default=0, db_default=0)
    tries = models.PositiveSmallIntegerField(default=0, db_default=0)
    retry = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="Grows when a person asks for it again."
    )
    context = models.JSONField(default=dict)
    operation = models.ForeignKey(
        Operation,
        on_delete=models.SET_NULL,
        null=True,
        related_name="run_items",
        db_index=False,  # few items have one
    )
    has_failed = models.BooleanField(
        default=False, db_default=False, help_text="Its last block that matters failed."
    )
    code = models.CharField(max_length=50, blank=True, default="", db_default="")
    note = models.TextField(blank=True, default="", db_default="")
    held_hash = models.CharField(
        max_length=64, blank=True, default="", db_default="", help_text="Of what was shown."
    )
    decided_by = models.CharField(max_length=_LONGEST_NAME, blank=True, default="", db_default="")
    seconded_by = models.CharField(max_length=_LONGEST_NAME, blank=True, default="", db_default="")
    decided_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["id"]
        permissions = [
            ("decide_runitem", "Can approve and reject what workflows hold"),
            ("view_payload", "Can see requests and answers of workflow runs"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["run", "record_id"], name="run_has_a_record_once"),
            models.UniqueConstraint(
                fields=["workflow", "event_id"],
                condition=Q(event_id__isnull=False),
                name="event_starts_a_workflow_once",
            ),
            models.CheckConstraint(
                condition=Q(
                    state__in=[
                        "ready",
                        "working",
                        "waiting",
                        "held",
                        "done",
                        "failed",
                        "no_longer",
                        "cancelled",
                    ]
                ),
                name="run_item_state_is_known",
            ),
            models.CheckConstraint(
                condition=Q(waits_for__in=["", "time", "operation", "approval"]),
                name="run_item_waits_for_what_is_known",
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at", "id"], condition=Q(state="ready"), name="item_ready_by_due"
            ),
            models.Index(
                fields=["version", "block", "due_at", "id"],
                condition=Q(state="ready"),
                name="item_ready_by_block",
            ),
            models.Index(
                fields=["leased_until"], condition=Q(state="working"), name="item_working_by_lease"
            ),
            models.Index(
                fields=["waits_for", "due_at", "id"],
                condition=Q(state="waiting"),
                name="item_waiting_by_due_and_id",
            ),
            models.Index(fields=["run", "id"], condition=Q(state="held"), name="item_held_by_run"),
            models.Index(
                fields=["run", "block", "record_id"],
                condition=~Q(block="end"),
                name="item_by_run_and_block",
            ),
            models.Index(fields=["run", "state", "id"], name="item_by_run_and_state"),
            models.Index(
                fields=["workflow", "record_id"],
                condition=Q(state__in=["ready", "working", "waiting", "held"]),
                name="item_open_by_record",
            ),
            models.Index(
                fields=["workflow", "created_at"],
                condition=Q(event_id__isnull=False),
                name="item_event_start_by_time",
            ),
            models.Index(fields=["record_id", "-id"], name="item_by_record"),
            models.Index(
                fields=["operation"],
                condition=Q(operation__isnull=False),
                name="item_by_operation",
            ),
        ]

    def __str__(self) -> str:
        return self.label


class BlockRun(models.Model):
    """What one block did with one item: one row per item, block and retry, written when it is left.

    `request` and `answer` are masked and trimmed, and dropped after the days of the setting; what
    it did, by which version and with whose approval stays (S-21).
    """

    item = models.ForeignKey(
        RunItem,
        on_delete=models.CASCADE,
        related_name="way",
        db_index=False,  # the unique constraint begins with it
    )
    # A retry may go on with another version. One that ran is never deleted, so nothing is checked.
    version = models.ForeignKey(
        WorkflowVersion,
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    block = models.CharField(max_length=60)
    kind = models.CharField(max_length=40)
    name = models.CharField(max_length=150)
    retry = models.PositiveSmallIntegerField(default=0)
    exit = models.CharField(
        max_length=20, help_text="The exit taken; `stopped`, where a person has to mend something."
    )
    request = models.JSONField(null=True)
    answer = models.JSONField(null=True)
    status = models.PositiveSmallIntegerField(null=True)
    code = models.CharField(max_length=50, blank=True)
    note = models.TextField(blank=True)
    operation_id = models.BigIntegerField(null=True)
    approved_by = models.CharField(
        max_length=LONGEST_APPROVERS, blank=True, help_text="Who approved by name what it did."
    )
    tries = models.PositiveSmallIntegerField(default=1)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["item", "block", "retry"], name="block_is_left_once_per_retry"
            )
        ]
        indexes = [
            models.Index(
                fields=["ended_at"],
                condition=Q(request__isnull=False) | Q(answer__isnull=False),
                name="block_run_with_payload",
            )
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.exit}"
