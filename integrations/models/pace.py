"""How fast the calls of one set of credentials may follow each other, kept for all processes."""

from __future__ import annotations

from django.db import models

from integrations.models.credentials import Credentials


class Pace(models.Model):
    """Token buckets of one set of credentials, each as the moment at which it would be full.

    Moments are seconds since 1970 by the database's clock (on SQLite, this host's).
    """

    credentials = models.OneToOneField(Credentials, on_delete=models.CASCADE, related_name="+")
    slot = models.FloatField(default=0, help_text="The slot that was given last.")
    second_full_at = models.FloatField(default=0)
    minute_full_at = models.FloatField(default=0)
    not_before = models.FloatField(default=0, help_text="The vendor asked for a pause until then.")
    pause = models.FloatField(default=0, help_text="How long that pause is; a clock may jump.")

    def __str__(self) -> str:
        return f"Pace of credentials {self.credentials_id}"
