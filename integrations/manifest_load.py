"""The part of the vendor language that describes a load: request, paging, fields, status, roles."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from integrations.errors import UnknownTransform, did_you_mean
from integrations.manifest_parts import (
    FieldType,
    Key,
    Path,
    Paths,
    Request,
    Strict,
    Synthetic,
    TemplateText,
)
from integrations.transforms import get_transform


class Single(Strict):
    """One answer holds everything. `batch` is how many of its records make a page of ours."""

    kind: Literal["single"]
    batch: int = Field(default=1000, ge=1)


class PageNumber(Strict):
    """Pages by number; paths say where the answer gives the totals."""

    kind: Literal["page_number"]
    page: str
    size: str | None = None
    page_size: int = Field(ge=1)
    first_page: int = 1
    total: Path | None = None
    total_pages: Path | None = None
    sent_in: Literal["params", "json", "variables"] = "params"
    max_pages: int = Field(default=10_000, ge=1)


class Offset(Strict):
    """Pages by the number of records to leave out."""

    kind: Literal["offset"]
    offset: str
    limit: str
    page_size: int = Field(ge=1)
    total: Path | None = None
    sent_in: Literal["params", "json"] = "params"
    max_pages: int = Field(default=10_000, ge=1)


class Cursor(Strict):
    """Pages by a mark that each answer gives for the next; without one it was the last."""

    kind: Literal["cursor"]
    cursor: str
    next: Paths
    size: str | None = None
    page_size: int | None = Field(default=None, ge=1)
    more: Path | None = None
    total: Path | None = None
    sent_in: Literal["params", "json", "variables"] = "params"
    max_pages: int = Field(default=10_000, ge=1)


class NextUrl(Strict):
    """Pages by an address that each answer gives for the next; without one it was the last.

    It is followed only below the base URL. `more`, where it is given, has to agree with it. An
    answer that is a bare list is all there is.
    """

    kind: Literal["next_url"]
    next: Paths
    more: Path | None = None
    total: Path | None = None
    max_pages: int = Field(default=10_000, ge=1)


Paging = Annotated[Single | PageNumber | Offset | Cursor | NextUrl, Field(discriminator="kind")]


class Declared(Strict):
    """The answer lists the fields that it holds; `required` ones must be among them."""

    fields: Path
    id: Path
    required: tuple[str, ...] = ()


class SourceField(Strict):
    """A field that mappings can use. `source` names where the fact was read."""

    key: str = ""
    label: str
    type: FieldType = "text"
    path: Path | None = None
    reference: Literal["external_id", "employee_id", "email"] | None = None
    joined: bool = False
    synthetic: Synthetic | None = None
    input: str | None = None
    # Says yes where the value is one of these, no where it is another, nothing where it is blank.
    yes_if: tuple[Any, ...] = ()
    no_if: tuple[Any, ...] = ()
    # The vendor's value -> ours; others are kept.
    words: dict[str, str] = {}
    help: str = ""
    source: str

    @property
    def request_name(self) -> str | None:
        """The vendor's own name of the field, as a request that names its fields says it."""
        if self.path is None or self.joined:
            return None
        return self.path.split(".")[0].split("[")[0]


class Status(Strict):
    """Which values of a source field mean that the record is active, or left; without case.

    `others` says what a value that is neither does: an issue, or it leaves the status as it is.
    """

    field: str
    active: tuple[Any, ...]
    deactivated: tuple[Any, ...]
    others: Literal["issue", "leave"] = "issue"


class Account(Strict):
    """What fills the SaaS user: a source field each, or a template over source fields."""

    external_id: str
    email: TemplateText | None = None
    name: TemplateText | None = None
    last_activity: str | None = None


class RoleRows(Strict):
    """Role rows: one per item of the list `each`, or one where the flag `flag` is true.

    Items that are text or numbers, not objects, are the role (or its code) themselves. With
    `flag_is`, the flag holds where its value is one of these.
    """

    each: Path | None = None
    flag: Path | None = None
    flag_is: tuple[Any, ...] = ()
    role: Path | None = None
    role_is: str | None = None
    code: Path | None = None
    names: dict[int | str, str] = {}
    scope_id: Path | None = None
    scope: Path | None = None
    absent_means_none: bool = False

    @model_validator(mode="after")
    def _list_or_flag(self) -> Self:
        if bool(self.each) == bool(self.flag):
            raise PydanticCustomError("roles", "give either `each` or `flag`")
        if self.flag and not self.role_is:
            raise PydanticCustomError("roles", "a `flag` needs `role_is`")
        return self


class RoleRule(Strict):
    """Which roles a record means (M-29); the load and the role preset use the same rule."""

    rows: tuple[RoleRows, ...]
    otherwise: str
    primary: tuple[str, ...] = ()
    # Of these an application keeps at least one (M-15): the last is never removed.
    administrators: tuple[str, ...] = ()
    source: str


class Suggestion(Strict):
    """A mapping that Smart Mapping and the demo propose."""

    source: str | None = None
    constant: Any = None
    target: str
    transform: str | None = None
    sync_key: int | None = Field(default=None, ge=1)
    policy: Literal["always", "when_filled", "on_create"] = "always"

    @model_validator(mode="after")
    def _known(self) -> Self:
        if (self.source is None) == (self.constant is None):
            raise PydanticCustomError("suggestion", "give either `source` or `constant`")
        if self.transform:
            try:
                get_transform(self.transform)
            except UnknownTransform as problem:
                why = {"why": problem.message}
                raise PydanticCustomError("transform", "{why}", why) from None
        return self


class More(Strict):
    """What else belongs to a record: another call, whose value at `at` becomes the field `into`.

    With one of the statuses in `none` the vendor has nothing of the kind, and the field is absent.
    """

    request: Request
    at: Path
    into: str
    none: tuple[int, ...] = ()


class Lookup(Strict):
    """How records are asked for by id (M-11); `gone` are the statuses that say that one is gone.

    With `batch`, so many ids go into one call as `{{ ids }}`, that of a record which is there among
    them, and `records` is the list of those that there are; who is not in it is gone. Without, one
    id goes in as `{{ id }}`.
    """

    request: Request
    record: Paths = ()
    batch: int | None = Field(default=None, ge=2)
    records: Path | None = None
    id: Path
    gone: tuple[int, ...] = (404,)
    more: tuple[More, ...] = ()
    source: str

    @model_validator(mode="after")
    def _batch_has_records(self) -> Self:
        if bool(self.batch) != bool(self.records):
            raise PydanticCustomError("lookup", "`batch` and `records` go together")
        return self


class Deletions(Strict):
    """How the vendor lists what it deleted (M-11)."""

    request: Request
    ids: Path
    source: str


class Load(Strict):
    """One listing of a vendor, read into people and SaaS users."""

    key: str = ""
    label: str
    help: str = ""
    docs: str = ""
    request: Request
    paging: Paging
    records: Path | None = None
    declared: Declared | None = None
    id: Path
    # The name under which presets ask for the id of an account of this load, such as aha_user_id.
    record_key: Key | None = None
    fields: dict[Key, SourceField]
    blank: dict[FieldType | Literal["any"], tuple[Any, ...]] = {"any": ("",)}
    hook: str | None = None
    status: Status | None = None
    account: Account
    roles: RoleRule | None = None
    suggested: tuple[Suggestion, ...] = ()
    required_targets: tuple[str, ...] = ("username", "email")
    recommended_targets: tuple[str, ...] = ("role",)
    lookup: Lookup | None = None
    deletions: Deletions | None = None

    @property
    def requested(self) -> tuple[str, ...]:
        """The vendor's names of all fields that the request asks for, each once, in order."""
        names = (field.request_name for field in self.fields.values())
        return tuple(dict.fromkeys(name for name in names if name))

    @model_validator(mode="after")
    def _fields_exist(self) -> Self:
        named = {"account.external_id": self.account.external_id}
        if self.account.last_activity:
            named["account.last_activity"] = self.account.last_activity
        if self.status:
            named["status.field"] = self.status.field
        for number, suggestion in enumerate(self.suggested):
            if suggestion.source:
                named[f"suggested[{number}].source"] = suggestion.source
        for place, name in named.items():
            if name not in self.fields:
                raise PydanticCustomError(
                    "field",
                    'there is no field "{name}".{suggestion}',
                    {
                        "at": place,
                        "name": name,
                        "suggestion": did_you_mean(name, self.fields),
                    },
                )
        return self
