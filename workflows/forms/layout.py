"""Parts of a page for crispy forms: sections, the tabs of Advanced Mode, and texts between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crispy_forms.utils import render_field
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString

_FOLDER = "admin/workflows/block"


class _Group:
    """Fields and other parts under one template. A part is the name of a field or a layout."""

    template = ""

    def __init__(self, title: str, *parts: Any, note: Any = "", anchor: str = "") -> None:
        self.title = title
        self.parts = parts
        self.note = note
        self.anchor = anchor

    def render(self, form: Any, context: Any, template_pack: Any = None, **_more: Any) -> str:
        """Draw the parts, then what stands around them."""
        body = _drawn(self.parts, form, context, template_pack)
        return render_to_string(f"{_FOLDER}/{self.template}.html", {"group": self, "body": body})

    def names(self) -> set[str]:
        """The fields in it, at any depth."""
        found: set[str] = set()
        for part in self.parts:
            found |= {part} if isinstance(part, str) else part.names()
        return found


class Section(_Group):
    """A panel with a heading."""

    template = "section"


class Tab(_Group):
    """One tab of Advanced Mode; `reset` names the button that brings the preset's values back."""

    template = "tab"

    def __init__(self, title: str, *parts: Any, reset: str = "", **named: Any) -> None:
        super().__init__(title, *parts, **named)
        self.reset = reset
        self.trouble = 0

    def render(self, form: Any, context: Any, template_pack: Any = None, **more: Any) -> str:
        """As any group; how many of its fields have something wrong is shown on the tab."""
        self.trouble = form.trouble_in(self.names())
        return super().render(form, context, template_pack, **more)


class Advanced(_Group):
    """Advanced Mode: tabs that a script makes of sections; without it they stand in a row."""

    template = "advanced"
    is_open = False

    @property
    def tabs(self) -> Sequence[Tab]:
        """Its parts, which are all tabs."""
        return self.parts

    def render(self, form: Any, context: Any, template_pack: Any = None, **more: Any) -> str:
        """Open where something is wrong inside, or differs from the preset."""
        self.is_open = form.opens_advanced or bool(form.trouble_in(self.names()))
        return super().render(form, context, template_pack, **more)


class Row(_Group):
    """Fields beside each other where there is room."""

    template = "row"

    def __init__(self, *parts: Any) -> None:
        super().__init__("", *parts)


class Text:
    """A paragraph; `kind` as of notes: info, warn, bad, or nothing for plain text."""

    def __init__(self, text: Any, *, kind: str = "") -> None:
        self.text = text
        self.kind = kind

    def render(
        self, form: Any, context: Any, template_pack: Any = None, **_more: Any
    ) -> SafeString:
        """Draw it."""
        css = f"rc-note rc-note-{self.kind}" if self.kind else "rc-text"
        return format_html('<div class="{}">{}</div>', css, self.text)

    def names(self) -> set[str]:
        """It holds no field."""
        return set()


def _drawn(parts: Sequence[Any], form: Any, context: Any, pack: Any) -> SafeString:
    pieces = [render_field(part, form, context, template_pack=pack) for part in parts]
    return format_html("{}" * len(pieces), *pieces) if pieces else SafeString("")
