"""The journal of vendor calls that change something (M-26, M-27)."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from integrations.models.credentials import Credentials
from people.models import Person
from saas.models import SaaSUser

_OPEN = Q(state__in=["sending", "unknown", "asks"])


class Operation(models.Model):
    """One call that changes something, committed before it is sent.

    planned -> sending -> done | refused | unknown -> done | refused | asks a person. `key` is what
    asked for it, so that the same question is never answered twice; `target` and `effect` are
    templates of the preset filled in, compared without case. Rows are never deleted by people.
    """

    class State(models.TextChoices):
        PLANNED = "planned", "Waits to be sent"
        SENDING = "sending", "Is being sent"
        UNKNOWN = "unknown", "Unknown: nobody knows whether it went through"
        ASKS = "asks", "Asks a person"
        DONE = "done", "Done"
        REFUSED = "refused", "Refused"

    ACTIVE_STATES = (State.PLANNED, State.SENDING, State.UNKNOWN)
    ENDED_STATES = (State.DONE, State.REFUSED)

    key = models.CharField(max_length=200, unique=True)
    vendor = models.CharField(max_length=50)
    tenant = models.CharField(max_length=200)
    preset = models.CharField(max_length=120, help_text="vendor.preset_name")
    credentials = models.ForeignKey(
        Credentials, on_delete=models.SET_NULL, null=True, related_name="operations"
    )
    credentials_name = models.CharField(max_length=150)
    inputs = models.JSONField(default=dict, help_text="The vendor's inputs, such as a sub-domain.")
    target = models.CharField(max_length=320)
    effect = models.CharField(max_length=500)
    takes_access = models.BooleanField(default=False)
    # Counts towards the guard of 24 hours; not, where a person approved it by name (M-15).
    guarded = models.BooleanField(default=False)
    person = models.ForeignKey(
        Person, on_delete=models.SET_NULL, null=True, related_name="operations"
    )
    saas_user = models.ForeignKey(
        SaaSUser, on_delete=models.SET_NULL, null=True, related_name="operations"
    )
    record = models.CharField(max_length=320, blank=True, help_text="The record's name then.")
    request = models.JSONField(
        default=dict, help_text="{method, path, params, headers, body}: rendered, unsigned."
    )
    request_hash = models.CharField(max_length=64, help_text="Of what would be sent.")
    idempotency_key = models.UUIDField(default=uuid.uuid4)
    state = models.CharField(max_length=8, choices=State.choices, default=State.PLANNED)
    waits_for = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        related_name="waiting",
        help_text="The call about the same target, or the same effect, that has to end first.",
    )
    fence = models.PositiveIntegerField(default=0)
    worker = models.CharField(max_length=200, blank=True)
    heartbeat_at = models.DateTimeField(null=True)
    tries = models.PositiveSmallIntegerField(default=0, help_text="How often it was sent.")
    first_sent_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    looks = models.PositiveSmallIntegerField(
        default=0, help_text="Look-ups since it became unknown."
    )
    due_at = models.DateTimeField(null=True, help_text="When it is looked up, or sent, next.")
    status = models.PositiveSmallIntegerField(null=True, help_text="HTTP status of the answer.")
    code = models.CharField(max_length=50, blank=True)
    note = models.TextField(blank=True, help_text="What happened, for a person to read.")
    answer = models.JSONField(null=True, help_text="The answer, masked and trimmed.")
    values = models.JSONField(default=dict, help_text="What the preset reads from the answer.")
    mapped = models.JSONField(
        default=dict,
        help_text="What its caller asked for from the answer, until it has taken it.",
    )
    started_by = models.CharField(max_length=200)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    retry = models.PositiveSmallIntegerField(default=0, help_text="Grows when a person asks again.")
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        permissions = [
            ("resolve_operation", "Can say how a vendor call ended"),
            ("call_preset", "Can call presets"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["vendor", "tenant", "target"],
                condition=Q(state__in=["sending", "unknown"]),
                name="one_operation_per_target",
            ),
            models.UniqueConstraint(
                fields=["vendor", "tenant", "effect"],
                condition=_OPEN,
                name="one_open_operation_per_effect",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["planned", "sending", "unknown", "asks", "done", "refused"]),
                name="operation_state_is_known",
            ),
        ]
        indexes = [
            models.Index(fields=["state", "due_at"], name="operation_by_due"),
            models.Index(fields=["vendor", "tenant", "-id"], name="operation_by_tenant"),
            models.Index(fields=["preset", "-id"], name="operation_by_preset"),
            models.Index(fields=["person", "-id"], name="operation_by_person"),
            models.Index(fields=["saas_user", "-id"], name="operation_by_saas_user"),
            models.Index(
                fields=["finished_at"],
                condition=Q(answer__isnull=False),
                name="operation_with_answer",
            ),
        ]

    def __str__(self) -> str:
        return f"Operation {self.pk}"

    def request_id(self, number: int) -> str:
        """How our try with this number, from 1 on, is called in the vendor's own log (S-21)."""
        return str(uuid.uuid5(self.idempotency_key, str(number)))
