"""The configuration file: what an installation is made of, as YAML (docs/configuration-file.md)."""

from .apply import apply_file, apply_text
from .export import export_text
from .receipt import Change, FieldChange, Receipt

__all__ = ["Change", "FieldChange", "Receipt", "apply_file", "apply_text", "export_text"]
