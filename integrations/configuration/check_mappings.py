"""Are the mappings of an integration possible, and enough to launch it? Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from integrations.configuration.problems import Path, Problems
from integrations.configuration.schema import IntegrationPart
from integrations.configuration.world import Wanted
from integrations.errors import TemplateError, UnknownTransform, did_you_mean
from integrations.manifest_load import Load
from integrations.mapping.mapper import Mapper
from integrations.mapping.rows import MappingRow
from integrations.mapping.sources import Constants
from integrations.models import Integration
from integrations.paths import parse_path
from people.queries import Target

Wish = Wanted[IntegrationPart, Integration]


def check_mappings(
    wish: Wish,
    load: Load,
    targets: Mapping[str, Target],
    roles: frozenset[str],
    problems: Problems,
) -> list[str]:
    """Note every mistake of the mappings; gives remarks about sources that look mistyped."""
    remarks: list[str] = []
    seen: dict[tuple[str, Any], int] = {}
    for number, mapping in enumerate(wish.wanted["mappings"]):
        path: Path = (*wish.path, "mappings", number)
        _check_twice(mapping, number, path, seen, problems)
        target = targets.get(mapping["target"])
        if target is None:
            hint = did_you_mean(mapping["target"], targets)
            problems.add(
                (*path, "target"), f'there is no people field "{mapping["target"]}".{hint}'
            )
        elif mapping.get("sync_key") and not target.may_be_sync_key:
            problems.add(
                (*path, "sync_key"),
                f"{target.label} cannot be a sync key: several people may share a value. Use the "
                "e-mail, the username, the employee ID or a unique field.",
            )
        if ("source" in mapping) == ("constant" in mapping):
            problems.add(path, "give either `source` or `constant`")
        elif "source" in mapping:
            remarks += _check_source(wish, mapping["source"], load, path, problems)
        if target is not None and not problems.are_under(path):
            _check_meaning(mapping, target, load, roles, path, problems)
    whole: Path = (*wish.path, "mappings")
    if wish.wanted["state"] != Integration.State.DRAFT and not problems.are_under(whole):
        _check_enough(wish, load, targets, problems)
    return remarks


def _check_twice(
    mapping: Mapping[str, Any],
    number: int,
    path: Path,
    seen: dict[tuple[str, Any], int],
    problems: Problems,
) -> None:
    for key in ("target", "sync_key"):
        value = mapping.get(key)
        if value is None:
            continue
        first = seen.setdefault((key, value), number)
        if first != number:
            problems.add((*path, key), f"{value} is used in mappings[{first}] already")


def _check_source(wish: Wish, source: str, load: Load, path: Path, problems: Problems) -> list[str]:
    """A source that is no field of the load is a path into the record: allowed, but remarked on."""
    if source in load.fields:
        return []
    try:
        parse_path(source)
    except TemplateError as problem:
        problems.add((*path, "source"), problem.message)
        return []
    hint = did_you_mean(source, load.fields)
    if not hint:
        return []
    line = problems.line_of((*path, "source"))
    where = f"line {line}" if line else f'"{wish.key}"'
    remark = (
        f'{where}: "{source}" is no field of {load.label}; it is read as a path into the '
        f"vendor's record.{hint}"
    )
    return [remark]


def _check_meaning(
    mapping: Mapping[str, Any],
    target: Target,
    load: Load,
    roles: frozenset[str],
    path: Path,
    problems: Problems,
) -> None:
    """Let a mapper of this one mapping judge transform and constant, over an empty record."""
    row = MappingRow(
        source=mapping.get("source", ""),
        constant=mapping.get("constant"),
        transform=mapping.get("transform", ""),
        target=target,
    )
    try:
        mapper = Mapper(load, [row], constants=Constants("", "", {}), role_names=roles, keep=None)
    except UnknownTransform as problem:
        problems.add((*path, "transform"), problem.message)
        return
    if row.constant is None:
        return
    mapped = mapper.map(_record_with_id(load.id))
    if mapped is not None and mapped.outcome == "issue":
        _code, _field, reason = orjson.loads(mapped.payload)["i"]
        hint = did_you_mean(row.constant, roles) if target.type == "role" else ""
        problems.add((*path, "constant"), f"{reason}{hint}")


def _record_with_id(path: str) -> Any:
    record: Any = "1"
    for step in reversed(parse_path(path)):
        record = {step: record} if isinstance(step, str) else [record]
    return record


def _check_enough(
    wish: Wish, load: Load, targets: Mapping[str, Target], problems: Problems
) -> None:
    """The mandatory mappings and a sync key (AH-27)."""
    path: Path = (*wish.path, "mappings")
    mapped = {mapping["target"] for mapping in wish.wanted["mappings"]}
    for key in load.required_targets:
        if key not in mapped:
            problems.add(
                path, f"nothing is mapped to {targets[key].label}, which everybody must have"
            )
    if not any(mapping.get("sync_key") for mapping in wish.wanted["mappings"]):
        problems.add(path, "mark one mapping with `sync_key: 1`, for example the e-mail")
