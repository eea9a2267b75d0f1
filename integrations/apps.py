"""The app that speaks to vendors and keeps people and SaaS users true."""

from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    name = "integrations"
    verbose_name = "Configuration"
