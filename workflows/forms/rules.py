"""Rules that may be saved before they can be used; Validate says what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms

from integrations.forms.rules import RulesField


class DraftRulesField(RulesField):
    """Rows of rules, or their JSON, of a draft: what can be kept is taken, mistakes and all."""

    def judge_rows(self, rules: Mapping[str, Any], numbers: Sequence[int]) -> None:
        """Validate does."""

    def judge_tree(self, rules: Any) -> None:
        """Raise ValidationError where there is nothing to keep."""
        if not isinstance(rules, dict | list) and rules != self.initial:
            raise forms.ValidationError('Rules begin with {"all": [ or {"any": [.')
