"""What a workflow is: its versions, and the blocks of each."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

from integrations.models import Credentials
from saas.models import Application


class Workflow(models.Model):
    """Something to do with people, or with the SaaS users of one application (M-21).

    `active_version` is what starts; later versions are saved without starting anything.
    `events_after` is the highest id of an event at its activation: it takes later ones only (M-19).
    """

    class Object(models.TextChoices):
        PERSON = "person", "People"
        SAAS_USER = "saas_user", "Software SaaS Users"

    class State(models.TextChoices):
        DRAFT = "draft", "Draft: never runs"
        ACTIVE = "active", "Active"
        PAUSED = "paused", "Paused: starts nothing, and goes on with nothing"
        ARCHIVED = "archived", "Archived"

    name = models.CharField(max_length=150, unique=True)
    object = models.CharField(max_length=10, choices=Object.choices)
    application = models.ForeignKey(
        Application, on_delete=models.PROTECT, null=True, blank=True, related_name="workflows"
    )
    description = models.TextField(blank=True, max_length=2_000)
    state = models.CharField(max_length=8, choices=State.choices, default=State.DRAFT)
    active_version = models.ForeignKey(
        "WorkflowVersion", on_delete=models.PROTECT, null=True, related_name="+"
    )
    activated_at = models.DateTimeField(null=True)
    activated_by = models.CharField(max_length=200, blank=True)
    events_after = models.BigIntegerField(default=0)
    schedule_since = models.DateTimeField(
        null=True, help_text="Due times before this moment are not caught up."
    )
    paused_because = models.CharField(max_length=500, blank=True)
    failures_in_a_row = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]
        permissions = [
            ("activate_workflow", "Can activate, pause and archive workflows"),
            ("run_workflow", "Can start workflows by hand"),
            ("own_request", "Can write own requests, and change address or method of presets"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(object__in=["person", "saas_user"]), name="workflow_object_is_known"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["draft", "active", "paused", "archived"]),
                name="workflow_state_is_known",
            ),
            models.CheckConstraint(
                condition=Q(object="person", application__isnull=True)
                | Q(object="saas_user", application__isnull=False),
                name="workflow_on_saas_users_names_its_application",
            ),
            models.CheckConstraint(
                condition=~Q(state="active") | Q(active_version__isnull=False),
                name="active_workflow_has_an_active_version",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class WorkflowVersion(models.Model):
    """One saved state of a workflow: how it begins, and its blocks. Runs keep the one they have.

    `begin` is {actions, schedule, records, rules, next, also}, as in the configuration file. Once
    it was activated, a version and its blocks are never changed.
    """

    workflow = models.ForeignKey(
        Workflow,
        on_delete=models.CASCADE,
        related_name="versions",
        db_index=False,  # the unique constraint begins with it
    )
    number = models.PositiveIntegerField()
    begin = models.JSONField(default=dict)
    note = models.CharField(max_length=300, blank=True)
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=timezone.now)
    activated_at = models.DateTimeField(null=True)
    local = models.BooleanField(
        default=False, help_text="It uses secrets that only commands can read (M-35)."
    )

    class Meta:
        ordering = ["workflow", "-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["workflow", "number"], name="version_number_is_unique_in_workflow"
            )
        ]

    def __str__(self) -> str:
        return f"{self.workflow}, version {self.number}"


class Block(models.Model):
    """One step of a version. `exits` is {exit: key of the next block, or `end`}.

    `credentials_name` stays when the credentials are deleted, to say which they were.
    """

    version = models.ForeignKey(
        WorkflowVersion,
        on_delete=models.CASCADE,
        related_name="blocks",
        db_index=False,  # the unique constraint begins with it
    )
    key = models.CharField(max_length=60)
    kind = models.CharField(max_length=40)
    name = models.CharField(max_length=150, blank=True)
    preset = models.CharField(max_length=120, blank=True)
    credentials = models.ForeignKey(
        Credentials, on_delete=models.SET_NULL, null=True, related_name="blocks"
    )
    credentials_name = models.CharField(max_length=150, blank=True)
    settings = models.JSONField(default=dict)
    exits = models.JSONField(default=dict)
    position = models.PositiveSmallIntegerField()
    x = models.IntegerField(null=True)
    y = models.IntegerField(null=True)

    class Meta:
        ordering = ["version", "position"]
        constraints = [
            models.UniqueConstraint(fields=["version", "key"], name="block_key_is_unique")
        ]

    def __str__(self) -> str:
        return self.name or self.key
