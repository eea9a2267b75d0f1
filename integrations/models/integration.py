"""An integration: which load of which vendor, with which credentials, mapped to which fields."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from simple_history.models import HistoricalRecords

from integrations.models.credentials import Credentials
from saas.models import Application


class Integration(models.Model):
    """One load, launched or not.

    `tenant` is bound at Launch (M-1). `revision` counts every change that makes the next sync look
    at each record again. `inputs` may name variables: "{{ variables.Aha.Subdomain }}".
    """

    class UserSelection(models.TextChoices):
        USER_PLUS_SAAS_USER = "user_plus_saas_user", "User plus SaaS User"
        USER_ONLY = "user_only", "User only"

    class Installation(models.TextChoices):
        CLOUD = "cloud", "Cloud"
        LOCAL = "local", "Local: run by command where the secret is"

    class Preference(models.TextChoices):
        CREATE_AND_UPDATE = "create_and_update", "Create & Update"
        CREATE_ONLY = "create_only", "Create only"
        UPDATE_ONLY = "update_only", "Update only"

    class Missing(models.TextChoices):
        DEACTIVATE = "deactivate", "Deactivate"
        LEAVE = "leave", "Leave as they are"

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        ACTIVE = "active", "Active"
        PAUSED = "paused", "Paused"

    name = models.CharField(
        max_length=150,
        unique=True,
        help_text="Shown on the Integrations page, in runs and history.",
    )
    vendor = models.CharField(max_length=50)
    load = models.CharField(max_length=50)
    user_selection = models.CharField(
        max_length=20,
        choices=UserSelection.choices,
        default=UserSelection.USER_PLUS_SAAS_USER,
        help_text="User plus SaaS User also fills the application's table of users and roles.",
    )
    application = models.ForeignKey(
        Application,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="integrations",
        verbose_name="SaaS selection",
        help_text="Which application the accounts belong to. Left empty, the vendor's own is used.",
    )
    installation = models.CharField(
        "installation type",
        max_length=10,
        choices=Installation.choices,
        default=Installation.CLOUD,
    )
    credentials = models.ForeignKey(
        Credentials, on_delete=models.PROTECT, null=True, blank=True, related_name="integrations"
    )
    preference = models.CharField(
        "integration preference",
        max_length=20,
        choices=Preference.choices,
        default=Preference.CREATE_AND_UPDATE,
        help_text="Speaks of people only. Records that it leaves out are listed with the reason.",
    )
    priority = models.PositiveSmallIntegerField(
        default=50,
        validators=[MinValueValidator(1), MaxValueValidator(1000)],
        help_text="Of the integrations that map a field, the one with the lowest number owns it.",
    )
    run_as = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name="user of the integration",
        help_text="Changes that its runs make are attributed to this user.",
    )
    inputs = models.JSONField(default=dict, blank=True)
    filters = models.JSONField(default=dict, blank=True)
    missing_users = models.CharField(
        max_length=10,
        choices=Missing.choices,
        default=Missing.DEACTIVATE,
        help_text="What becomes of this application's SaaS users whom the vendor no longer lists.",
    )
    missing_people = models.CharField(
        max_length=10,
        choices=Missing.choices,
        default=Missing.LEAVE,
        help_text="For the source of truth for employment only: the one that maps people's status.",
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAFT)
    schedule = models.JSONField(
        default=dict, blank=True, help_text="When it runs by itself; empty: only when asked."
    )
    schedule_since = models.DateTimeField(
        null=True, editable=False, help_text="Slots before this moment are not caught up."
    )
    removals_percent = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MaxValueValidator(100)],
        help_text="Lowers the share of people or accounts that may be deactivated in 24 hours "
        "without approval. It cannot raise the limit of the application or of Global Settings.",
    )
    removals_count = models.PositiveIntegerField(
        null=True, blank=True, help_text="Lowers the number likewise."
    )
    protected = models.JSONField(
        default=list,
        blank=True,
        help_text="E-mails or ids of people and accounts that are never removed.",
    )
    notify = models.JSONField(
        default=list, blank=True, help_text="Who is told by e-mail of failed and held runs."
    )
    failed_connections = models.PositiveSmallIntegerField(
        default=0, editable=False, help_text="Runs in a row that could not connect (M-32)."
    )
    error_since = models.DateTimeField(
        null=True, editable=False, help_text="In error state since the third of them."
    )
    tenant = models.CharField(max_length=200, null=True, editable=False)
    revision = models.PositiveIntegerField(default=1, editable=False)
    preview_since = models.DateTimeField(
        null=True,
        editable=False,
        help_text="It came to own fields then; its next run is only a preview.",
    )
    launched_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    history = HistoricalRecords()

    class Meta:
        ordering = ["name"]
        permissions = [
            ("preview_integration", "Can preview integrations"),
            ("run_integration", "Can run integrations"),
            ("launch_integration", "Can launch and pause integrations"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["draft", "active", "paused"]),
                name="integration_state_is_known",
            ),
            models.CheckConstraint(
                condition=Q(state="draft") | Q(tenant__isnull=False, credentials__isnull=False),
                name="launched_integration_has_tenant_and_credentials",
            ),
            models.CheckConstraint(
                condition=Q(user_selection__in=["user_plus_saas_user", "user_only"]),
                name="integration_user_selection_is_known",
            ),
            models.CheckConstraint(
                condition=Q(preference__in=["create_and_update", "create_only", "update_only"]),
                name="integration_preference_is_known",
            ),
            models.CheckConstraint(
                condition=Q(missing_users__in=["deactivate", "leave"])
                & Q(missing_people__in=["deactivate", "leave"]),
                name="integration_missing_is_known",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class FieldMapping(models.Model):
    """One arrow of a mapping: a source field, a path or a constant, to a people field."""

    class Policy(models.TextChoices):
        ALWAYS = "always", "Always"
        WHEN_FILLED = "when_filled", "When filled"
        ON_CREATE = "on_create", "On create only"

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="mappings")
    source = models.CharField(
        max_length=300, blank=True, help_text="A field of the vendor, or a path into its record."
    )
    constant = models.CharField(
        max_length=500, null=True, blank=True, help_text="A fixed value instead of a source field."
    )
    transform = models.CharField(max_length=50, blank=True)
    target = models.CharField(max_length=100)
    sync_key = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(9)],
        help_text="1 is asked first. Records are matched to people by these fields.",
    )
    policy = models.CharField(
        max_length=12,
        choices=Policy.choices,
        default=Policy.ALWAYS,
        help_text="When filled: a blank at the vendor does not overwrite.",
    )
    position = models.PositiveSmallIntegerField(default=0)

    history = HistoricalRecords()

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(fields=["integration", "target"], name="target_is_mapped_once"),
            models.UniqueConstraint(
                fields=["integration", "sync_key"], name="sync_key_number_is_used_once"
            ),
            models.CheckConstraint(
                condition=Q(source="", constant__isnull=False)
                | (~Q(source="") & Q(constant__isnull=True)),
                name="mapping_has_a_source_or_a_constant",
            ),
            models.CheckConstraint(
                condition=Q(policy__in=["always", "when_filled", "on_create"]),
                name="mapping_policy_is_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source or repr(self.constant)} -> {self.target}"
