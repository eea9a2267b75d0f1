"""`workflows:` of the configuration file (docs/configuration-file.md)."""

from workflows.configuration.section import WORKFLOWS

__all__ = ["WORKFLOWS"]
