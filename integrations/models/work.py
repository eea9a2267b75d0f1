"""Rows that hold work besides runs: due slots, processes that work, mail to send, installation."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from integrations.models.integration import Integration
from integrations.models.runs import SyncRun


class DueSlot(models.Model):
    """One due time of a schedule, once (M-32); `owner` names whose, such as `integration:5`.

    `local_date` is set where the schedule falls at most once a day: then the date is the slot.
    """

    class State(models.TextChoices):
        STARTED = "started", "Started"
        SKIPPED = "skipped", "Skipped"
        MISSED = "missed", "Missed"

    owner = models.CharField(max_length=60)
    local_date = models.DateField(null=True)
    instant = models.DateTimeField(help_text="When it was due.")
    state = models.CharField(max_length=8, choices=State.choices)
    catch_up = models.BooleanField(default=False, help_text="It was started late, after a pause.")
    note = models.CharField(max_length=300, blank=True)
    run = models.ForeignKey(SyncRun, on_delete=models.SET_NULL, null=True, related_name="slots")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-instant", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "local_date"],
                condition=Q(local_date__isnull=False),
                name="one_slot_per_local_date",
            ),
            models.UniqueConstraint(
                fields=["owner", "instant"],
                condition=Q(local_date__isnull=True),
                name="one_slot_per_instant",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["started", "skipped", "missed"]), name="slot_state_is_known"
            ),
        ]
        indexes = [models.Index(fields=["owner", "-instant"], name="slot_by_owner")]

    def __str__(self) -> str:
        return f"{self.owner} at {self.instant:%Y-%m-%d %H:%M} UTC"


class WorkingProcess(models.Model):
    """A process that ticks or works, while it lives: it writes `seen_at` every few seconds."""

    class Kind(models.TextChoices):
        TICK = "tick", "Tick"
        WORKER = "worker", "Worker"

    name = models.CharField(max_length=200, unique=True, help_text="Host and process number.")
    kind = models.CharField(max_length=6, choices=Kind.choices)
    slots = models.PositiveSmallIntegerField(default=0, help_text="Pieces of work at a time.")
    busy = models.PositiveSmallIntegerField(default=0)
    note = models.CharField(max_length=300, blank=True, help_text="What hinders it, if anything.")
    started_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["kind", "name"]
        verbose_name_plural = "working processes"

    def __str__(self) -> str:
        return self.name


class Notification(models.Model):
    """A mail in the outbox. `episode` makes it one mail for one thing that goes on (M-32)."""

    class Kind(models.TextChoices):
        FAILED = "failed", "A run failed"
        HELD = "held", "Removals are held"
        ERROR_STATE = "error_state", "No connection, three times in a row"
        EXPIRES = "expires", "Credentials are about to expire"
        RECONNECT = "reconnect", "Credentials have to be connected again"
        OPERATION = "operation", "A call to a vendor asks for a person"
        WORKFLOW = "workflow", "A workflow sends it, or needs somebody"

    class State(models.TextChoices):
        QUEUED = "queued", "Waits to be sent"
        SENDING = "sending", "Is being sent"
        SENT = "sent", "Sent"
        UNKNOWN = "unknown", "Perhaps sent: the process was killed while it sent"
        NOBODY = "nobody", "Nobody to send it to"

    kind = models.CharField(max_length=12, choices=Kind.choices)
    episode = models.CharField(max_length=200, unique=True)
    integration = models.ForeignKey(
        Integration, on_delete=models.SET_NULL, null=True, related_name="notifications"
    )
    run = models.ForeignKey(
        SyncRun, on_delete=models.SET_NULL, null=True, related_name="notifications"
    )
    subject = models.CharField(max_length=200)
    body = models.TextField()
    recipients = models.JSONField(default=list)
    state = models.CharField(max_length=8, choices=State.choices, default=State.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(default=timezone.now)
    claimed_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=300, blank=True, help_text="Why the last try failed.")
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["state", "next_try_at"], name="notification_by_state"),
            models.Index(fields=["kind", "-id"], name="notification_by_kind"),
        ]

    def __str__(self) -> str:
        return self.subject


class Installation(models.Model):
    """What holds for the whole installation; one row (Configuration > Global Settings)."""

    removals_percent = models.PositiveSmallIntegerField(
        "removals of people, percent",
        default=10,
        validators=[MaxValueValidator(100)],
        help_text="In 24 hours at most this share of the active people is deactivated without a "
        "person's approval, or the number below if that is more.",
    )
    removals_count = models.PositiveIntegerField(
        "removals of people, number",
        default=5,
        help_text="Never more than a third of the people, so that small companies are safe too.",
    )
    notify = models.JSONField(
        default=list,
        blank=True,
        help_text="E-mail addresses that are told of failed and held runs where the integration "
        "names none.",
    )
    keep_plans_days = models.PositiveSmallIntegerField(
        default=30,
        validators=[MinValueValidator(1)],
        help_text="How long the old and new values of an applied plan are kept. As long, the run "
        "can be undone.",
    )
    keep_answers_days = models.PositiveSmallIntegerField(
        default=30,
        validators=[MinValueValidator(1)],
        help_text="How long requests and answers of workflow runs are kept, masked and trimmed, "
        "and answers to vendor calls. What a call sent to change something stays, as evidence.",
    )
    warn_before_expiry_days = models.PositiveSmallIntegerField(
        default=14, help_text="How long before credentials expire you are told."
    )
    paused_at = models.DateTimeField(null=True, editable=False)
    paused_because = models.CharField(max_length=300, blank=True, editable=False)

    class Meta:
        verbose_name = "limits and notices"
        verbose_name_plural = "limits and notices"
        permissions = [("resume_installation", "Can let a paused installation go on")]
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="there_is_one_installation")]

    def __str__(self) -> str:
        return "Limits and notices"

    @classmethod
    def the(cls) -> Installation:
        """Give the one row; it is made when it is missing. One query, more the first time."""
        return cls.objects.get_or_create(pk=1)[0]
