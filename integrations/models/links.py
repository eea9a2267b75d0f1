"""Which record of which vendor account is which person and which SaaS user (M-1)."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

from integrations.models.integration import Integration
from people.models import Person
from saas.models import SaaSUser


class RecordLink(models.Model):
    """A vendor's record. `decision` is a person's word that later syncs respect (M-3, M-4)."""

    class Decision(models.TextChoices):
        NONE = "", "None"
        SAME_PERSON = "same_person", "Same person"
        ANOTHER_PERSON = "another_person", "Another person"

    vendor = models.CharField(max_length=50)
    tenant = models.CharField(max_length=200)
    external_id = models.CharField(max_length=200)
    person = models.ForeignKey(
        Person, on_delete=models.SET_NULL, null=True, blank=True, related_name="record_links"
    )
    saas_user = models.ForeignKey(
        SaaSUser, on_delete=models.SET_NULL, null=True, blank=True, related_name="record_links"
    )
    decision = models.CharField(max_length=15, choices=Decision.choices, blank=True, default="")
    decided_by = models.CharField(max_length=200, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["vendor", "tenant", "external_id"], name="record_link_is_unique"
            ),
            models.CheckConstraint(
                condition=Q(decision__in=["", "same_person", "another_person"]),
                name="link_decision_is_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.vendor} {self.tenant} {self.external_id}"


class LinkState(models.Model):
    """What one integration last wrote for a record: the hash of the mapped values, when it saw it.

    An empty `hash` means: look again in the next sync, whatever the vendor answers.
    """

    link = models.ForeignKey(RecordLink, on_delete=models.CASCADE, related_name="states")
    integration = models.ForeignKey(
        Integration,
        on_delete=models.CASCADE,
        related_name="+",
        db_index=False,  # the unique constraint begins with it
    )
    hash = models.CharField(max_length=32, blank=True)
    revision = models.PositiveIntegerField(default=0)
    seen_at = models.DateTimeField()
    missing_on = models.DateField(
        null=True, help_text="The day of the first complete listing that lacks it, while it does."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["integration", "link"], name="link_has_one_state_per_integration"
            ),
        ]

    def __str__(self) -> str:
        return f"state of link {self.link_id}"
