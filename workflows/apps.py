"""The app that decides what to do when something happened."""

from django.apps import AppConfig


class WorkflowsConfig(AppConfig):
    name = "workflows"
    verbose_name = "Configuration"

    def ready(self) -> None:
        """Tell the apps below, which know no workflows, what waits here and how it is done."""
        from workflows.wiring import wire

        wire()
