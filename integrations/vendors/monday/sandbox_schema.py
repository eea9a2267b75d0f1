"""monday.com's versions and schemas: which one serves a request, and whether a query fits it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    build_schema,
    get_operation_ast,
    parse,
    validate,
)
from graphql.language import ast

FOLDER = Path(__file__).with_name("schema")
KNOWN = ("2026-04", "2026-07", "2026-10")
CURRENT, MAINTENANCE, DEPRECATED = "current", "maintenance", "deprecated"
VERSIONS = {
    "2026-04": DEPRECATED,
    "2026-07": MAINTENANCE,
    "2026-10": CURRENT,
    "2027-01": "release_candidate",
}
_FORM = re.compile(r"\d{4}-(01|04|07|10)", re.ASCII)
_TYPICAL_LIST = 10


class MalformedVersionError(ValueError):
    """What was sent as a version is none."""


@dataclass(frozen=True, slots=True)
class Version:
    """The version that serves a request."""

    value: str
    kind: str

    @property
    def schema(self) -> GraphQLSchema:
        """Its schema; of what is newer than all that are known, the newest."""
        return schema_of(self.value if self.value in KNOWN else KNOWN[-1])


@cache
def schema_of(version: str) -> GraphQLSchema:
    """The extract of one version's schema."""
    return build_schema((FOLDER / f"{version}.graphql").read_text(encoding="utf-8"))


def version_for(asked: str, versions: Mapping[str, str]) -> Version:
    """The version that serves who asks for this one; `versions` are kinds by value.

    None asked for: the current one. A deprecated one: the oldest that is maintained. One that does
    not exist: the current one. Raises MalformedVersionError.
    """
    current = next(one for one, kind in versions.items() if kind == CURRENT)
    if not asked:
        return Version(current, CURRENT)
    if asked == "dev":
        return Version("dev", "dev")
    if not _FORM.fullmatch(asked):
        raise MalformedVersionError(asked)
    kind = versions.get(asked, DEPRECATED if asked < min(versions) else None)
    if kind is None:
        return Version(current, CURRENT)
    if kind == DEPRECATED:
        kept = sorted(one for one, kind in versions.items() if kind == MAINTENANCE)
        return Version(kept[0], MAINTENANCE) if kept else Version(current, CURRENT)
    return Version(asked, kind)


@dataclass(frozen=True, slots=True)
class Query:
    """A document that fits the schema, or the errors that say why it does not."""

    document: DocumentNode | None
    errors: Sequence[GraphQLError]

    def operation(self, name: str | None) -> OperationDefinitionNode | None:
        """The operation that is meant; None when the document has none or several of them."""
        return get_operation_ast(self.document, name) if self.document else None


@lru_cache(maxsize=256)
def read_query(text: str, version: Version) -> Query:
    """Parse a query and hold it against the schema of the version."""
    try:
        document = parse(text)
    except GraphQLError as problem:
        return Query(None, [problem])
    return Query(document, validate(version.schema, document))


def is_mutation(operation: OperationDefinitionNode) -> bool:
    """Whether it changes something."""
    return operation.operation == OperationType.MUTATION


def complexity(operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> int:
    """Points of an operation: one for each field, as often as its list is long."""
    return _cost(operation.selection_set, variables)


def _cost(selected: ast.SelectionSetNode | None, variables: Mapping[str, Any]) -> int:
    fields = [
        one for one in (selected.selections if selected else ()) if isinstance(one, FieldNode)
    ]
    return sum(1 + _length(one, variables) * _cost(one.selection_set, variables) for one in fields)


def _length(field: FieldNode, variables: Mapping[str, Any]) -> int:
    if field.name.value == "teams":
        return _TYPICAL_LIST
    for argument in field.arguments or ():
        value: Any = argument.value
        if argument.name.value != "limit":
            continue
        if isinstance(value, ast.VariableNode):
            given = variables.get(value.name.value)
            return given if isinstance(given, int) and given > 0 else 1
        if isinstance(value, ast.IntValueNode):
            return int(value.value)
    return 200 if field.name.value == "users" else 1
