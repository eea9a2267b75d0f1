"""A select of many choices, which stands on a page many times."""

from __future__ import annotations

from typing import Any

from django import forms
from django.forms.renderers import BaseRenderer
from django.forms.utils import flatatt
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString


class LongSelect(forms.Select):
    """As Django's, with no template for each choice.

    Of 500 blocks each exit may lead to all the others: that are half a million choices.
    """

    def render(
        self,
        name: str,
        value: Any,
        attrs: dict[str, Any] | None = None,
        renderer: BaseRenderer | None = None,
    ) -> SafeString:
        """The tag with its choices; one line each."""
        chosen, mark = str(value or ""), flatatt({"selected": True})
        options = format_html_join(
            "\n",
            '<option value="{}"{}>{}</option>',
            ((key, mark if key == chosen else "", label) for key, label in self.choices),
        )
        given = self.build_attrs({**self.attrs, "name": name}, attrs)
        return format_html("<select{}>{}</select>", flatatt(given), options)
