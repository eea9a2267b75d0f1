"""What BambooHR says when it is not asked for JSON: XML, CSV."""

import csv
import io
from typing import Any
from xml.sax.saxutils import escape, quoteattr

XML = "text/xml; charset=UTF-8"
REPORT_TYPES = {
    "json": "application/json",
    "xml": "text/xml",
    "csv": "text/csv",
    "pdf": "application/pdf",
    "xls": "application/vnd.ms-excel",
}


def as_xml(root: str, value: Any) -> bytes:
    """Any JSON value as a document: keys become `<field id="...">`, lists repeat `<item>`."""
    return f'<?xml version="1.0"?>\n{_element(root, value)}\n'.encode("utf-8", "replace")


def _element(name: str, value: Any) -> str:
    if isinstance(value, dict):
        own_id = f" id={quoteattr(str(value['id']))}" if "id" in value else ""
        inner = "".join(
            _element(key, part) if isinstance(part, dict | list) else _field(key, part)
            for key, part in value.items()
            if key != "id"
        )
        return f"<{_tag(name)}{own_id}>{inner}</{_tag(name)}>"
    if isinstance(value, list):
        return f"<{_tag(name)}>{''.join(_element('item', part) for part in value)}</{_tag(name)}>"
    return f"<{_tag(name)}>{_text(value)}</{_tag(name)}>"


def _field(key: str, value: Any) -> str:
    return f"<field id={quoteattr(str(key))}>{_text(value)}</field>"


def _text(value: Any) -> str:
    return "" if value is None else escape(str(value))


def _tag(name: str) -> str:
    return name if name.isidentifier() else "entry"


def report_in(kind: str, title: str, columns: list[str], rows: list[dict[str, Any]]) -> bytes:
    """A custom report in one of `REPORT_TYPES` other than JSON."""
    if kind == "xml":
        return as_xml("report", {"title": title, "employees": rows})
    if kind in {"csv", "xls"}:
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(columns)
        writer.writerows([[row.get(column) or "" for column in columns] for row in rows])
        return text.getvalue().encode("utf-8", "replace")
    return b"%PDF-1.4\n%%EOF\n"
