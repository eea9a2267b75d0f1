"""Rules that may be saved before they can be used; Validate says what is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django import forms

from integrations.forms.rules import RulesField


class DraftRulesField(RulesField):
    """Rows of rules, or their JSON, of a draft: what can be kept is taken, mistakes and all."""

    def clean(self, value: Mapping[str, Any]) -> Any:
        """Read without judging. Raises ValidationError where there is nothing to keep."""
        if "text" in value:
            return _read(value["text"])
        rows = [self.read_row(row) for row in value["rows"] if any(row.values())]
        return {value["match"]: rows} if rows else {}


def _read(text: str) -> Any:
    try:
        rules = json.loads(text or "{}")
    except (ValueError, RecursionError) as problem:
        raise forms.ValidationError("This is not JSON.") from problem
    if not isinstance(rules, dict | list):
        raise forms.ValidationError('Rules begin with {"all": [ or {"any": [.')
    return rules
