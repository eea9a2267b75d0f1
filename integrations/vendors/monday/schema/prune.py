"""Makes the extracts beside it of the vendor's whole schemas, which have 300 kB each.

`python -m integrations.vendors.monday.schema.prune FOLDER` reads `schema-2026-10.graphql` and so
on from FOLDER. They come from github.com/mondaycom/mcp, licensed as the text beside says.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from graphql import DocumentNode, FieldDefinitionNode, parse, print_ast
from graphql.language import ast

VERSIONS = ("2026-04", "2026-07", "2026-10")
KEPT = {
    "Query": {"users", "me", "account", "version", "versions", "complexity"},
    "Mutation": {"activate_users", "deactivate_users", "update_users_role", "invite_users"},
}
BUILT_IN = {"Int", "ID", "String", "Boolean", "Float"}


def prune(whole: DocumentNode) -> str:
    """The definitions that the kept fields reach, without descriptions and cost directives."""
    known = {one.name.value: one for one in _types(whole)}
    reached: dict[str, Any] = {}
    waiting = list(KEPT)
    while waiting:
        name = waiting.pop()
        if name in reached or name in BUILT_IN or name not in known:
            continue
        reached[name] = _bare(known[name])
        waiting.extend(_named(reached[name]))
    kept = [reached[name] for name in known if name in reached]
    return print_ast(DocumentNode(definitions=tuple(kept))) + "\n"


def _types(whole: DocumentNode) -> Iterator[Any]:
    for one in whole.definitions:
        if isinstance(one, ast.TypeDefinitionNode):
            yield one


def _bare(definition: Any) -> Any:
    """The definition with only the fields that are kept and the directives that all know."""
    changes: dict[str, Any] = {"description": None, "directives": ()}
    wanted = KEPT.get(definition.name.value)
    if getattr(definition, "fields", None):
        changes["fields"] = tuple(
            _plain(field)
            for field in definition.fields
            if wanted is None or field.name.value in wanted
        )
    if getattr(definition, "values", None):
        changes["values"] = tuple(_plain(value) for value in definition.values)
    return replace(definition, **changes)


def _plain(part: Any) -> Any:
    """A field, argument or value; of its directives only that it is deprecated."""
    kept = tuple(one for one in part.directives or () if one.name.value == "deprecated")
    changes: dict[str, Any] = {"description": None, "directives": kept}
    if getattr(part, "arguments", None):
        changes["arguments"] = tuple(_plain(argument) for argument in part.arguments)
    return replace(part, **changes)


def _named(definition: Any) -> Iterator[str]:
    """The names of the types that a definition speaks of."""
    for field in getattr(definition, "fields", None) or ():
        yield _name_of(field.type)
        if isinstance(field, FieldDefinitionNode):
            yield from (_name_of(argument.type) for argument in field.arguments or ())
    for part in ("interfaces", "types"):
        yield from (one.name.value for one in getattr(definition, part, None) or ())


def _name_of(kind: Any) -> str:
    while not isinstance(kind, ast.NamedTypeNode):
        kind = kind.type
    name: str = kind.name.value
    return name


def main(source: Path) -> None:
    """Write the extract of each version into this folder."""
    for version in VERSIONS:
        text = (source / f"schema-{version}.graphql").read_text(encoding="utf-8")
        extract = Path(__file__).with_name(f"{version}.graphql")
        extract.write_text(prune(parse(text)), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
