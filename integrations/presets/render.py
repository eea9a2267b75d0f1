"""Filling in a preset's request; what would go out with a hole in it is refused (S-12).

Only filled keys are sent: a key whose value is one placeholder without a value is left out. A
placeholder without a value in a URL, a parameter, a needed field, or a call that takes access away
means that nothing is sent (GT-19, AH-39, BW-26, BW-36).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from enum import Enum
from typing import Any, Final
from urllib.parse import quote

from integrations import templates
from integrations.errors import PresetRefused, Problem, TemplateError
from integrations.filters import gives_default
from integrations.manifest_parts import Request, tree_placeholders
from integrations.manifest_presets import Preset
from integrations.presets.answers import masked
from integrations.presets.call import Rendered
from integrations.templates import Placeholder

LOOKED_UP = "<looked up>"
"""Stands in a plan for what a read before the call would give."""

_SETS = frozenset({"PUT", "PATCH"})


class _Left(Enum):
    OUT = "left out"


_OUT: Final = _Left.OUT


def fill_request(
    request: Request, values: Mapping[str, Any], *, preset: Preset | None = None
) -> Rendered:
    """Fill in a request. Raises PresetRefused with every hole in it; sends nothing.

    Without the preset that it belongs to, no input of it counts as optional.
    """
    filling = _Filling(preset, values)
    rendered = filling.request(request)
    if filling.problems:
        raise PresetRefused(filling.problems)
    return rendered


def fill_text(template: str, values: Mapping[str, Any], *, preset: Preset | None = None) -> str:
    """Fill in a text that has no holes, such as a target. Raises PresetRefused."""
    filling = _Filling(preset, values)
    text = filling.text(template)
    if filling.problems:
        raise PresetRefused(filling.problems)
    return text


def is_blank(value: Any) -> bool:
    """Whether there is nothing to send; false and 0 are something."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or (isinstance(value, list | tuple | Mapping) and not value)


def placed_values(preset: Preset, values: Mapping[str, Any]) -> Iterator[Any]:
    """Every value that a preset puts into its request or names as its target."""
    request, change = preset.request, preset.change
    trees: list[Any] = [change.target, change.effect] if change else []
    if request is not None:
        trees += [request.path, request.params, request.headers, request.body, request.variables]
    for tree in trees:
        for placeholder in tree_placeholders(tree):
            value = replace(placeholder, filters=()).value(values, "blank")
            yield from value if isinstance(value, list | tuple) else [value]


def shown(rendered: Rendered, *, base_url: str) -> dict[str, Any]:
    """A request for people to read: unsigned, and masked should a secret have come into it."""
    path = rendered.path.replace(quote(LOOKED_UP, safe=""), LOOKED_UP)
    is_whole = path.startswith(("https://", "http://"))
    view: dict[str, Any] = masked(
        {
            "method": rendered.method,
            "url": path if is_whole else f"{base_url.rstrip('/')}/{path.removeprefix('/')}",
            "params": dict(rendered.params),
            "headers": dict(rendered.headers),
            "body": rendered.body,
        }
    )
    return view


class _Filling:
    """Fills in the trees of one preset and collects what is missing."""

    def __init__(self, preset: Preset | None, values: Mapping[str, Any]) -> None:
        change = preset.change if preset else None
        self._label = preset.label if preset else "The look-up"
        self._inputs = preset.inputs if preset else {}
        self._hints = preset.if_empty if preset else {}
        self._values = values
        self._strict = bool(change and (change.takes_access or change.destructive))
        # Without the field that it asks for, a read would answer about everybody.
        self._needs_fields = change is None or self._strict
        self.problems: list[Problem] = []
        self._filled = False

    def request(self, request: Request) -> Rendered:
        body = self._body(request)
        return Rendered(
            method=request.method,
            path=self._url(request.path),
            params=self._params(request.params),
            headers=self._headers(request.headers),
            body=body,
        )

    def text(self, template: str) -> str:
        """A text in which every placeholder has to have a value."""
        return self._joined(template, lambda: templates.render_text(template, self._values))

    # The parts of a request.

    def _url(self, template: str) -> str:
        return self._joined(template, lambda: templates.render_url(template, self._values))

    def _params(self, params: Mapping[str, Any]) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for name, tree in params.items():
            one = _only_placeholder(tree)
            if one is not None and self._is_blank(one):
                if not self._may_leave_out_param(one):
                    self._refuse(one)
            elif isinstance(tree, str) and one is None:
                kept[name] = self.text(tree)
            else:
                value = self._tree(tree)
                if value is not _OUT:
                    kept[name] = value
        return kept

    def _headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        kept: dict[str, str] = {}
        for name, template in headers.items():
            one = _only_placeholder(template)
            if one is not None and self._is_blank(one) and self._optional_input(one):
                continue
            kept[name] = self._joined(
                template, lambda text=template: templates.render_header(text, self._values)
            )
        return kept

    def _body(self, request: Request) -> Any:
        if request.query:
            variables = self._tree(request.variables)
            given = {} if variables is _OUT else variables
            return {"query": request.query_text, "variables": given}
        if request.body is None:
            return None
        self._filled = False
        body = self._tree(request.body)
        asks = any(one.steps[0] == "inputs" for one in tree_placeholders(request.body))
        if asks and not self._filled and request.method in _SETS and not self.problems:
            names = ", ".join(self._inputs)
            self.problems.append(
                Problem(
                    "inputs",
                    f"{self._label}: nothing would change, so nothing was sent. Fill at "
                    f"least one of: {names}.",
                )
            )
        if body is _OUT:
            return {} if isinstance(request.body, Mapping) else None
        return body

    def _tree(self, tree: Any) -> Any:
        if isinstance(tree, str):
            return self._leaf(tree)
        if isinstance(tree, Mapping):
            pairs = {key: self._tree(part) for key, part in tree.items()}
            filled = {key: value for key, value in pairs.items() if value is not _OUT}
            return filled if filled or not tree else _OUT
        if isinstance(tree, list | tuple):
            items = [value for part in tree if (value := self._tree(part)) is not _OUT]
            return items if items or not tree else _OUT
        return tree

    def _leaf(self, template: str) -> Any:
        """A value of a body: it keeps its type, or is left out, or is refused."""
        holes = templates.parse(template).placeholders
        blank = [one for one in holes if self._is_blank(one)]
        for one in blank:
            if not self._may_leave_out(one):
                self._refuse(one)
        if holes and len(blank) == len(holes):
            return _OUT
        self._filled = self._filled or any(one.steps[0] == "inputs" for one in holes)
        try:
            return templates.render(template, self._values, absent="blank")
        except TemplateError as problem:
            self._refuse_value(problem)
            return _OUT

    def _joined(self, template: str, write: Any) -> str:
        holes = templates.parse(template).placeholders
        blank = [one for one in holes if self._is_blank(one)]
        for one in blank:
            self._refuse(one)
        if blank:
            return ""
        try:
            return str(write())
        except TemplateError as problem:
            self._refuse_value(problem)
            return ""

    # Holes.

    def _is_blank(self, one: Placeholder) -> bool:
        raw = replace(one, filters=()).value(self._values, "blank")
        return is_blank(raw) and not gives_default(one.filters)

    def _optional_input(self, one: Placeholder) -> bool:
        group, *rest = one.steps
        known = self._inputs.get(str(rest[0])) if rest else None
        return group == "inputs" and known is not None and not known.required

    def _may_leave_out_param(self, one: Placeholder) -> bool:
        """An input that nobody filled; where access is taken away, switches only."""
        if not self._optional_input(one):
            return False
        return not self._strict or self._inputs[str(one.steps[1])].type == "switch"

    def _may_leave_out(self, one: Placeholder) -> bool:
        """An input that nobody filled, or a field of the record that need not be filled."""
        if self._optional_input(one):
            return True
        is_field = len(one.steps) == 1 and one.steps[0] != "items"
        return is_field and not self._needs_fields and one.steps[0] not in self._hints

    def _refuse(self, one: Placeholder) -> None:
        problem = self._problem(one)
        if problem not in self.problems:
            self.problems.append(problem)

    def _refuse_value(self, problem: TemplateError) -> None:
        self.problems.append(Problem("request", f"{self._label} was not sent: {problem.message}."))

    def _problem(self, one: Placeholder) -> Problem:
        group, *rest = (str(step) for step in one.steps)
        name = ".".join(rest)
        begin = f"{self._label} was not sent:"
        if group == "inputs":
            return Problem(f"inputs.{name}", f'{begin} the input "{name}" is empty.')
        if group == "variables":
            return Problem(
                one.path,
                f'{begin} there is no global variable "{name}". Add it under Configuration > '
                "General > Global Settings.",
            )
        if group == "account":
            return Problem(
                one.path, f'{begin} the "{name}" of the account at the vendor is not known.'
            )
        hint = self._hints.get(group, "Fill it on the record, or let a load fill it.")
        return Problem(group, f'{begin} the field "{one.path}" of the record is empty. {hint}')


def _only_placeholder(tree: Any) -> Placeholder | None:
    """The placeholder that a value consists of, if it does."""
    if not isinstance(tree, str):
        return None
    parts = templates.parse(tree).parts
    return parts[0] if len(parts) == 1 and isinstance(parts[0], Placeholder) else None
