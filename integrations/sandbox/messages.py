"""A request as the vendor's side sees it, and the answer that it gives."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

JSON = "application/json"
HTML = "text/html; charset=UTF-8"


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. `path` begins after the vendor's name; header names are lower case.

    `raw_query` is the query as it came, for vendors that take `%20` and refuse `+`.

    A header that was sent twice arrives as one value, joined by `, `, as proxies do it.
    """

    method: str
    path: str
    query: Mapping[str, list[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    raw_query: str = ""

    @classmethod
    def from_target(
        cls,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> "Request":
        """Make a request from `/path?query`; the query is decoded, the path is not."""
        parts = urlsplit(target)
        query = parse_qs(parts.query, keep_blank_values=True)
        return cls(
            method=method,
            path=parts.path,
            query=query,
            headers=headers or {},
            body=body,
            raw_query=parts.query,
        )

    def header(self, name: str) -> str:
        """Value of a header, empty when it was not sent."""
        return self.headers.get(name.lower(), "")

    def parameter(self, name: str) -> str | None:
        """First value of a query parameter; None when it was not sent."""
        values = self.query.get(name)
        return values[0] if values else None

    def json(self) -> Any:
        """The body as JSON. Raises `orjson.JSONDecodeError` for anything else."""
        return orjson.loads(self.body)

    def with_parameter(self, name: str, value: str) -> "Request":
        """The same request with another value of one query parameter."""
        return replace(self, query={**self.query, name: [value]})


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: a status, a body, and headers besides `Content-Type` and `-Length`."""

    status: int = 200
    body: bytes = b""
    content_type: str | None = JSON
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, value: Any, *, status: int = 200) -> "Answer":
        """An answer with this value as its JSON."""
        return cls(status=status, body=orjson.dumps(value))

    @classmethod
    def nothing(cls, status: int, **headers: str) -> "Answer":
        """An answer without a body; `Some_Header="x"` is sent as `Some-Header: x`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(status=status, content_type=None, headers=named)

    @classmethod
    def page(cls, status: int, title: str) -> "Answer":
        """An HTML page, as vendors send from in front of their API."""
        text = (
            f"<!DOCTYPE html><html><head><title>{title}</title></head><body>{title}</body></html>"
        )
        return cls(status=status, body=text.encode(), content_type=HTML)

    def with_headers(self, **headers: str) -> "Answer":
        """The same answer with more headers, named as in `nothing`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return replace(self, headers={**self.headers, **named})
