"""Reading pages and filling their forms as a browser without scripts would."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from django.test import Client


class _Form(HTMLParser):
    """What one form would send: inputs, selects and texts, by name."""

    def __init__(self, form_id: str) -> None:
        super().__init__()
        self.values: dict[str, Any] = {}
        self._wanted = form_id
        self._inside = False
        self._select = ""
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name = given.get("name") or ""
        if tag == "form":
            self._inside = given.get("id") == self._wanted
        if not self._inside:
            return
        if tag == "input" and name:
            self._input(name, given)
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select:
            value = given.get("value") or ""
            if "selected" in given or self._select not in self.values:
                self.values[self._select] = value  # a browser takes the first when none is marked
        elif tag == "textarea":
            self._text = name
            self.values[name] = ""

    def _input(self, name: str, given: dict[str, str | None]) -> None:
        kind = given.get("type", "text")
        if kind in {"checkbox", "radio"}:
            if "checked" in given:
                self.values.setdefault(name, []).append(given.get("value") or "on")
        elif kind not in {"submit", "button", "file"}:
            # An input holds one line: browsers take breaks out of it.
            self.values[name] = "".join((given.get("value") or "").splitlines())

    def handle_data(self, data: str) -> None:
        if self._text:
            self.values[self._text] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = ""
        elif tag == "textarea":
            self.values[self._text] = self.values[self._text].removeprefix("\n")
            self._text = ""
        elif tag == "form":
            self._inside = False


def read_form(answer: Any, form_id: str) -> dict[str, Any]:
    """The fields of a form with the values that the page gives them."""
    form = _Form(form_id)
    form.feed(answer.content.decode())
    assert form.values, f"the page has no form {form_id}"
    return form.values


def save(client: Client, url: str, form_id: str, **changed: Any) -> Any:
    """Open a page, change some fields, send its form; follows no redirect."""
    values = {**read_form(client.get(url), form_id), **changed}
    sent = {name: _sent(value) for name, value in values.items() if value is not None}
    return client.post(url, sent)


def _sent(value: Any) -> Any:
    """Browsers send two characters for each line break."""
    return value.replace("\n", "\r\n") if isinstance(value, str) else value


def messages_of(client: Client, answer: Any) -> list[str]:
    """What the page after this answer tells; reading it uses the messages up."""
    page = client.get(answer["Location"])
    return [str(message) for message in page.context["messages"]]


def text_of(answer: Any) -> str:
    """The page's text without tags, spaces made one."""
    pieces: list[str] = []

    class Text(HTMLParser):
        def handle_data(self, data: str) -> None:
            pieces.append(data)

    Text().feed(answer.content.decode())
    return " ".join(" ".join(pieces).split())
