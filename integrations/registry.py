"""Every vendor folder, read once; vendors are data."""

import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from integrations import templates
from integrations.errors import (
    InputInvalid,
    ManifestInvalid,
    OverrideRefused,
    UnknownLoad,
    UnknownVendor,
    did_you_mean,
)
from integrations.manifest import Manifest
from integrations.manifest_load import Load
from integrations.manifest_parts import Input
from integrations.yamlfile import Document, YamlInvalid, read_yaml

VENDORS_FOLDER = Path(__file__).resolve().parent / "vendors"


@dataclass(frozen=True)
class Vendor:
    """A vendor folder: its manifest, its words for newcomers, and the few hooks that need code."""

    key: str
    label: str
    manifest: Manifest
    hooks: ModuleType | None
    readme: str
    raw: Mapping[str, Any] = field(repr=False, compare=False)

    @property
    def loads(self) -> Mapping[str, Load]:
        """The loads by key."""
        return MappingProxyType(self.manifest.loads)

    @property
    def inputs(self) -> Mapping[str, Input]:
        """The inputs by key."""
        return MappingProxyType(self.manifest.inputs)

    def load(self, key: str) -> Load:
        """Give one load. Raises UnknownLoad with a suggestion."""
        try:
            return self.manifest.loads[key]
        except KeyError:
            raise UnknownLoad(self.label, key, self.manifest.loads) from None

    def read_inputs(self, typed: Mapping[str, str]) -> dict[str, str]:
        """Normalise all inputs. Raises InputInvalid for a missing, unknown or unusable one."""
        for name in typed:
            if name not in self.inputs:
                hint = did_you_mean(name, self.inputs)
                raise InputInvalid(name, f'{self.label} has no input "{name}".{hint}')
        return {
            name: one.normalise(str(typed.get(name) or "")) for name, one in self.inputs.items()
        }

    def tenant_from(self, inputs: Mapping[str, str]) -> str | None:
        """Give the account (M-1) where an input names it; None where only the vendor says it."""
        named = self.manifest.tenant.input
        return inputs[named] if named else None

    def base_url(self, inputs: Mapping[str, str]) -> str:
        """Give the base URL, version path included, for inputs that `read_inputs` gave."""
        return templates.render_url(self.manifest.base_url, inputs).rstrip("/")

    def hosts(self, inputs: Mapping[str, str]) -> tuple[str, ...]:
        """Give the hosts that credentials of this vendor may be sent to; `*` is one label."""
        return tuple(templates.render_url(host, inputs) for host in self.manifest.hosts)

    def corrected(self, overrides: Mapping[str, Any]) -> "Vendor":
        """Give this vendor with inferred facts corrected; keys are dotted paths of the manifest.

        Raises OverrideRefused for what the manifest does not mark as inferred, or a bad value.
        """
        if not overrides:
            return self
        try:
            return _corrected(self.key, json.dumps(overrides, sort_keys=True), self)
        except TypeError:
            raise OverrideRefused(f"{self.label}: overrides hold plain values only.") from None

    def __hash__(self) -> int:
        return hash(self.key)


_CORRECTED: dict[tuple[str, str], tuple[Vendor, Vendor]] = {}


def _corrected(key: str, overrides: str, vendor: Vendor) -> Vendor:
    origin, cached = _CORRECTED.get((key, overrides), (None, None))
    if cached is not None and origin is vendor:
        return cached
    allowed = {fact.path for fact in vendor.manifest.inferred}
    raw = json.loads(json.dumps(vendor.raw))
    for path, value in json.loads(overrides).items():
        if path not in allowed:
            raise OverrideRefused(
                f'{vendor.label}: "{path}" cannot be overridden.{did_you_mean(path, allowed)} '
                f"What can: {', '.join(sorted(allowed)) or 'nothing'}."
            )
        _put(raw, path.split("."), value)
    try:
        manifest = Manifest.model_validate(raw)
    except ValidationError as problems:
        first = problems.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise OverrideRefused(f"{vendor.label}: override {place}: {first['msg']}") from None
    corrected = Vendor(key, manifest.label, manifest, vendor.hooks, vendor.readme, raw)
    _CORRECTED[(key, overrides)] = (vendor, corrected)
    return corrected


def _put(tree: Any, keys: list[str], value: Any) -> None:
    for part in keys[:-1]:
        tree = tree[int(part)] if isinstance(tree, list) else tree.setdefault(part, {})
    if isinstance(tree, list):
        tree[int(keys[-1])] = value
    else:
        tree[keys[-1]] = value


@cache
def vendors() -> Mapping[str, Vendor]:
    """Give every vendor by key, in the order of their keys. Raises ManifestInvalid."""
    return MappingProxyType(
        {
            folder.name: read_vendor(folder)
            for folder in sorted(VENDORS_FOLDER.iterdir())
            if (folder / "vendor.yaml").is_file()
        }
    )


def get_vendor(key: str) -> Vendor:
    """Give one vendor. Raises UnknownVendor with a suggestion."""
    try:
        return vendors()[key]
    except KeyError:
        raise UnknownVendor(key, vendors()) from None


def read_vendor(folder: Path, *, hooks_package: str = "integrations.vendors") -> Vendor:
    """Read one folder. Raises ManifestInvalid, which names each mistake with its line."""
    file = folder / "vendor.yaml"
    shown = f"{folder.name}/vendor.yaml"
    try:
        document = read_yaml(file.read_text(encoding="utf-8"))
    except YamlInvalid as problem:
        where = f"line {problem.line}: " if problem.line else ""
        raise ManifestInvalid(shown, [f"{where}{problem.message}"]) from None
    except (OSError, UnicodeDecodeError) as problem:
        raise ManifestInvalid(shown, [f"cannot be read: {type(problem).__name__}"]) from None
    try:
        manifest = Manifest.model_validate(document.data)
    except ValidationError as problems:
        lines = [_describe(problem, document) for problem in problems.errors()]
        raise ManifestInvalid(shown, lines) from None
    hooks = None
    if (folder / "hooks.py").is_file():
        hooks = importlib.import_module(f"{hooks_package}.{folder.name}.hooks")
    mistakes = [*_mistakes(manifest, folder.name, hooks, document)]
    if mistakes:
        raise ManifestInvalid(shown, mistakes)
    readme = folder / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.is_file() else ""
    return Vendor(manifest.key, manifest.label, manifest, hooks, text, document.data)


def _describe(problem: ErrorDetails, document: Document) -> str:
    keys = _without_kinds(list(problem["loc"]), document.data)
    context = problem.get("ctx", {})
    if "key" in context:
        keys.append(context["key"])
    if "at" in context:
        keys.extend(str(context["at"]).split("."))
    line = document.line_of(keys)
    shown = ".".join(str(key) for key in keys) or "the file"
    return f"{f'line {line}: ' if line else ''}{shown}: {problem['msg']}"


def _without_kinds(keys: list[str | int], tree: Any) -> list[str | int]:
    """Leave out the kind of a part (`paging`), which pydantic puts among the keys."""
    kept: list[str | int] = []
    for key in keys:
        if isinstance(tree, Mapping) and tree.get("kind") == key:
            continue
        kept.append(key)
        try:
            tree = tree[key]
        except (KeyError, IndexError, TypeError):
            tree = None
    return kept


def _mistakes(
    manifest: Manifest, folder: str, hooks: ModuleType | None, document: Document
) -> list[str]:
    found = []
    if manifest.key != folder:
        found.append(f'key: is "{manifest.key}", but the folder is "{folder}"')
    for key, load in manifest.loads.items():
        if load.hook and not callable(getattr(hooks, load.hook, None)):
            found.append(f'loads.{key}.hook: hooks.py has no function "{load.hook}"')
    for fact in manifest.inferred:
        tree: Any = document.data
        for part in fact.keys:
            try:
                tree = tree[int(part)] if isinstance(tree, list) else tree[part]
            except (KeyError, IndexError, ValueError, TypeError):
                found.append(f"inferred: the manifest has no {fact.path}")
                break
    return found
