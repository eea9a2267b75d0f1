"""The keys of a configuration file and what each may hold; unknown keys are refused.

A key that is left out, or holds nothing, says nothing: what is stored stays, and something new gets
the default. So every key is optional here but for the names, and `given()` tells what was said.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from integrations.filters import as_text


def _text(value: Any) -> Any:
    if isinstance(value, bool | int | float):
        raise PydanticCustomError(
            "text", "must be text; write it in quotes: '{text}'", {"text": as_text(value)}
        )
    if not isinstance(value, str):
        raise PydanticCustomError("text", "must be text")
    return value


def _name(value: Any) -> Any:
    return _text(value).strip()


def _day(value: Any) -> Any:
    try:
        return date.fromisoformat(_text(value)).isoformat()
    except ValueError:
        raise PydanticCustomError("day", "must be a date such as 2026-12-31") from None


def _constant(value: Any) -> Any:
    if isinstance(value, str | bool | int | float):
        return as_text(value)
    raise PydanticCustomError("constant", "must be a text, a number, true or false")


def _rules(value: Any) -> Any:
    if isinstance(value, dict | list):
        return value or {}
    raise PydanticCustomError("rules", "must be rules, such as {{all: [...]}}")


def _reference(value: Any) -> Any:
    """Never shows what stands there: it may be the secret itself."""
    if (
        not isinstance(value, dict)
        or len(value) != 1
        or not {"env", "file"}.issuperset(value)
        or not all(isinstance(place, str) and place.strip() for place in value.values())
    ):
        raise PydanticCustomError(
            "secret",
            "says where the secret is, {{env: NAME}} or {{file: PATH}}; "
            "the secret itself never stands in this file",
        )
    return value


Text = Annotated[str, BeforeValidator(_text)]
Name = Annotated[str, BeforeValidator(_name), Field(min_length=1, max_length=150)]
Day = Annotated[str, BeforeValidator(_day)]
Reference = Annotated[dict[str, str], BeforeValidator(_reference)]
Source = Annotated[str, BeforeValidator(_name), Field(min_length=1, max_length=300)]
Constant = Annotated[str, BeforeValidator(_constant), Field(min_length=1, max_length=500)]
Switch = Annotated[bool, Field(strict=True)]
Rules = Annotated[Any, BeforeValidator(_rules)]


class Part(BaseModel):
    """A mapping of the file with fixed keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def given(self) -> dict[str, Any]:
        """What the file says, by key."""
        return {key: getattr(self, key) for key in type(self).model_fields if self.says(key)}

    def says(self, key: str) -> bool:
        """Say whether the file has this key."""
        return key in self.model_fields_set


class FieldPart(Part):
    """A people field or SaaS-user field; its key is made from the label."""

    label: Annotated[str, BeforeValidator(_name), Field(min_length=1, max_length=100)]
    type: Literal["text", "long_text", "integer", "decimal", "boolean", "date", "datetime"] = "text"
    unique: Switch = False
    visible_to_hr: Switch | None = None


class CredentialsPart(Part):
    """Credentials; `secrets` says where each secret is."""

    name: Name
    vendor: Text
    type: Literal["api_key", "basic", "oauth2"] = "api_key"
    settings: dict[str, Any] = {}
    secrets: dict[str, Reference] = {}
    stored: Literal["sealed", "reference"] = "sealed"
    tenant: Annotated[str, BeforeValidator(_text), Field(max_length=200)] | None = None
    base_url: Annotated[str, BeforeValidator(_text), Field(max_length=500)] | None = None
    expires_on: Day | None = None
    groups: list[Text] = []
    overrides: dict[str, Any] = {}


class MappingPart(Part):
    """One arrow: a source field, a path or a constant, to a people field."""

    source: Annotated[str, BeforeValidator(_text), Field(min_length=1, max_length=300)] | None = (
        None
    )
    constant: (
        Annotated[str, BeforeValidator(_constant), Field(min_length=1, max_length=500)] | None
    ) = None
    transform: Text | None = None
    target: Annotated[str, BeforeValidator(_text), Field(min_length=1, max_length=100)]
    sync_key: Annotated[int, Field(strict=True, ge=1, le=9)] | None = None
    policy: Literal["always", "when_filled", "on_create"] = "always"


class LimitsPart(Part):
    """What lowers the limits of removals for one integration; what is left out lowers nothing."""

    removals_percent: Annotated[int, Field(strict=True, ge=0, le=100)] | None = None
    removals_count: Annotated[int, Field(strict=True, ge=0, le=1_000_000)] | None = None


class IntegrationPart(Part):
    """One load of one vendor."""

    name: Name
    vendor: Text
    load: Text
    user_selection: Literal["user_plus_saas_user", "user_only"] = "user_plus_saas_user"
    application: Name | None = None
    installation: Literal["cloud", "local"] = "cloud"
    preference: Literal["create_and_update", "create_only", "update_only"] = "create_and_update"
    priority: Annotated[int, Field(strict=True, ge=1, le=1000)] = 50
    credentials: Name | None = None
    run_as: Text | None = None
    inputs: dict[str, Text] = {}
    filters: Rules = {}
    mappings: list[MappingPart] = []
    missing_users: Literal["deactivate", "leave"] = "deactivate"
    missing_people: Literal["deactivate", "leave"] = "leave"
    limits: LimitsPart | None = None
    protected: list[Text] = []
    notify: list[Text] = []
    schedule: dict[str, Any] = {}
    state: Literal["draft", "active", "paused"] = "draft"


class File(Part):
    """The whole file."""

    variables: dict[str, Annotated[str, BeforeValidator(_text), Field(max_length=1000)]] = {}
    people_fields: list[FieldPart] = []
    saas_user_fields: list[FieldPart] = []
    credentials: list[CredentialsPart] = []
    integrations: list[IntegrationPart] = []


# The parts by the key under which they stand, for saying which keys there are.
PARTS: dict[str, type[Part]] = {
    "": File,
    "people_fields": FieldPart,
    "saas_user_fields": FieldPart,
    "credentials": CredentialsPart,
    "integrations": IntegrationPart,
    "integrations.mappings": MappingPart,
    "integrations.limits": LimitsPart,
}
