"""The application config that wires what belongs to no single app."""

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate


class RolecallConfig(AppConfig):
    name = "config"
    verbose_name = "Rolecall"

    def ready(self) -> None:
        from config.groups import make_groups

        # Django tells only apps that have models, in their order: after the last of them every
        # permission exists.
        post_migrate.connect(make_groups, sender=apps.get_app_config("integrations"))
