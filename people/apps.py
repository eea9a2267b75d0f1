"""The app that holds people, departments, custom fields and the event log."""

from django.apps import AppConfig


class PeopleConfig(AppConfig):
    name = "people"
    verbose_name = "People"

    def ready(self) -> None:
        from people.lookups import register

        register()
