"""The application config that wires what belongs to no single app."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class RolecallConfig(AppConfig):
    name = "config"
    verbose_name = "Rolecall"

    def ready(self) -> None:
        from config.groups import make_groups

        post_migrate.connect(make_groups, sender=self)
