"""A whole `vendor.yaml`: the root of the vendor language (docs/vendor-manifest.md)."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from integrations import templates
from integrations.errors import did_you_mean
from integrations.manifest_load import Load
from integrations.manifest_parts import (
    Auth,
    ErrorRule,
    Inferred,
    Input,
    Key,
    Owner,
    Rate,
    Strict,
    TemplateText,
    Tenant,
    TestCall,
    Timeouts,
)

MEGABYTE = 1024 * 1024
_HOST = re.compile(r"(\*|[a-z0-9{}_ -]+)(\.(\*|[a-z0-9{}_ -]+))+")

_SYNTHETIC: dict[str, dict[str, str]] = {
    "connect_credentials": {
        "label": "Connect: Credentials",
        "synthetic": "credentials",
        "help": "The name of the credentials that read the record.",
        "source": "ours",
    },
    "connector_sync_time": {
        "label": "Connector Sync Time",
        "type": "datetime",
        "synthetic": "sync_time",
        "help": "When the record was last seen.",
        "source": "ours",
    },
    "connect_source": {
        "label": "Connect: Source",
        "synthetic": "source",
        "help": "Vendor and name of the integration that read the record.",
        "source": "ours",
    },
}
_CONNECT_SUBDOMAIN = {
    "label": "Connect: Subdomain",
    "synthetic": "input",
    "input": "subdomain",
    "help": "The sub-domain that the record was read from.",
    "source": "ours",
}


class Manifest(Strict):
    """What a vendor folder says about the vendor."""

    key: Key
    label: str
    docs: str
    sources: dict[str, str]
    inputs: dict[Key, Input] = {}
    tenant: Tenant
    base_url: TemplateText
    hosts: tuple[str, ...] = Field(min_length=1)
    auth: Auth
    rate: Rate
    timeouts: Timeouts = Timeouts()
    max_bytes: int = Field(default=20 * MEGABYTE, ge=1024)
    max_depth: int = Field(default=32, ge=2, le=200)
    user_agent: str = "Rolecall (self-hosted user management)"
    headers: dict[str, TemplateText] = {"Accept": "application/json"}
    # A header that carries an id of its own with every single call, for the vendor's support.
    request_id_header: str | None = Field(default=None, pattern=r"^[A-Za-z0-9-]{1,100}$")
    test: TestCall
    owner: Owner | None = None
    errors: tuple[ErrorRule, ...] = ()
    loads: Annotated[dict[Key, Load], Field(min_length=1)]
    inferred: tuple[Inferred, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, given: Any) -> Any:
        """Give parts their own keys, and each load the fields that exist in every load."""
        if not isinstance(given, Mapping):
            return given
        complete = {**given}
        for group in ("inputs", "loads"):
            if isinstance(given.get(group), Mapping):
                complete[group] = _with_keys(given[group])
        if isinstance(complete.get("loads"), Mapping):
            has_subdomain = "subdomain" in (complete.get("inputs") or {})
            complete["loads"] = {
                key: _with_fields(load, has_subdomain=has_subdomain)
                for key, load in complete["loads"].items()
            }
        return complete

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        for at, why in self._mistakes():
            raise PydanticCustomError("reference", "{why}", {"at": at, "why": why})
        return self

    def _mistakes(self) -> Iterator[tuple[str, str]]:
        if not self.base_url.startswith("https://"):
            yield "base_url", "begins with https://"
        if not self.auth.types:
            yield "auth", "names at least one type of credentials"
        named = {"tenant.input": self.tenant.input}
        if self.test.names:
            named["test.names.input"] = self.test.names.input
        for at, name in named.items():
            if name and name not in self.inputs:
                yield at, _no("input", name, self.inputs)
        for at, text in (("base_url", self.base_url), *((f"hosts.{h}", h) for h in self.hosts)):
            for name in sorted(templates.parse(text).names - set(self.inputs)):
                yield at.split(".")[0], _no("input", name, self.inputs)
        for host in self.hosts:
            if not _HOST.fullmatch(host):
                yield "hosts", f'"{host}" is no host name; `*` stands for one label'
        yield from self._mistakes_about_sources()

    def _mistakes_about_sources(self) -> Iterator[tuple[str, str]]:
        named = {"rate.source": self.rate.source}
        for key, load in self.loads.items():
            for name, field in load.fields.items():
                named[f"loads.{key}.fields.{name}.source"] = field.source
                if field.synthetic is None and field.path is None:
                    yield f"loads.{key}.fields.{name}", "needs a `path`"
            for part in ("roles", "lookup", "deletions"):
                if getattr(load, part):
                    named[f"loads.{key}.{part}.source"] = getattr(load, part).source
        for at, text in named.items():
            for source in text.split():
                if source not in self.sources and source != "ours":
                    yield at, _no("source", source, self.sources)


def _no(what: str, name: str, known: Mapping[str, Any]) -> str:
    return f'there is no {what} "{name}".{did_you_mean(name, known)}'


def _with_keys(group: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: {**part, "key": str(key)} if isinstance(part, Mapping) else part
        for key, part in group.items()
    }


def _with_fields(load: Any, *, has_subdomain: bool) -> Any:
    if not isinstance(load, Mapping) or not isinstance(load.get("fields"), Mapping):
        return load
    extra: dict[str, Any] = dict(_SYNTHETIC)
    if has_subdomain:
        extra["connect_subdomain"] = _CONNECT_SUBDOMAIN
    return {**load, "fields": _with_keys({**load["fields"], **extra})}
