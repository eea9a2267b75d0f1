"""The app that holds SaaS applications, their users and their roles."""

from django.apps import AppConfig


class SaasConfig(AppConfig):
    name = "saas"
    verbose_name = "Software"
