"""Credentials, sealed, and the global variables that inputs and templates name."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Self

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
        OAUTH2 = "oauth2", "OAuth 2.0"

    class Stored(models.TextChoices):
        SEALED = "sealed", "Sealed in the database"
        REFERENCE = "reference", "Only where it is: an environment variable or a file"

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
    references = models.JSONField(
        default=dict,
        blank=True,
        editable=False,
        help_text="Of stored: reference, where each secret is: {name: {env or file: where}}.",
    )
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
    # OAuth 2.0 (M-33). Tokens are in `sealed`; who refreshes holds the fence.
    token_expires_at = models.DateTimeField(null=True, editable=False)
    token_fence = models.PositiveIntegerField(default=0, editable=False)
    token_lease_until = models.DateTimeField(null=True, editable=False)
    token_lease_by = models.CharField(max_length=200, blank=True, editable=False)
    refreshed_at = models.DateTimeField(null=True, editable=False)
    reconnect_since = models.DateTimeField(
        null=True, editable=False, help_text="The grant is gone; a person has to connect again."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = CredentialsManager()
    history = HistoricalRecords(
        excluded_fields=[
            "sealed",
            "token_expires_at",
            "token_fence",
            "token_lease_until",
            "token_lease_by",
            "refreshed_at",
        ]
    )

    class Meta:
        verbose_name_plural = "credentials"
        ordering = ["name"]
        base_manager_name = "objects"
        permissions = [("test_credentials", "Can test credentials at the vendor")]
        constraints = [
            models.CheckConstraint(
                condition=Q(type__in=["api_key", "basic", "oauth2"]),
                name="credentials_type_is_known",
            ),
            models.CheckConstraint(
                condition=Q(stored__in=["sealed", "reference"]),
                name="credentials_storage_is_known",
            ),
            models.CheckConstraint(
                condition=~Q(type="oauth2", stored="reference"), name="oauth2_is_sealed"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def refresh_from_db(
        self,
        using: str | None = None,
        fields: Iterable[str] | None = None,
        from_queryset: models.QuerySet[Self] | None = None,
    ) -> None:
        """Reload these fields only. One query.

        `only("sealed")` upon the manager's `defer("sealed")` means every column: what was edited
        and not yet saved would be lost when the secret is opened.
        """
        if fields is not None and from_queryset is None:
            from_queryset = models.QuerySet(type(self))
        super().refresh_from_db(using=using, fields=fields, from_queryset=from_queryset)


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
        help_text="Such as Vendor.Subdomain. Vendors pre-fill inputs from variables they know.",
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
