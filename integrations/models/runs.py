"""Runs of an integration: their stage, their plan, and the records that had a problem."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

from integrations.models.integration import Integration
from people.jsontext import WholeJSONField


class SyncRun(models.Model):
    """One fetch, plan and apply. The row is the truth: whoever works on it holds its `fence`."""

    class Kind(models.TextChoices):
        SYNC = "sync", "Sync"
        PREVIEW = "preview", "Preview"
        REMOVALS = "removals", "Approved removals"
        UNDO = "undo", "Undo"

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        HELD = "held", "Held"
        DONE = "done", "Done"
        PARTIAL = "partial", "Partly done"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    ACTIVE_STATES = (State.QUEUED, State.RUNNING)

    integration = models.ForeignKey(
        Integration, on_delete=models.SET_NULL, null=True, related_name="runs"
    )
    name = models.CharField(max_length=150, help_text="The integration's name when it began.")
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.SYNC)
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    person = models.CharField(
        max_length=320, blank=True, help_text="Only this person's e-mail, when given."
    )
    started_by = models.CharField(max_length=200, help_text="Who or what asked for it.")
    revision = models.PositiveIntegerField(default=0)
    step = models.CharField(max_length=20, blank=True)
    progress_done = models.PositiveIntegerField(default=0)
    progress_total = models.PositiveIntegerField(null=True)
    counts = models.JSONField(default=dict)
    listing = models.JSONField(default=dict, help_text="Was it complete, and if not, why.")
    warnings = models.JSONField(default=list)
    error_code = models.CharField(max_length=50, blank=True)
    error_message = models.TextField(blank=True)
    fence = models.PositiveIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)
    heartbeat_at = models.DateTimeField(null=True)
    events_released_at = models.DateTimeField(
        null=True, help_text="When workflows may take this run's events (M-18)."
    )
    events_dispatched_at = models.DateTimeField(
        null=True, help_text="When workflows had taken, or passed over, all of its events."
    )
    settling = models.CharField(
        max_length=7,
        blank=True,
        default="",
        db_default="",
        choices=[("first", "Before the first complete listing"), ("changed", "After a change")],
        help_text="Why its events start nothing by themselves (M-19).",
    )
    values_dropped_at = models.DateTimeField(
        null=True, help_text="When the old and new values of its plan were dropped (M-13)."
    )
    undoes = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, related_name="undone_by"
    )
    held_in = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        help_text="The later run in whose plan its held removals wait now (M-14).",
    )
    held_because = models.CharField(
        max_length=500, blank=True, help_text="Which limit held its removals."
    )
    due_at = models.DateTimeField(
        null=True, help_text="A queued run is not begun before: the vendor asked for it."
    )
    worker = models.CharField(max_length=200, blank=True, help_text="The process that works on it.")
    queued_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "run"
        ordering = ["-id"]
        permissions = [("undo_syncrun", "Can undo runs")]
        constraints = [
            models.UniqueConstraint(
                fields=["integration"],
                condition=Q(state__in=["queued", "running"]),
                name="one_active_run_per_integration",
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
                name="run_state_is_known",
            ),
        ]
        indexes = [
            models.Index(fields=["integration", "-id"], name="run_by_integration"),
            models.Index(fields=["state", "-id"], name="run_by_state"),
            models.Index(
                fields=["kind", "-id"], condition=~Q(kind="sync"), name="run_that_is_no_sync"
            ),
            models.Index(
                fields=["id"],
                condition=~Q(settling=""),
                name="run_that_starts_nothing",  # its events are listed as passed over
            ),
            models.Index(
                fields=["events_released_at"],
                condition=Q(events_released_at__isnull=False, events_dispatched_at__isnull=True),
                name="run_with_events_to_dispatch",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}, run {self.pk}"


class StagedRecord(models.Model):
    """A listed record while its run works: mapped values, identity, hash, nothing else (M-8).

    `payload` is JSON text that only the planner reads. No foreign-key constraint: a stage of
    100,000 rows is written and dropped in every run, by that run alone.
    """

    class Outcome(models.TextChoices):
        MAPPED = "mapped", "Mapped"
        FILTERED = "filtered", "Left out by the filters"
        ISSUE = "issue", "Has an issue"

    run = models.ForeignKey(
        SyncRun,
        on_delete=models.CASCADE,
        db_constraint=False,
        db_index=False,  # an index of several columns begins with it
        related_name="staged",
    )
    external_id = models.CharField(max_length=200)
    key = models.CharField(max_length=320, help_text="E-mail, else the id at the vendor.")
    email_key = models.CharField(max_length=320, null=True)
    username_key = models.CharField(max_length=320, null=True)
    employee_id = models.CharField(max_length=100, null=True)
    hash = models.CharField(max_length=32)
    outcome = models.CharField(max_length=8, choices=Outcome.choices)
    active = models.BooleanField(help_text="False: the source lists it as inactive (M-3).")
    payload = models.TextField()

    class Meta:
        indexes = [models.Index(fields=["run", "external_id"], name="staged_by_external_id")]

    def __str__(self) -> str:
        return self.external_id


class PlannedChange(models.Model):
    """One row of a plan (M-13): what is done to one record, why, and old -> new per field."""

    class Action(models.TextChoices):
        CREATE = "create", "Create"
        UPDATE = "update", "Update"
        DEACTIVATE = "deactivate", "Deactivate"
        REACTIVATE = "reactivate", "Reactivate"
        LINK = "link", "Link"
        SKIP = "skip", "Skip"
        REMOVE = "remove", "Take out again"
        UNLINK = "unlink", "Take the link back"

    class State(models.TextChoices):
        PLANNED = "planned", "Planned"
        APPLIED = "applied", "Applied"
        MOVED = "moved", "Left out: the record changed meanwhile"
        REMOVAL = "removal", "Removal, to be judged"
        HELD = "held", "Held: waits for approval"
        REJECTED = "rejected", "Rejected"
        REPLACED = "replaced", "Held no longer: the removal changed"
        GONE = "gone", "Held no longer: not true any more"
        SKIPPED = "skipped", "Skipped"

    run = models.ForeignKey(
        SyncRun,
        on_delete=models.CASCADE,
        related_name="plan",
        db_index=False,  # an index of several columns begins with it
    )
    object = models.CharField(
        max_length=10, choices=[("person", "Person"), ("saas_user", "SaaS user")]
    )
    action = models.CharField(max_length=10, choices=Action.choices)
    state = models.CharField(max_length=12, choices=State.choices, default=State.PLANNED)
    key = models.CharField(max_length=320, help_text="E-mail, else the id at the vendor.")
    external_id = models.CharField(max_length=200)
    link_id = models.BigIntegerField(null=True)
    target_id = models.BigIntegerField(
        null=True, help_text="The person or SaaS user; the id is taken before the row is created."
    )
    manager_ref = models.CharField(
        max_length=330, blank=True, help_text="How the source names the manager: kind:value."
    )
    reason = models.CharField(max_length=500, blank=True)
    changes = WholeJSONField(default=dict)
    moves_keys = models.BooleanField(default=False, help_text="Its e-mail or username changes.")
    absent = models.BooleanField(
        db_default=False, help_text="A removal because the listing lacks it: needs proof (M-11)."
    )
    decided_by = models.CharField(
        max_length=200, blank=True, db_default="", help_text="Who approved or rejected."
    )
    decided_at = models.DateTimeField(null=True)
    seconded_by = models.CharField(
        max_length=200, blank=True, db_default="", help_text="The second person."
    )
    applied_in = models.BigIntegerField(
        null=True, help_text="The run that applied it, where that is another one."
    )

    class Meta:
        ordering = ["id"]
        permissions = [("approve_plannedchange", "Can approve and reject held removals")]
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    action__in=[
                        "create",
                        "update",
                        "deactivate",
                        "reactivate",
                        "link",
                        "skip",
                        "remove",
                        "unlink",
                    ]
                ),
                name="planned_action_is_known",
            ),
        ]
        indexes = [
            models.Index(fields=["run", "id"], name="plan_by_run"),
            models.Index(
                fields=["run"],
                condition=Q(state__in=["held", "rejected"]),
                name="plan_rows_that_were_held",
            ),
            models.Index(
                fields=["id"],
                condition=Q(state="held"),  # pages and the tick ask for them all the time
                name="plan_rows_held_now",
            ),
            models.Index(
                fields=["applied_in"],
                condition=Q(applied_in__isnull=False),
                name="plan_by_run_that_applied",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.object} {self.key}"


class RecordIssue(models.Model):
    """A record that a run could not deal with, or a warning about one; each run lists its own."""

    class Severity(models.TextChoices):
        ISSUE = "issue", "Issue"
        WARNING = "warning", "Warning"

    run = models.ForeignKey(
        SyncRun,
        on_delete=models.CASCADE,
        related_name="issues",
        db_index=False,  # an index of several columns begins with it
    )
    external_id = models.CharField(max_length=200, blank=True)
    key = models.CharField(max_length=320, help_text="E-mail, else the id at the vendor.")
    code = models.CharField(max_length=40)
    severity = models.CharField(max_length=8, choices=Severity.choices, default=Severity.ISSUE)
    field = models.CharField(max_length=100, blank=True)
    reason = models.CharField(max_length=500)
    detail = models.TextField(blank=True)
    candidates = models.JSONField(default=list, help_text="Ids of the people it may be.")
    settled_as = models.CharField(
        max_length=15,
        blank=True,
        choices=[("same_person", "Same person"), ("another_person", "Another person")],
    )
    settled_by = models.CharField(max_length=200, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "issue"
        ordering = ["id"]
        permissions = [("settle_recordissue", "Can settle issues")]
        indexes = [
            models.Index(fields=["run", "severity", "id"], name="issue_by_run"),
            models.Index(fields=["code", "-id"], name="issue_by_code"),
            models.Index(
                fields=["id"], condition=Q(settled_at__isnull=False), name="issue_settled"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key}: {self.reason}"
