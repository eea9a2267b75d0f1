"""`{{ path | filter }}` in text: a look-up in plain data that keeps types; nothing is evaluated.

A value that is one placeholder keeps its type. An unclosed `{{`, or one closed by a single `}`, is
an error with its position; a lone `}}` is text. What a value holds is never read as a template.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import quote

from integrations.errors import MissingValue, TemplateError
from integrations.filters import Filter, as_text, read_filters
from integrations.paths import MISSING, Steps, read_steps

__all__ = [
    "MissingValue",
    "Template",
    "TemplateError",
    "parse",
    "render",
    "render_header",
    "render_text",
    "render_tree",
    "render_url",
    "url_part",
]

Absent = Literal["refuse", "blank"]
_MAX_LENGTH = 100_000
_DEPTH = 64


@dataclass(frozen=True)
class Placeholder:
    """One `{{ ... }}`; `position` is that of its first brace, from 1."""

    path: str
    steps: Steps
    filters: tuple[Filter, ...]
    position: int

    def value(self, values: Mapping[str, Any], absent: Absent) -> Any:
        """Look up and filter. Raises MissingValue unless absent values are to be blank."""
        found = _look_up(values, self.steps)
        for apply in self.filters:
            found = apply(found)
        if found is not MISSING:
            return found
        if absent == "refuse":
            raise MissingValue(self.path, self.position)
        return None


@dataclass(frozen=True)
class Template:
    """A parsed text: pieces of text and placeholders in turn."""

    parts: tuple[str | Placeholder, ...]

    @property
    def placeholders(self) -> tuple[Placeholder, ...]:
        """The placeholders in their order, for checking names before anything runs."""
        return tuple(part for part in self.parts if isinstance(part, Placeholder))

    @property
    def names(self) -> frozenset[str]:
        """The first name of each path."""
        return frozenset(str(placeholder.steps[0]) for placeholder in self.placeholders)


@lru_cache(maxsize=4096)
def parse(text: str) -> Template:
    """Parse a template. Raises TemplateError with the position of the mistake."""
    if len(text) > _MAX_LENGTH:
        raise TemplateError(f"a template has at most {_MAX_LENGTH} characters", _MAX_LENGTH + 1)
    parts: list[str | Placeholder] = []
    at = 0
    while (opening := text.find("{{", at)) >= 0:
        if opening > at:
            parts.append(text[at:opening])
        placeholder, at = _read_placeholder(text, opening)
        parts.append(placeholder)
    if at < len(text):
        parts.append(text[at:])
    return Template(tuple(parts))


def _read_placeholder(text: str, opening: int) -> tuple[Placeholder, int]:
    start = _skip_spaces(text, opening + 2)
    if text.startswith("}}", start):
        raise TemplateError("between {{ and }} the name of a field is missing", opening + 1)
    steps, end = read_steps(text, start)
    filters, at = read_filters(text, _skip_spaces(text, end))
    if text.startswith("}}", at):
        return Placeholder(text[start:end], steps, filters, opening + 1), at + 2
    if text.startswith("}", at):
        raise TemplateError("{{ is closed by a single }", at + 1)
    if at >= len(text):
        raise TemplateError("{{ is not closed", opening + 1)
    raise TemplateError(f'"{text[at]}" does not belong between {{{{ and }}}}', at + 1)


def _skip_spaces(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _look_up(value: Any, steps: Steps) -> Any:
    """Follow the steps; a key that holds dots (`Aha.Subdomain`) is found by its names too."""
    if not steps:
        return value
    if isinstance(value, list | tuple):
        step = steps[0]
        inside = isinstance(step, int) and step < len(value)
        return _look_up(value[step], steps[1:]) if inside and isinstance(step, int) else MISSING
    if not isinstance(value, Mapping):
        return MISSING
    key = ""
    for count, step in enumerate(steps, start=1):
        if not isinstance(step, str):
            break
        key = step if count == 1 else f"{key}.{step}"
        if key in value:
            found = _look_up(value[key], steps[count:])
            if found is not MISSING:
                return found
    return MISSING


def render(template: str, values: Mapping[str, Any], *, absent: Absent = "refuse") -> Any:
    """Fill in a template. One placeholder alone keeps its type, else the result is text.

    Raises TemplateError for a mistake, MissingValue for a path without a value; with
    `absent="blank"` such a path gives None, in text nothing.
    """
    parts = parse(template).parts
    if len(parts) == 1 and isinstance(parts[0], Placeholder):
        return parts[0].value(values, absent)
    return _join(parts, values, absent, as_text)


def render_text(template: str, values: Mapping[str, Any], *, absent: Absent = "refuse") -> str:
    """Fill in a template whose result is text in any case."""
    return _join(parse(template).parts, values, absent, as_text)


def render_url(template: str, values: Mapping[str, Any]) -> str:
    """Fill in a URL or path; each value becomes one percent-encoded piece (`url_part`)."""
    return _join(parse(template).parts, values, "refuse", url_part)


def render_header(template: str, values: Mapping[str, Any]) -> str:
    """Fill in a header's value. Raises TemplateError where it would hold a line break."""
    text = _join(parse(template).parts, values, "refuse", as_text)
    if any(ord(character) < ord(" ") and character != "\t" for character in text):
        raise TemplateError("a header holds no line breaks or control characters", 1)
    return text


def render_tree(
    tree: Any, values: Mapping[str, Any], *, absent: Absent = "refuse", depth: int = 0
) -> Any:
    """Fill in every text of a tree of dicts and lists; keys are left as they are."""
    if depth > _DEPTH:
        raise TemplateError(f"a body is nested at most {_DEPTH} deep", 1)
    if isinstance(tree, str):
        return render(tree, values, absent=absent)
    if isinstance(tree, Mapping):
        return {
            key: render_tree(value, values, absent=absent, depth=depth + 1)
            for key, value in tree.items()
        }
    if isinstance(tree, list | tuple):
        return [render_tree(value, values, absent=absent, depth=depth + 1) for value in tree]
    return tree


def url_part(value: Any) -> str:
    """Percent-encode one value for a place in a URL, slashes and braces included.

    Raises TemplateError for what cannot be one piece of a URL: nothing, `.`, `..`, lists.
    """
    if isinstance(value, Mapping | list | tuple):
        raise TemplateError("a list or an object cannot stand in a URL", 1)
    text = as_text(value)
    if not text.strip() or text in {".", ".."}:
        raise TemplateError("a value that stands in a URL is empty, or only dots", 1)
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        raise TemplateError("a value that stands in a URL is no valid text", 1) from None


def _join(
    parts: tuple[str | Placeholder, ...],
    values: Mapping[str, Any],
    absent: Absent,
    write: Callable[[Any], str],
) -> str:
    pieces = []
    for part in parts:
        if isinstance(part, str):
            pieces.append(part)
            continue
        try:
            pieces.append(write(part.value(values, absent)))
        except MissingValue:
            raise
        except TemplateError as problem:
            raise TemplateError(f"{part.path}: {problem.reason}", part.position) from None
    return "".join(pieces)
