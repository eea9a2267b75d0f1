"""The application config that wires what belongs to no single app."""

from django.apps import AppConfig, apps
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate


class RolecallConfig(AppConfig):
    name = "config"
    verbose_name = "Rolecall"

    def ready(self) -> None:
        from config.groups import make_groups
        from config.logging import mask_uncaught_errors
        from config.sqlite import take_turns

        mask_uncaught_errors()
        connection_created.connect(take_turns)
        _register_own_secrets()
        # Django tells only apps that have models, in their order: after the last of them every
        # permission exists.
        post_migrate.connect(make_groups, sender=apps.get_app_config("workflows"))


def _register_own_secrets() -> None:
    """The installation's own keys and passwords are kept out of the log as the vendors' are."""
    from django.conf import settings

    from people.masking import register_secret

    own = [settings.SECRET_KEY, *settings.FERNET_KEYS, settings.EMAIL_HOST_PASSWORD]
    own += [database["PASSWORD"] for database in settings.DATABASES.values()]
    for secret in own:
        register_secret(secret or "")
