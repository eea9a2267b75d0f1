"""Every vendor folder, read once; vendors are data."""

import importlib
import json
import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from integrations import templates
from integrations.errors import (
    InputInvalid,
    ManifestInvalid,
    OverrideRefused,
    UnknownLoad,
    UnknownPreset,
    UnknownVendor,
    did_you_mean,
)
from integrations.manifest import Manifest
from integrations.manifest_load import Load
from integrations.manifest_parts import Inferred, Input, Strict
from integrations.manifest_presets import Preset, Presets
from integrations.presets.own import OWN_REQUEST, own_request_preset
from integrations.yamlfile import Document, YamlInvalid, read_yaml

VENDORS_FOLDER = Path(__file__).resolve().parent / "vendors"
Part = TypeVar("Part", bound=Strict)
_PRESET_KEYS = frozenset({"presets", "presets_inferred"})


@dataclass(frozen=True)
class Vendor:
    """A vendor folder: its manifest, its words for newcomers, and the few hooks that need code."""

    key: str
    label: str
    manifest: Manifest
    hooks: ModuleType | None
    readme: str
    raw: Mapping[str, Any] = field(repr=False, compare=False)
    presets: Mapping[str, Preset] = field(default_factory=dict, repr=False)

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

    def preset(self, key: str) -> Preset:
        """Give one preset by its key without the vendor; also `own_request`, which is in no folder.

        Raises UnknownPreset.
        """
        if key == OWN_REQUEST:
            return own_request_preset("POST")
        try:
            return self.presets[key]
        except KeyError:
            known = (f"{self.key}.{one}" for one in self.presets)
            raise UnknownPreset(f"{self.key}.{key}", known) from None

    @property
    def inferred(self) -> tuple[Inferred, ...]:
        """The facts that are not certain, of the manifest and of the presets."""
        listed = self.raw.get("presets_inferred", ())
        return (*self.manifest.inferred, *(Inferred(**one) for one in listed))

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
            written = json.dumps(overrides, sort_keys=True, allow_nan=False)
        except (TypeError, ValueError):
            raise OverrideRefused(f"{self.label}: overrides hold plain values only.") from None
        if not _is_storable(overrides):
            raise OverrideRefused(
                f"{self.label}: an override holds a sign that no database stores, such as \\0."
            )
        return _corrected(self.key, written, self)

    def __hash__(self) -> int:
        return hash(self.key)


_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")


def _is_storable(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(_is_storable(part) for pair in value.items() for part in pair)
    if isinstance(value, list | tuple):
        return all(map(_is_storable, value))
    return not (isinstance(value, str) and _NOT_STORABLE.search(value))


_CORRECTED: dict[tuple[str, str], tuple[Vendor, Vendor]] = {}


def _corrected(key: str, overrides: str, vendor: Vendor) -> Vendor:
    origin, cached = _CORRECTED.get((key, overrides), (None, None))
    if cached is not None and origin is vendor:
        return cached
    allowed = {fact.path for fact in vendor.inferred}
    raw = deepcopy(vendor.raw)  # JSON would turn keys that are numbers into text
    for path, value in json.loads(overrides).items():
        if path not in allowed:
            raise OverrideRefused(
                f'{vendor.label}: "{path}" cannot be overridden.{did_you_mean(path, allowed)} '
                f"What can: {', '.join(sorted(allowed)) or 'nothing'}."
            )
        _put(raw, path.split("."), value)
    try:
        manifest = Manifest.model_validate(_of_manifest(raw))
        presets = _presets_of(raw)
    except ValidationError as problems:
        first = problems.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise OverrideRefused(f"{vendor.label}: override {place}: {first['msg']}") from None
    corrected = replace(vendor, manifest=manifest, raw=raw, presets=presets)
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


def get_preset(preset_id: str) -> tuple[Vendor, Preset]:
    """Give a preset by its whole id, such as `aha.user_role`. Raises UnknownPreset."""
    vendor_key, _, key = preset_id.partition(".")
    vendor = vendors().get(vendor_key)
    if vendor is None or (key not in vendor.presets and key != OWN_REQUEST):
        raise UnknownPreset(preset_id, preset_ids())
    return vendor, vendor.preset(key)


def preset_ids() -> list[str]:
    """Give the whole ids of all presets, in the order of vendors and files."""
    return [f"{vendor.key}.{key}" for vendor in vendors().values() for key in vendor.presets]


def read_vendor(folder: Path, *, hooks_package: str = "integrations.vendors") -> Vendor:
    """Read one folder. Raises ManifestInvalid, which names each mistake with its line."""
    shown = f"{folder.name}/vendor.yaml"
    document = _read_document(folder / "vendor.yaml", shown)
    raw = _with_queries(document.data, folder, shown)
    manifest = _validate(Manifest, raw, document, shown)
    hooks = None
    if (folder / "hooks.py").is_file():
        hooks = importlib.import_module(f"{hooks_package}.{folder.name}.hooks")
    mistakes = [*_mistakes(manifest, folder.name, hooks, document)]
    if mistakes:
        raise ManifestInvalid(shown, mistakes)
    presets: Mapping[str, Preset] = {}
    if (folder / "presets.yaml").is_file():
        presets, raw = _read_presets(folder, manifest, raw)
    readme = folder / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.is_file() else ""
    return Vendor(manifest.key, manifest.label, manifest, hooks, text, raw, presets)


def _read_document(file: Path, shown: str) -> Document:
    try:
        return read_yaml(file.read_text(encoding="utf-8"))
    except YamlInvalid as problem:
        where = f"line {problem.line}: " if problem.line else ""
        raise ManifestInvalid(shown, [f"{where}{problem.message}"]) from None
    except (OSError, UnicodeDecodeError) as problem:
        raise ManifestInvalid(shown, [f"cannot be read: {type(problem).__name__}"]) from None


def _validate(kind: type[Part], raw: Any, document: Document, shown: str) -> Part:
    try:
        return kind.model_validate(raw)
    except ValidationError as problems:
        lines = [_describe(problem, document) for problem in problems.errors()]
        raise ManifestInvalid(shown, lines) from None


def _read_presets(
    folder: Path, manifest: Manifest, raw: Mapping[str, Any]
) -> tuple[Mapping[str, Preset], dict[str, Any]]:
    """Read `presets.yaml`; give its presets, and the raw data of both files for overrides."""
    shown = f"{folder.name}/presets.yaml"
    document = _read_document(folder / "presets.yaml", shown)
    given = _with_queries(document.data, folder, shown)
    presets = _validate(Presets, given, document, shown)
    mistakes = [
        f'presets.{key}: there is no load "{load}".{did_you_mean(load, manifest.loads)}'
        for key, preset in presets.presets.items()
        for load in preset.loads
        if load not in manifest.loads
    ]
    mistakes += _inferred_mistakes(presets.inferred, document.data)
    if mistakes:
        raise ManifestInvalid(shown, mistakes)
    both = {**raw, "presets": given["presets"], "presets_inferred": given.get("inferred", [])}
    return presets.presets, both


def _of_manifest(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {key: part for key, part in raw.items() if key not in _PRESET_KEYS}


def _presets_of(raw: Mapping[str, Any]) -> Mapping[str, Preset]:
    if "presets" not in raw:
        return {}
    return Presets.model_validate({"presets": raw["presets"]}).presets


def _with_queries(tree: Any, folder: Path, shown: str) -> Any:
    """Put the text of a GraphQL file beside each `query` that names it. Raises ManifestInvalid."""
    if isinstance(tree, list):
        return [_with_queries(part, folder, shown) for part in tree]
    if not isinstance(tree, Mapping):
        return tree
    filled = {key: _with_queries(part, folder, shown) for key, part in tree.items()}
    name = tree.get("query")
    if isinstance(name, str) and "path" in tree:
        file = folder / "queries" / f"{Path(name).name}.graphql"
        if not file.is_file():
            raise ManifestInvalid(shown, [f"query: there is no queries/{file.name}"])
        filled["query_text"] = file.read_text(encoding="utf-8")
    return filled


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
    return [*found, *_inferred_mistakes(manifest.inferred, document.data)]


def _inferred_mistakes(facts: Iterable[Inferred], data: Any) -> list[str]:
    found = []
    for fact in facts:
        tree = data
        for part in fact.keys:
            try:
                tree = tree[int(part)] if isinstance(tree, list) else tree[part]
            except (KeyError, IndexError, ValueError, TypeError):
                found.append(f"inferred: the file has no {fact.path}")
                break
    return found
