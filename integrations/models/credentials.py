"""Credentials, sealed, and the global variables that inputs and templates name."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import Group
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from simple_history.models import HistoricalRecords

from integrations.fields import EncryptedTextField


class CredentialsManager(models.Manager["Credentials"]):
    """`sealed` is read only by whoever is about to sign a request (M-34)."""

    def get_queryset(self) -> models.QuerySet[Credentials]:
        return super().get_queryset().defer("sealed")


class Credentials(models.Model):
    """How to sign in at a vendor. Secrets live in `sealed` only (`integrations.secrets`).

    `hints` keeps what pages may show of each: {"value": {"last4", "set_at", "set_by"}}.
    """

    class Type(models.TextChoices):
        API_KEY = "api_key", "API key"
        BASIC = "basic", "Basic (username and password)"

    class Stored(models.TextChoices):
        SEALED = "sealed", "Sealed in the database"

    class Test(models.TextChoices):
        UNTESTED = "untested", "Not tested yet"
        CONNECTED = "connected", "Connected"
        FAILED = "failed", "Not connected"

    name = models.CharField(max_length=150, unique=True)
    vendor = models.CharField(max_length=50)
    type = models.CharField("authorization type", max_length=20, choices=Type.choices)
    settings = models.JSONField(default=dict, blank=True)
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    sealed: str = EncryptedTextField(default="", blank=True, editable=False)
    hints = models.JSONField(default=dict, blank=True, editable=False)
    stored = models.CharField(max_length=10, choices=Stored.choices, default=Stored.SEALED)
    tenant = models.CharField(
        max_length=200,
        null=True,
        blank=True,
        help_text="The account at the vendor. Only where the vendor does not say it by itself.",
    )
    base_url = models.CharField(
        "base URL",
        max_length=500,
        blank=True,
        help_text="Replaces the vendor's base URL as a whole. Its host must be one of the "
        "vendor's, or be listed in EGRESS_EXTRA_HOSTS.",
    )
    expires_on = models.DateField(
        null=True, blank=True, help_text="When the key stops working; you are warned before."
    )
    groups = models.ManyToManyField(
        Group, blank=True, help_text="Groups that may use these credentials in workflows."
    )
    overrides = models.JSONField(default=dict, blank=True, editable=False)
    test_state = models.CharField(
        max_length=10, choices=Test.choices, default=Test.UNTESTED, editable=False
    )
    test_message = models.CharField(max_length=500, blank=True, editable=False)
    tested_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = CredentialsManager()
    history = HistoricalRecords(excluded_fields=["sealed"])

    class Meta:
        verbose_name_plural = "credentials"
        ordering = ["name"]
        base_manager_name = "objects"
        permissions = [("test_credentials", "Can test credentials at the vendor")]
        constraints = [
            models.CheckConstraint(
                condition=Q(type__in=["api_key", "basic"]), name="credentials_type_is_known"
            ),
            models.CheckConstraint(
                condition=Q(stored__in=["sealed"]), name="credentials_storage_is_known"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class GlobalVariable(models.Model):
    """A value that inputs and templates name as {{ variables.Key }}."""

    key = models.CharField(
        max_length=100,
        unique=True,
        validators=[
            RegexValidator(
                r"^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)*\Z",
                "Use letters, digits, underscores and dots, such as Aha.Subdomain.",
            )
        ],
        help_text="Such as Aha.Subdomain. Vendors pre-fill their inputs from variables they know.",
    )
    value = models.CharField(
        max_length=1000,
        help_text="Not for secrets: everybody who may read integrations can read variables.",
    )
    description = models.CharField(max_length=300, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    history = HistoricalRecords()

    class Meta:
        ordering = ["key"]

    def __str__(self) -> str:
        return self.key
