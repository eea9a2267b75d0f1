"""The small parts of the vendor language; unknown keys are refused (docs/vendor-manifest.md)."""

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.functional_validators import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError

from integrations import templates
from integrations.errors import InputInvalid, TemplateError, did_you_mean
from integrations.paths import parse_path


class Strict(BaseModel):
    """A part of the language: cannot be changed once read, refuses keys that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _only_known_keys(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        known = {field.alias or name for name, field in cls.model_fields.items()}
        for key in given:
            if key not in known and key not in cls.model_fields:
                raise PydanticCustomError(
                    "unknown_key",
                    "unknown key.{suggestion}",
                    {"key": str(key), "suggestion": did_you_mean(str(key), known)},
                )
        return given


def _checked_path(text: str) -> str:
    try:
        parse_path(text)
    except TemplateError as problem:
        raise PydanticCustomError("path", "{why}", {"why": problem.message}) from None
    return text


def _checked_template(text: str) -> str:
    try:
        templates.parse(text)
    except TemplateError as problem:
        raise PydanticCustomError("template", "{why}", {"why": problem.message}) from None
    return text


def _checked_tree(tree: Any) -> Any:
    if isinstance(tree, str):
        _checked_template(tree)
    elif isinstance(tree, Mapping):
        for value in tree.values():
            _checked_tree(value)
    elif isinstance(tree, list):
        for value in tree:
            _checked_tree(value)
    return tree


def tree_placeholders(tree: Any) -> Iterator[templates.Placeholder]:
    """The placeholders of every text of a tree, in order. Raises TemplateError."""
    if isinstance(tree, str):
        yield from templates.parse(tree).placeholders
    elif isinstance(tree, Mapping):
        for value in tree.values():
            yield from tree_placeholders(value)
    elif isinstance(tree, list | tuple):
        for value in tree:
            yield from tree_placeholders(value)


def _as_tuple(given: Any) -> Any:
    return (given,) if isinstance(given, str | int) else given


Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Path = Annotated[str, AfterValidator(_checked_path)]
Paths = Annotated[tuple[Path, ...], BeforeValidator(_as_tuple)]
"""One path or several; the first that leads somewhere counts."""
TemplateText = Annotated[str, AfterValidator(_checked_template)]
Tree = Annotated[Any, AfterValidator(_checked_tree)]
FieldType = Literal["text", "integer", "boolean", "date", "datetime", "json"]
Synthetic = Literal["credentials", "input", "sync_time", "source"]


class Input(Strict):
    """Something the admin types once per integration, such as the account's name or key."""

    key: str = ""
    label: str
    help: str = ""
    pattern: str = r"[a-z0-9-]{1,63}"
    domains: tuple[str, ...] = ()
    reserved: tuple[str, ...] = ()
    variable: str | None = None
    required: bool = True

    def normalise(self, typed: str) -> str:
        """Turn what was typed or pasted, a full address too, into the bare value.

        `https://mycompany.aha.io/` gives `mycompany`. Raises InputInvalid with a sentence.
        """
        text = re.sub(r"^[a-z]+://", "", typed.strip().casefold())
        text = re.split(r"[/?#]", text, maxsplit=1)[0]
        for domain in self.domains:
            text = text.removesuffix(f".{domain}")
        if not text and not self.required:
            return ""
        if text in self.reserved or not re.fullmatch(self.pattern, text, re.ASCII):
            raise InputInvalid(self.key, f"{self.label}: this cannot be used. {self._advice}")
        return text

    @property
    def _advice(self) -> str:
        """What to type instead."""
        if not self.domains:
            return self.help
        return (
            "Type only the name of your account; of "
            f'https://mycompany.{self.domains[0]} that is "mycompany". '
            "It has 1 to 63 letters, digits and hyphens."
        )


class Tenant(Strict):
    """Where the account at the vendor is read (M-1).

    An input, or the test call's answer, or `word`: given once with the credentials, this by
    default, because the vendor never says it.
    """

    input: str | None = None
    answer: Paths = ()
    word: str | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if sum(map(bool, (self.input, self.answer, self.word))) != 1:
            raise PydanticCustomError("tenant", "give one of `input`, `answer` and `word`")
        return self


class Lint(Strict):
    """A warning, not a refusal, about a secret that looks unusual (AH-05)."""

    starts_with: str
    warning: str


class ApiKeyAuth(Strict):
    """How an API key is sent: as a header or URL parameter, or as the user name of Basic."""

    sent_as: Literal["token", "basic_user_name"] = "token"
    token_name: str = "Authorization"  # noqa: S105 - the name of a header
    add_to: tuple[Literal["header", "url"], ...] = ("header",)
    prefix: str = ""
    password: str = "x"  # noqa: S105 - what goes where no password is asked for
    lint: Lint | None = None
    help: str = ""


class BasicAuth(Strict):
    """User name and password."""

    help: str = ""


class OAuth2Auth(Strict):
    """OAuth 2.0; what is given here need not be typed, and settings of credentials replace it.

    `hosts` may be called with the client's secret besides the hosts of the API. `lifetime` is
    what an access token is good for where the answer does not say it (seconds); None: until the
    vendor refuses it. `refresh_lifetime` is how long a refresh token lasts without use (days).
    `pkce: false` leaves the proof key out of the consent, for a vendor that refuses it.
    """

    grant_types: Annotated[
        tuple[Literal["authorization_code", "client_credentials"], ...], Field(min_length=1)
    ] = ("authorization_code",)
    auth_url: TemplateText = ""
    token_url: TemplateText = ""
    refresh_url: TemplateText = ""
    hosts: tuple[str, ...] = ()
    scope: str = ""
    client_authentication: Literal["basic", "body"] = "basic"
    sent_as: Literal["form", "json"] = "form"
    add_to: tuple[Literal["header", "url"], ...] = ("header",)
    header_prefix: str = "Bearer"
    lifetime: int | None = Field(default=None, ge=1)
    refresh_lifetime: int | None = Field(default=None, ge=1)
    pkce: bool = True
    help: str = ""
    source: str = "ours"


class Auth(Strict):
    """The types of credentials that this vendor takes."""

    api_key: ApiKeyAuth | None = None
    basic: BasicAuth | None = None
    oauth2: OAuth2Auth | None = None

    @property
    def types(self) -> tuple[str, ...]:
        """The names of those types, the preferred first."""
        return tuple(name for name in type(self).model_fields if getattr(self, name))


class Rate(Strict):
    """Calls that one set of credentials may make; both limits hold at once."""

    per_second: float | None = Field(default=None, gt=0)
    per_minute: float | None = Field(default=None, gt=0)
    reset_header: str | None = None
    source: str


class Timeouts(Strict):
    """Seconds: to connect, between two pieces of the answer, for the whole call."""

    connect: float = Field(default=10, gt=0)
    read: float = Field(default=60, gt=0)
    total: float = Field(default=300, gt=0)


class Request(Strict):
    """One call that reads. `path` is joined to the base URL; texts may hold placeholders.

    `query` names a file of the folder `queries/` without its ending: a GraphQL document, sent by
    POST with `variables`. `text` of it is filled in when the folder is read.
    """

    method: Literal["GET", "POST"] = "GET"
    path: TemplateText
    params: Annotated[dict[str, Any], AfterValidator(_checked_tree)] = {}
    headers: dict[str, TemplateText] = {}
    body: Tree = Field(default=None, alias="json")
    query: Key | None = None
    variables: Annotated[dict[str, Any], AfterValidator(_checked_tree)] = {}
    safe_to_repeat: bool = False
    query_text: str = ""

    @model_validator(mode="after")
    def _query_is_posted(self) -> Self:
        if self.query and (self.method != "POST" or self.body is not None):
            raise PydanticCustomError("query", "a `query` goes with `method: POST`, without `json`")
        if self.variables and not self.query:
            raise PydanticCustomError("query", "`variables` belong to a `query`")
        return self

    @property
    def may_repeat(self) -> bool:
        """Say whether sending it twice changes nothing: reads, and POSTs that only list."""
        return self.method == "GET" or self.safe_to_repeat


class Names(Strict):
    """Where the test call's answer has to name the account of an input: `at`, or in a list."""

    input: str
    at: Paths = ()
    each: Path | None = None
    id: Path | None = None


class Warn(Strict):
    """A sentence to show when a value of the test call's answer is none of `unless`."""

    path: Path
    unless: tuple[Any, ...]
    text: str


class TestCall(Strict):
    """A harmless call that shows that credentials work."""

    request: Request
    answer: Literal["object", "list", "either"] = "object"
    names: Names | None = None
    warnings: tuple[Warn, ...] = ()


class Owner(Strict):
    """The call that names the record that owns the key; `none` = statuses that mean "no record"."""

    request: Request
    id: Paths
    none: tuple[int, ...] = ()


class Condition(Strict):
    """A header or a value of the body that has to equal, or contain, something.

    Text is compared without case. With none of the three it holds for every value but nothing,
    false, the empty text and the empty list. Of several paths the first that leads somewhere is
    looked at. `missing` is a path of which only the last step leads nowhere, or to nothing.
    `is_null` holds for null only.
    """

    header: str | None = None
    path: Paths = ()
    missing: Path | None = None
    equals: Any = None
    one_of: tuple[Any, ...] = ()
    contains: str | None = None
    is_null: bool = False


class ErrorRule(Strict):
    """What a status, or a status with a condition, means. The first rule that fits counts."""

    status: Annotated[tuple[Annotated[int, Field(ge=200, le=599)], ...], BeforeValidator(_as_tuple)]
    when: Condition | None = None
    then: Literal["retry", "fail", "ask"]
    code: str | None = None
    hint: str = ""
    # Where the body says how many seconds to wait, and what to wait where it does not.
    wait: Paths = ()
    wait_otherwise: Annotated[float, Field(gt=0)] | Literal["midnight_utc"] | None = None


class Inferred(Strict):
    """A fact that is not certain; `overrides` of credentials may correct it without a release."""

    path: str
    evidence: str

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The keys that lead to the fact."""
        return tuple(self.path.split("."))
