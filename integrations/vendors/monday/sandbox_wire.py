"""What goes over the wire to and from the monday.com sandbox: bodies, samples, errors."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
from graphql import ExecutionResult, GraphQLError

from integrations.sandbox.messages import JSON, Answer, Request

QUERIES = Path(__file__).with_name("queries")


def sample(name: str, **variables: Any) -> Request:
    """A request with one of the folder's own queries, not signed."""
    text = (QUERIES / f"{name}.graphql").read_text(encoding="utf-8")
    body = orjson.dumps({"query": text, "variables": variables})
    headers = {"content-type": JSON, "api-version": "2026-10"}
    return Request(method="POST", path="/v2", headers=headers, body=body)


def body_of(request: Request) -> dict[str, Any]:
    """The body as an object; empty when it is none."""
    try:
        body = request.json()
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def variables_of(body: dict[str, Any]) -> dict[str, Any]:
    """The variables of a body; empty when there are none."""
    variables = body.get("variables")
    return variables if isinstance(variables, dict) else {}


def invalid(errors: Sequence[GraphQLError]) -> Answer:
    """A query that does not fit the schema: no data at all."""
    code = {"code": "GRAPHQL_VALIDATION_FAILED"}
    return Answer.of(
        {"errors": [{**one.formatted, "extensions": code} for one in errors]}, status=400
    )


def outcome(result: ExecutionResult) -> dict[str, Any]:
    """Data, and errors beside it where there are some."""
    if not result.errors:
        return {"data": result.data}
    return {"data": result.data, "errors": [one.formatted for one in result.errors]}
