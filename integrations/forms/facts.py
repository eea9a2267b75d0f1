"""The form of a vendor's uncertain facts: a field each, empty for what the folder says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms

from integrations.errors import OverrideRefused
from integrations.facts import Fact, as_typed, facts_of, forgotten, refusals
from integrations.models import Credentials
from integrations.registry import Vendor, get_vendor

_LONGEST = 20_000
_MOST_OPEN = 12  # facts; a longer page begins folded


@dataclass(frozen=True)
class Group:
    """The facts about the vendor, one load or one preset."""

    about: str
    rows: list[tuple[Fact, forms.BoundField]]
    corrected: int
    is_open: bool


class FactsForm(forms.Form):
    """Made for some credentials; `overrides()` gives what to keep once it is valid."""

    def __init__(
        self, *given: Any, credentials: Credentials, vendor: Vendor | None = None, **named: Any
    ) -> None:
        super().__init__(*given, **named)
        self.vendor = vendor or get_vendor(credentials.vendor)
        self.facts = facts_of(self.vendor, credentials.overrides)
        self.forgotten = [
            (path, as_typed(credentials.overrides[path]))
            for path in forgotten(self.vendor, credentials.overrides)
        ]
        for number, fact in enumerate(self.facts):
            self.fields[_name(number)] = _field(fact)

    @property
    def groups(self) -> list[Group]:
        """The facts with their fields, by what they are about, in the folder's order."""
        found: dict[str, list[tuple[Fact, forms.BoundField]]] = {}
        for number, fact in enumerate(self.facts):
            found.setdefault(fact.about, []).append((fact, self[_name(number)]))
        is_short = len(self.facts) <= _MOST_OPEN
        return [
            Group(
                about,
                rows,
                corrected=sum(fact.is_corrected for fact, _field in rows),
                is_open=is_short or any(one.is_corrected or field.errors for one, field in rows),
            )
            for about, rows in found.items()
        ]

    def clean(self) -> dict[str, Any]:
        """Check each value against the language of vendor folders, where it belongs."""
        cleaned: dict[str, Any] = super().clean() or {}
        wanted: dict[str, Any] = {}
        names = {fact.path: _name(number) for number, fact in enumerate(self.facts)}
        for fact in self.facts:
            typed = cleaned.get(names[fact.path]) or ""
            if not typed.strip():
                continue
            try:
                wanted[fact.path] = fact.read(typed)
            except OverrideRefused as problem:
                self.add_error(names[fact.path], problem.message)
        for path, why in refusals(self.vendor, wanted).items():
            self.add_error(names.get(path), why)
        self._wanted = wanted
        return cleaned

    def overrides(self) -> dict[str, Any]:
        """What was typed, by the dotted path of the fact."""
        return self._wanted


def _name(number: int) -> str:
    return f"fact_{number}"


def _field(fact: Fact) -> forms.CharField:
    attrs = {
        "class": "rc-textarea rc-short",
        "rows": max(1, min(12, (fact.correction_text or fact.folder_text).count("\n") + 1)),
        "spellcheck": "false",
        "autocomplete": "off",
    }
    return forms.CharField(
        label=f"Correction of {fact.about}: {fact.label}",
        required=False,
        strip=False,
        max_length=_LONGEST,
        initial=fact.correction_text,
        widget=forms.Textarea(attrs=attrs),
    )
