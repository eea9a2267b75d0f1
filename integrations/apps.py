"""The app that speaks to vendors and keeps people and SaaS users true."""

from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    name = "integrations"
    verbose_name = "Configuration"

    def ready(self) -> None:
        """Tell people, an app below that knows no integrations, of owners, uses and the limit."""
        from integrations.guard import allowance_by_hand
        from integrations.services import (
            field_owners,
            look_at_person_again,
            mappings_that_use,
        )
        from people import by_hand, fields, moves, visibility

        by_hand.written_by_hand = look_at_person_again
        moves.removals_allowed = allowance_by_hand
        visibility.field_owner_provider = field_owners
        fields.used_by_providers.append(mappings_that_use)
