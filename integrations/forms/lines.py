"""Text of several lines. Browsers send two characters for each line break; one is stored."""

from __future__ import annotations

from typing import Any

from django import forms


def plain_breaks(text: str) -> str:
    """With every line break written as one character."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


class LinesField(forms.CharField):
    """Text whose line breaks come back as they are stored."""

    def to_python(self, value: Any) -> str:
        """As any text, with plain line breaks, so that lengths are those of what is kept."""
        return plain_breaks(str(super().to_python(value)))
