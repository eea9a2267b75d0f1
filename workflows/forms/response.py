"""The Response tab: what of an answer goes where, after success and after failure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from workflows.forms.layout import Tab, Text
from workflows.forms.place import Place, as_dict, as_list
from workflows.forms.request import as_typed
from workflows.forms.rows import Column, Row, RowsField

if TYPE_CHECKING:
    from workflows.forms.blocks import BlockForm

VARIABLE = "=variable"
_PREFIX = "variables."
_SIDES = {"positive": "Positive: after success", "negative": "Negative: after failure"}
_HELP = {
    "positive": "Applied only when the call succeeded.",
    "negative": "Applied only when the call failed; the answer may then say why.",
}


def fields(place: Place) -> dict[str, forms.Field]:
    """Rows for success and for failure, as `response_positive` and `response_negative`."""
    saved = place.part_of("response")
    targets = [("", "Choose"), *place.writable, (VARIABLE, "A workflow variable")]
    columns = (
        Column(
            "from",
            "From",
            suggestions=_suggestions(place),
            placeholder="{{ response }}",
        ),
        Column("to", "Into", choices=targets),
        Column("variable", "Name of the variable", placeholder="Only for a variable"),
    )
    return {
        f"response_{side}": RowsField(
            columns,
            label=label,
            help_text=_HELP[side],
            initial=[_row(one) for one in as_list(saved.get(side))],
            add="Add a mapping",
        )
        for side, label in _SIDES.items()
    }


def tab(place: Place) -> Tab:
    """The tab with its manual."""
    return Tab(
        "Response",
        Text(_manual()),
        *([Text(_offered(place))] if _suggestions(place) else []),
        "response_positive",
        "response_negative",
        anchor="response",
    )


def settings(form: BlockForm) -> dict[str, Any]:
    """{positive: [{from, to}], negative: [...]}, each only where it has rows."""
    found = {}
    for side in _SIDES:
        kept = form.cleaned_data[f"response_{side}"]
        stored = as_list(form.place.part_of("response").get(side))
        rows = [_mapping(row, stored) for _number, row in kept]
        if rows:
            found[side] = rows
    return found


def _row(one: Any) -> Row:
    """A saved mapping as a row."""
    given = as_dict(one)
    to = as_typed(given.get("to"))
    name = to.removeprefix(_PREFIX)
    if to.startswith(_PREFIX) and name.isprintable() and name == name.strip():
        return {"from": as_typed(given.get("from")), "to": VARIABLE, "variable": name}
    return {"from": as_typed(given.get("from")), "to": to, "variable": ""}


def _mapping(row: Row, stored: Sequence[Any]) -> Any:
    """What a row means; one that is as it was shown is the stored one."""
    same = next((one for one in stored if _row(one) == row), None)
    return same or {"from": row["from"].strip(), "to": _target(row)}


def _target(row: Row) -> str:
    """Where a row leads; a variable without a name is kept, and Validate asks for the name."""
    return f"{_PREFIX}{row['variable'].strip()}" if row["to"] == VARIABLE else row["to"]


def _suggestions(place: Place) -> list[tuple[str, str]]:
    """What the preset's answer is known to hold: (template, the name of it)."""
    values = place.preset.answer.values if place.preset else {}
    return [(f"{{{{ {paths[0]} }}}}", name) for name, paths in values.items() if paths]


def _offered(place: Place) -> SafeString:
    rows = _suggestions(place)
    return format_html(
        "This preset's answer is known to hold: {}.",
        format_html_join(", ", '<code class="rc-mono">{}</code> ({})', rows),
    )


def _manual() -> SafeString:
    return format_html(
        'Store a part of the answer with <code class="rc-mono">{}</code> or '
        '<code class="rc-mono">{}</code>, and the whole body with <code class="rc-mono">{}</code> '
        "in a field of the type long text, such as API Response. A workflow variable is kept for "
        "this record until the end; later blocks name it as "
        '<code class="rc-mono">{}</code>.',
        "{{ response.a.b }}",
        '{{ response["a-b"] }}',
        "{{ response }}",
        "{{ variables.name }}",
    )
