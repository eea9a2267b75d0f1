"""Admin of people, departments, roles, custom fields and the event log."""

from people.admin import events, persons, setup

__all__ = ["events", "persons", "setup"]
