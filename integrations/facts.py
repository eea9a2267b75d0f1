"""Facts of a vendor folder that are not certain, and their corrections for some credentials."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from django.utils import timezone

from integrations.errors import OverrideRefused
from integrations.models import Credentials
from integrations.registry import Vendor, get_vendor
from integrations.yamlfile import YamlInvalid, read_yaml

_WIDTH = 100


@dataclass(frozen=True)
class Fact:
    """One inferred fact: where it stands, by which evidence, what the folder and what we say.

    `about` is the vendor, a load or a preset; `label` is what of it, in words.
    """

    path: str
    about: str
    label: str
    evidence: str
    folder: Any
    is_corrected: bool
    correction: Any = None

    @property
    def now(self) -> Any:
        """The value that counts for these credentials."""
        return self.correction if self.is_corrected else self.folder

    @property
    def folder_text(self) -> str:
        """The folder's value as it would be typed."""
        return as_typed(self.folder)

    @property
    def correction_text(self) -> str:
        """The correction as it was typed; empty where there is none."""
        return as_typed(self.correction) if self.is_corrected else ""

    @property
    def now_text(self) -> str:
        """The value that counts, as it would be typed."""
        return as_typed(self.now)

    def read(self, typed: str) -> Any:
        """Give the value that was typed: plain text where the folder has text, else YAML or JSON.

        Raises OverrideRefused for what cannot be read.
        """
        if isinstance(self.folder, str):
            return typed.strip()
        try:
            return read_yaml(typed).data
        except YamlInvalid as problem:
            where = f"line {problem.line}: " if problem.line else ""
            raise OverrideRefused(
                f"This cannot be read as YAML or JSON: {where}{problem.message}. The folder's "
                f"value is written {self.folder_text}"
            ) from None


def facts_of(vendor: Vendor, overrides: Mapping[str, Any]) -> list[Fact]:
    """Give every fact that the folder marks as inferred, in its order. No query."""
    return [
        Fact(
            path=fact.path,
            about=_about(vendor, fact.keys),
            label=_label(vendor, fact.keys),
            evidence=fact.evidence,
            folder=_value_at(vendor.raw, fact.keys),
            is_corrected=fact.path in overrides,
            correction=overrides.get(fact.path),
        )
        for fact in vendor.inferred
    ]


def forgotten(vendor: Vendor, overrides: Mapping[str, Any]) -> list[str]:
    """Give corrections of facts that the folder no longer marks as inferred: they stop all use."""
    known = {fact.path for fact in vendor.inferred}
    return sorted(set(overrides) - known)


def refusals(vendor: Vendor, overrides: Mapping[str, Any]) -> dict[str, str]:
    """Say which corrections cannot be, as {path: why}; "" is the path where only all together fail.

    Each is tried by itself first, so that the reason stands where it belongs. No query.
    """
    found = {}
    for path, value in overrides.items():
        try:
            vendor.corrected({path: value})
        except OverrideRefused as problem:
            found[path] = problem.message
    if not found:
        try:
            vendor.corrected(overrides)
        except OverrideRefused as problem:
            found[""] = problem.message
    return found


def correct_facts(credentials: Credentials, overrides: Mapping[str, Any]) -> list[str]:
    """Keep these corrections instead of those before; gives the paths that changed.

    A change makes the credentials untested: the last test spoke of other facts. One write, with its
    history; none when nothing changed. Raises OverrideRefused where `refusals` names one.
    """
    get_vendor(credentials.vendor).corrected(overrides)
    before = credentials.overrides
    paths = [*before, *(path for path in overrides if path not in before)]
    changed = [path for path in paths if _written(before, path) != _written(overrides, path)]
    if changed:
        credentials.overrides = dict(overrides)
        credentials.test_state, credentials.test_message = Credentials.Test.UNTESTED, ""
        credentials.updated_at = timezone.now()
        credentials.save(update_fields=["overrides", "test_state", "test_message", "updated_at"])
    return changed


def as_typed(value: Any) -> str:
    """Write a value as a person would type it: text as it is, lists and objects as YAML."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list) and value:
        written: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=_WIDTH)
        return written.strip()
    return json.dumps(value, ensure_ascii=False)


def _written(overrides: Mapping[str, Any], path: str) -> str | None:
    """One correction as JSON, so that true is not 1; None where there is none."""
    return json.dumps(overrides[path], sort_keys=True) if path in overrides else None


def _value_at(tree: Any, keys: tuple[str, ...]) -> Any:
    for part in keys:
        tree = tree[int(part)] if isinstance(tree, list) else tree[part]
    return _without_texts(tree)


def _without_texts(tree: Any) -> Any:
    """Leave out what the registry adds when it reads the folder: the text of query files."""
    if isinstance(tree, Mapping):
        return {key: _without_texts(part) for key, part in tree.items() if key != "query_text"}
    if isinstance(tree, list):
        return [_without_texts(part) for part in tree]
    return tree


def _about(vendor: Vendor, keys: tuple[str, ...]) -> str:
    if keys[0] == "loads" and keys[1] in vendor.loads:
        return vendor.loads[keys[1]].label
    if keys[0] == "presets" and keys[1] in vendor.presets:
        return vendor.presets[keys[1]].label
    return vendor.label


def _label(vendor: Vendor, keys: tuple[str, ...]) -> str:
    """What the fact is about, in words: `paging, page size`."""
    rest = keys if _about(vendor, keys) == vendor.label else keys[2:]
    return ", ".join(part.replace("_", " ") for part in rest)
