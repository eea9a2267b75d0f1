"""What the form of one block stands on, read before it is made; the forms ask for nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.manifest_presets import Preset
from integrations.models import Credentials
from integrations.registry import Vendor
from people.queries import Target
from workflows.definition import BlockPart, Definition
from workflows.errors import Mistake
from workflows.facts import CredentialsFact, Facts
from workflows.kinds import BlockKind
from workflows.models import Workflow

_DATES = ("date", "datetime")


@dataclass(frozen=True)
class Place:
    """A block in its workflow, and what the person at it may do.

    `block` is as it was saved, or as a new one begins; `key` is the key in the definition, empty
    for a new one. `chosen` is the preset of the form, which may be another than the saved one.
    """

    workflow: Workflow
    definition: Definition
    block: BlockPart
    key: str
    kind: BlockKind
    facts: Facts
    writes: bool
    owns_requests: bool
    preset: Preset | None = None
    preset_id: str = ""
    vendor: Vendor | None = None
    credentials: Credentials | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    # Keys of fields that this user may not see (M-36).
    hidden: frozenset[str] = frozenset()

    def sees(self, name: str) -> bool:
        """Whether a field may be named to this user: `person.salary` is judged as `salary`."""
        return name.rpartition(".")[2] not in self.hidden

    def offers(self, name: str) -> bool:
        """Whether a field stands in lists to choose from."""
        return self.sees(name) and not is_twin(self.workflow, name)

    @property
    def is_new(self) -> bool:
        """Whether the block is not in the workflow yet."""
        return not self.key

    @property
    def settings(self) -> dict[str, Any]:
        """The saved settings."""
        return dict(self.block.settings)

    def part_of(self, name: str) -> dict[str, Any]:
        """One group of the settings; empty where a file put something else there."""
        return as_dict(self.block.settings.get(name))

    @property
    def others(self) -> tuple[BlockPart, ...]:
        """Every other block of the workflow."""
        return tuple(one for one in self.definition.blocks if one.key != self.key)

    def usable(self) -> Iterator[CredentialsFact]:
        """Credentials of the preset's vendor, or of all, that may be chosen; the saved ones too."""
        for one in self.facts.credentials.values():
            fits = self.preset is None or self.vendor is None or one.vendor == self.vendor.key
            if fits and (one.may_be_used or one.name == self.block.credentials):
                yield one

    @property
    def writable(self) -> list[tuple[str, str]]:
        """Fields that Update and Response may write, by label, with their types (M-24)."""
        named = sorted(self.facts.writable.values(), key=lambda one: one.label.casefold())
        shown = [one for one in named if self.sees(one.key)]
        return [(one.key, f"{one.label} ({type_in_words(one.type)})") for one in shown]

    @property
    def nameable(self) -> list[tuple[str, str]]:
        """What templates may name, with labels: fields of the record, then variables."""
        fields = sorted(filter(self.offers, {*self.facts.fields, *self.facts.vendor_keys}))
        labelled = [(key, label_of(key, self.facts.writable)) for key in fields]
        labelled.sort(key=lambda one: one[1].casefold())
        variables = sorted(self.facts.variables | self.facts.item_variables)
        named = [(f"variables.{key}", f"Variable {key}") for key in variables]
        failure = ("reason", "code", "status") if self.facts.after_failure else ()
        return [*labelled, *named, *((f"failure.{one}", f"Failure: {one}") for one in failure)]

    @property
    def dates(self) -> list[tuple[str, str]]:
        """Fields that hold a day or a moment."""
        saved = self.settings.get("until_field")
        keys = [
            key
            for key, type_ in self.facts.fields.items()
            if type_ in _DATES and (self.offers(key) or (key == saved and self.sees(key)))
        ]
        named = [(key, label_of(key, self.facts.writable)) for key in keys]
        return sorted(named, key=lambda one: one[1].casefold())


def is_twin(workflow: Workflow, key: str) -> bool:
    """A second name of a person's field: where the record is a person, `person.title` is `title`.

    It may be used, as in a workflow that was copied, but lists name each field once.
    """
    return workflow.object == Workflow.Object.PERSON and key.startswith("person.")


def label_of(key: str, targets: Mapping[str, Target]) -> str:
    """A field as people read it."""
    if key in targets:
        return targets[key].label
    words = key.replace(".", ": ").replace("_", " ")
    return words[:1].upper() + words[1:]


def type_in_words(type_: str) -> str:
    """The type of a field as people read it."""
    words = {"datetime": "date and time", "boolean": "yes or no", "integer": "whole number"}
    return words.get(type_, type_.replace("_", " "))


def as_dict(given: Any) -> dict[str, Any]:
    """What is an object; files may have put anything in its place."""
    return dict(given) if isinstance(given, Mapping) else {}


def as_list(given: Any) -> list[Any]:
    """What is a list; one value alone is a list of it."""
    if isinstance(given, list | tuple):
        return list(given)
    return [] if given in (None, "") else [given]
