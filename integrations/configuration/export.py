"""The configuration as YAML in a stable order, without any secret."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from integrations.configuration.describe import (
    describe_credentials,
    describe_field,
    describe_integration,
)
from integrations.configuration.sections import SECTIONS
from integrations.configuration.world import OBJECTS, World, read_world
from integrations.holding import SECRETS
from integrations.models import Credentials

_HEAD = """\
# What this installation is made of: docs/configuration-file.md says what each key means.
# It holds no secret: where it names an environment variable, set it before you apply the file.
"""
_REMARK = "  # never the secret itself: where it is when the file is applied"


class _Dumper(yaml.SafeDumper):
    """No line break inside a value, and no anchors."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = '"' if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def export_text() -> str:
    """The whole file; applying it to the same database changes nothing. About seventeen queries."""
    sections = _sections(read_world())
    return _HEAD + "".join(_dump(name, content) for name, content in sections)


def _sections(world: World) -> Iterator[tuple[str, Any]]:
    yield "variables", {key: world.variables[key] for key in _in_order(world.variables)}
    for section, object_ in OBJECTS.items():
        keys = _in_order(key for owner, key in world.fields if owner == object_)
        yield section, [describe_field(world.fields[object_, key]) for key in keys]
    yield "credentials", list(_credentials(world))
    yield (
        "integrations",
        [describe_integration(world.integrations[name]) for name in _in_order(world.integrations)],
    )
    for above in SECTIONS:
        yield above.name, above.export()


def _credentials(world: World) -> Iterator[dict[str, Any]]:
    taken: set[str] = set()
    for name in _in_order(world.credentials):
        row = world.credentials[name]
        described = describe_credentials(row)
        if row.stored == Credentials.Stored.REFERENCE:
            described = _put_after("settings", "secrets", row.references, described)
        elif row.hints:
            places = {secret: {"env": _variable(row, secret, taken)} for secret in _secrets_of(row)}
            described = _put_after("settings", "secrets", places, described)
        yield described


def _secrets_of(row: Credentials) -> list[str]:
    known = SECRETS.get(row.type, ())
    return [name for name in known if name in row.hints]


def _variable(row: Credentials, secret: str, taken: set[str]) -> str:
    """The name of the environment variable for a secret: `AHA_PRODUCTION_VALUE`."""
    ascii_name = unicodedata.normalize("NFKD", row.name).encode("ascii", "ignore").decode()
    stem = re.sub(r"[^A-Z0-9]+", "_", ascii_name.upper()).strip("_")
    if not stem or stem[0].isdigit():
        stem = f"CREDENTIALS_{stem}".strip("_")
    wanted = name = f"{stem}_{secret.upper()}"
    number = 2
    while name in taken:
        name, number = f"{wanted}_{number}", number + 1
    taken.add(name)
    return name


def _put_after(before: str, key: str, value: Any, described: dict[str, Any]) -> dict[str, Any]:
    ordered: dict[str, Any] = {}
    for name, inner in described.items():
        ordered[name] = inner
        if name == before:
            ordered[key] = value
    return ordered


def _in_order(names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: (name.casefold(), name))


def _dump(section: str, content: Any) -> str:
    text: str = yaml.dump(
        {section: content},
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=sys.maxsize,
        default_flow_style=False,
    )
    if section == "credentials":
        text = re.sub(r"^  secrets:$", f"  secrets:{_REMARK}", text, flags=re.MULTILINE)
    return text
