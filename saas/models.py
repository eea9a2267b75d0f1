"""SaaS applications, the accounts that people have there, and the roles of those accounts."""

from __future__ import annotations

from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from people.models import Person


class Application(models.Model):
    """One subscription: at most one application per (vendor, tenant), and the reverse (M-1)."""

    name = models.CharField(max_length=150, unique=True)
    vendor = models.CharField(max_length=50, blank=True, editable=False)
    tenant = models.CharField(
        max_length=200, null=True, editable=False, help_text="The account at the vendor."
    )
    removals_percent = models.PositiveSmallIntegerField(
        "removals, percent",
        default=10,
        validators=[MaxValueValidator(100)],
        help_text="In 24 hours at most this share of the active accounts is deactivated without a "
        "person's approval, or the number below if that is more.",
    )
    removals_count = models.PositiveIntegerField(
        "removals, number",
        default=5,
        help_text="Never more than a third of the accounts, so that small applications are safe.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["vendor", "tenant"], name="application_is_one_account_at_a_vendor"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class SaaSUser(models.Model):
    """An account in an application, told apart by the vendor's id; `person` may be unknown."""

    class Status(models.TextChoices):
        ACTIVE = "active", "Active"
        SUSPENDED = "suspended", "Suspended"
        DEACTIVATED = "deactivated", "Deactivated"

    application = models.ForeignKey(
        Application,
        on_delete=models.PROTECT,
        related_name="users",
        db_index=False,  # the unique constraint begins with it
    )
    external_id = models.CharField("ID at the vendor", max_length=200)
    person = models.ForeignKey(
        Person, on_delete=models.SET_NULL, null=True, blank=True, related_name="saas_users"
    )
    email = models.CharField("e-mail", max_length=320, blank=True)
    email_key = models.CharField(max_length=320, null=True, editable=False)
    name = models.CharField(max_length=400, blank=True)
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.ACTIVE)
    last_activity = models.DateTimeField(null=True, blank=True)
    custom = models.JSONField(default=dict, blank=True)
    not_found_at = models.DateTimeField(
        null=True, editable=False, help_text="Since when a role look-up no longer finds it (GT-36)."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = "SaaS user"
        ordering = ["id"]
        permissions = [("export_saasuser", "Can export SaaS users and their roles")]
        constraints = [
            models.UniqueConstraint(
                fields=["application", "external_id"], name="saas_user_is_unique_in_application"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["active", "suspended", "deactivated"]),
                name="saas_user_status_is_known",
            ),
        ]
        indexes = [
            models.Index(fields=["application", "status", "id"], name="saas_user_by_status"),
            models.Index(fields=["email_key"], name="saas_user_by_email"),
            models.Index(
                fields=["id"], condition=Q(not_found_at__isnull=False), name="saas_user_not_found"
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.email or self.external_id


class SaaSUserRole(models.Model):
    """A role that an account had from `valid_from` until `valid_to` (null: has it now).

    `rank` orders the roles of an account: the lowest is the primary one, shown first.
    """

    saas_user = models.ForeignKey(SaaSUser, on_delete=models.CASCADE, related_name="roles")
    role = models.CharField(max_length=200)
    scope_id = models.CharField(max_length=200, blank=True)
    scope = models.CharField(max_length=300, blank=True)
    rank = models.PositiveSmallIntegerField(default=0)
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "SaaS user role"
        ordering = ["rank", "role", "scope", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["saas_user", "role", "scope_id"],
                condition=Q(valid_to__isnull=True),
                name="saas_user_has_a_role_once",
            ),
            models.CheckConstraint(
                condition=Q(valid_to__isnull=True) | Q(valid_to__gte=F("valid_from")),
                name="role_ends_after_it_began",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.role} ({self.scope})" if self.scope else self.role
