"""A whole `presets.yaml`: the named calls of a vendor (docs/vendor-manifest.md, Presets).

Templates of a preset name fields of the record (`email`, `aha_user_id`), `inputs.<name>`,
`looked_up.<name>`, `account.<input of the vendor>`, `variables.<key>`, and in a batch `items`.
Paths into an answer begin with `response`.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from integrations.errors import did_you_mean
from integrations.manifest_parts import (
    Condition,
    Inferred,
    Key,
    Path,
    Paths,
    Request,
    Strict,
    TemplateText,
    Tree,
    tree_placeholders,
)

# The first names that a preset's templates may use besides fields of the record.
OUR_NAMES = frozenset({"inputs", "looked_up", "account", "variables", "items"})
RecordKind = Literal["person", "saas_user"]


class PresetInput(Strict):
    """What is asked for in Configure. Unset is not sent; `choices` and `list` take several.

    `switch` has three positions: leave unchanged (unset), true, false.
    """

    key: str = ""
    label: str
    type: Literal["text", "long_text", "choice", "choices", "list", "switch", "timezone"] = "text"
    min_length: int = Field(default=0, ge=0)
    max_length: int = Field(default=1000, ge=1)
    choices: tuple[str, ...] = ()
    # Items of a list are sent as JSON numbers where the vendor wants that; they stay text here.
    items: Literal["text", "integer"] = "text"
    required: bool = False
    default: TemplateText | None = None
    # For a switch: which value is worth a warning, and what of an account it would end (AH-42).
    warns: bool | None = None
    ends: Literal["active", "administrator"] | None = None
    help: str = ""

    @model_validator(mode="after")
    def _choices_belong_to_choices(self) -> Self:
        if bool(self.choices) != self.type.startswith("choice"):
            raise PydanticCustomError("input", "`choices` go with type choice or choices")
        return self


class PresetRequest(Request):
    """The call of a preset; unlike those of loads and look-ups it may change something."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"  # type: ignore[assignment]


class LookedUp(Strict):
    """A value that a read gives before the call, from exactly one match (M-28).

    `records` leads to a list or one object in the answer; with `match`, only those count whose
    value at `match` equals `equals` (text without case). Statuses in `gone` mean: no match. With
    `paged_as`, the pages of the answer are followed as this load does. `values` are paths in the
    record that matched; those that begin with `response` are paths in the whole answer.
    """

    label: str
    request: Request
    paged_as: Key | None = None
    records: Path | None = None
    match: Path | None = None
    equals: TemplateText | None = None
    gone: tuple[int, ...] = (404,)
    values: dict[Key, Path]
    none: str
    many: str = ""

    @model_validator(mode="after")
    def _match_is_whole(self) -> Self:
        if bool(self.match) != bool(self.equals):
            raise PydanticCustomError("looked_up", "`match` and `equals` go together")
        return self


class Idempotency(Strict):
    """The header under which the vendor knows a repeated request, for so many seconds."""

    header: str
    seconds: int = Field(ge=1)


class LookUp(Strict):
    """How to see whether an effect is there (M-27).

    `records`, `match`, `equals`, `gone` and `paged_as` are those of `looked_up`. The effect is
    there when a record is found, or with `effect_is: absent` when none is. `values` are kept from
    what is found.
    """

    request: Request
    paged_as: Key | None = None
    records: Path | None = None
    match: Path | None = None
    equals: TemplateText | None = None
    gone: tuple[int, ...] = (404,)
    effect_is: Literal["present", "absent"] = "present"
    values: dict[Key, Path] = {}
    # Look before the first send, too: what is there already is reported, not made again.
    first: bool = False


class Change(Strict):
    """What a call changes at the vendor, and what may be done when nobody knows if it did.

    `target` is whose (one call at a time per target), `effect` what it brings about (one open at a
    time). `repeat: safe` sets values or takes away, so sending it twice changes nothing more;
    `never` is for creates, invitations and welcome mails.
    """

    target: TemplateText
    effect: TemplateText
    repeat: Literal["safe", "never"]
    # For what must not be repeated: the vendor refuses a second one.
    duplicates: Literal["refused", "accepted"] = "accepted"
    idempotency: Idempotency | None = None
    look_up: LookUp | None = None
    # Statuses that mean: it was gone before. Counted as done after the control record was found.
    gone: tuple[int, ...] = ()
    # Takes an account or licence away: counts towards the guard, spares protected people (M-15).
    takes_access: bool = False
    destructive: bool = False
    inverse: str | None = None


class Meaning(Strict):
    """An answer that means something of its own: this status, and the condition if there is one.

    `why` leads to the vendor's words. `exists`: there was one already (BW-27, GT-23j).
    """

    status: int | None = Field(default=None, ge=200, le=599)
    when: Condition | None = None
    means: Literal["refused", "exists"] = "refused"
    why: Path | None = None
    hint: str = ""


class Batch(Strict):
    """Several records in one call: `item` of each goes into `items`, at most `most` at once.

    `done` and `failed` are lists in the answer with the item under `id`; `why` says what failed.
    """

    item: TemplateText
    most: int = Field(ge=1)
    done: Path
    failed: Path | None = None
    id: Path = "id"
    failed_id: Path = "user_id"
    why: Path = "message"


class PresetAnswer(Strict):
    """What a good answer holds. `values` are offered as mappings, by the name of the target.

    With `only_flags`, of a listing only records count of which one of these is true (BW-29).
    """

    values: dict[Key, Paths] = {}
    meanings: tuple[Meaning, ...] = ()
    may_be_empty: bool = False
    is_list: bool = False
    records: Path | None = None
    only_flags: tuple[Path, ...] = ()


class Preset(Strict):
    """One named call. Exactly one of `change`, `reads` and `roles` says what kind it is."""

    key: str = ""
    label: str
    help: str = ""
    docs: str
    # What the credentials need, such as "super admin"; repeated when the vendor answers 403.
    needs: str = ""
    records: tuple[RecordKind, ...] = ("person", "saas_user")
    inputs: dict[Key, PresetInput] = {}
    looked_up: dict[Key, LookedUp] = {}
    request: PresetRequest | None = None
    change: Change | None = None
    reads: bool = False
    # The load whose role rule and look-up the preset uses (M-29).
    roles: Key | None = None
    # What a roles preset takes for "no longer active" where a workflow deactivates accounts by it:
    # the vendor's status, or that the vendor does not know the account any more.
    deactivates: Literal["status", "not_found"] = "status"
    # Follow the pages of the answer as this load does.
    paged_as: Key | None = None
    answer: PresetAnswer = PresetAnswer()
    batch: Batch | None = None
    # Field of the record -> what to do when it is empty (BW-36, AH-39).
    if_empty: dict[str, str] = {}
    # Steps that a person may take for a hint, such as which preset gives a licence key (GT-18).
    tip: str = ""

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        if sum(map(bool, (self.change, self.reads, self.roles))) != 1:
            raise PydanticCustomError("preset", "give one of `change`, `reads: true` and `roles`")
        if bool(self.request) == bool(self.roles):
            raise PydanticCustomError("preset", "needs a `request`, a roles preset none")
        return self

    @property
    def named(self) -> frozenset[str]:
        """The fields of the record that its templates name."""
        found = {
            str(placeholder.steps[0])
            for tree in self._trees()
            for placeholder in tree_placeholders(tree)
        }
        return frozenset(found - OUR_NAMES)

    @property
    def loads(self) -> frozenset[str]:
        """The loads of the vendor that it names: for roles, and for how pages are followed."""
        look_up = self.change.look_up if self.change else None
        paged = [self, look_up, *self.looked_up.values()]
        named = {self.roles, *(one.paged_as for one in paged if one is not None)}
        return frozenset(load for load in named if load is not None)

    def mistakes(self, known: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """What does not hold together, as (place, why)."""
        for tree in self._trees():
            for placeholder in tree_placeholders(tree):
                group, *rest = (str(step) for step in placeholder.steps)
                groups: Mapping[str, Mapping[str, Any]] = {
                    "inputs": self.inputs,
                    "looked_up": self.looked_up,
                }
                names = groups.get(group)
                if names is not None and (not rest or rest[0] not in names):
                    word = rest[0] if rest else ""
                    yield "request", f'there is no {group} "{word}".{did_you_mean(word, names)}'
        inverse = self.change.inverse if self.change else None
        if inverse and inverse not in known:
            yield "change.inverse", f'there is no preset "{inverse}".{did_you_mean(inverse, known)}'

    def _trees(self) -> Iterator[Tree]:
        requests: list[Request | None] = [
            self.request,
            *(one.request for one in self.looked_up.values()),
        ]
        if self.change:
            yield from (self.change.target, self.change.effect)
            if self.change.look_up:
                requests.append(self.change.look_up.request)
                yield self.change.look_up.equals
        yield from (one.equals for one in self.looked_up.values())
        yield from (one.default for one in self.inputs.values())
        if self.batch:
            yield self.batch.item
        for request in requests:
            if request is not None:
                yield [request.path, request.params, request.headers, request.body]
                yield request.variables


class Presets(Strict):
    """What `presets.yaml` of a vendor folder says."""

    presets: Annotated[dict[Key, Preset], Field(min_length=1)]
    inferred: tuple[Inferred, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _with_keys(cls, given: Any) -> Any:
        if not isinstance(given, Mapping) or not isinstance(given.get("presets"), Mapping):
            return given
        keyed = {
            key: {**part, "key": str(key)} if isinstance(part, Mapping) else part
            for key, part in given["presets"].items()
        }
        for part in keyed.values():
            if isinstance(part, dict) and isinstance(part.get("inputs"), Mapping):
                part["inputs"] = {
                    key: {**one, "key": str(key)} if isinstance(one, Mapping) else one
                    for key, one in part["inputs"].items()
                }
        return {**given, "presets": keyed}

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        for key, preset in self.presets.items():
            for at, why in preset.mistakes(self.presets):
                raise PydanticCustomError(
                    "reference", "{why}", {"at": f"presets.{key}.{at}", "why": why}
                )
        return self
