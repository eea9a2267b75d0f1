"""Form fields for lists that are stored as JSON: one text or one e-mail address per line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminTextareaWidget

from integrations.addresses import is_address

_MOST_LINES = 1_000
_LONGEST_LINE = 320
_MOST_ADDRESSES = 50


class TextListField(forms.CharField):
    """One text per line; gives a list without blanks and repetitions, in the order typed."""

    most = _MOST_LINES

    def __init__(self, *, rows: int = 4, **named: Any) -> None:
        named.setdefault("required", False)
        named.setdefault("widget", UnfoldAdminTextareaWidget(attrs={"rows": rows}))
        super().__init__(**named)

    def prepare_value(self, value: Any) -> Any:
        """A stored list as lines; what was sent is lines already."""
        return "\n".join(str(line) for line in value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        """Read the lines. Raises ValidationError with every line that cannot be used."""
        lines = value if isinstance(value, list) else str(value or "").splitlines()
        given = list(dict.fromkeys(line for line in (str(one).strip() for one in lines) if line))
        if len(given) > self.most:
            raise ValidationError(f"At most {self.most:,} lines; these are {len(given):,}.")
        problems = [problem for line in given if (problem := self.problem_of(line))]
        if problems:
            raise ValidationError(problems)
        return given

    def problem_of(self, line: str) -> str:
        """What is wrong with a line; empty when nothing is."""
        if len(line) > _LONGEST_LINE:
            return f'"{line[:40]}…" is longer than {_LONGEST_LINE} characters.'
        return "" if line.isprintable() else "A line holds a character that cannot be shown."

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare the lists, not how they were typed."""
        try:
            return bool(self.to_python(data) != list(initial or []))
        except ValidationError:
            return True

    def validate(self, value: Iterable[str]) -> None:
        """A list is empty or not; the length of text is judged line by line."""
        if self.required and not value:
            raise ValidationError(self.error_messages["required"], code="required")

    def run_validators(self, value: Any) -> None:
        """Those of a text are asked line by line, in `problem_of`."""


class EmailListField(TextListField):
    """One e-mail address per line."""

    most = _MOST_ADDRESSES

    def problem_of(self, line: str) -> str:
        """An address that mail can be sent to, and nothing else on the line."""
        return "" if is_address(line) else f'"{line[:80]}" is not an e-mail address.'
