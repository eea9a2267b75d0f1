"""What every block's form has: key, name, where its exits lead; and which form a kind has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Layout
from django import forms
from django.utils.module_loading import import_string

from workflows.definition import BEGIN, END, BlockPart, Definition
from workflows.errors import Mistake
from workflows.forms.connecting import connected, free_places, last_place
from workflows.forms.fields import choice_field, text_field
from workflows.forms.layout import Section
from workflows.forms.place import Place

EXIT = "exit_"
"""Begins the name of the field that says where an exit leads."""
_ROW = re.compile(r"\.(?:all|any|positive|negative)\[(\d{1,4})\]")
_KEY = re.compile(r"[a-z][a-z0-9_]{0,59}")
_EXITS = {
    "success": "On success, go to",
    "failure": "On failure, go to",
    "yes": "If yes, go to",
    "no": "If no, go to",
    "approved": "When approved, go to",
    "rejected": "When rejected, go to",
    "expired": "When nobody decided in time, go to",
}
_FORMS = {
    "api": "workflows.forms.api.ApiForm",
    "saas_user_role": "workflows.forms.saas_user_role.SaaSUserRoleForm",
    "condition": "workflows.forms.small.ConditionForm",
    "update": "workflows.forms.small.UpdateForm",
    "notification": "workflows.forms.small.NotificationForm",
    "delay": "workflows.forms.waits.DelayForm",
    "approval": "workflows.forms.waits.ApprovalForm",
}


class BlockForm(forms.Form):
    """One block. Subclasses add `own_fields`, `sections` and `settings`.

    Saving takes what can be kept, mistakes and all: Validate judges. What it found stands on the
    fields. Makes no query.
    """

    use_required_attribute = False
    opens_advanced = False
    # Where in the settings a field's value stands: path -> name of the field.
    places: ClassVar[Mapping[str, str]] = {}

    def __init__(self, data: Mapping[str, Any] | None = None, *, place: Place) -> None:
        super().__init__(data, label_suffix="")
        self.place = place
        self.fields.update(self._first_fields())
        self.fields.update(self.own_fields())
        self.fields.update(self._exit_fields())
        self.unplaced: list[Mistake] = []
        for mistake in place.mistakes if data is None else ():
            self._place_mistake(mistake)
        if not place.writes:
            for field in self.fields.values():
                field.disabled = True

    # What subclasses say ------------------------------------------------------------------------

    def own_fields(self) -> dict[str, forms.Field]:
        """The fields of the kind, each with its saved value as `initial`."""
        return {}

    def sections(self) -> list[Any]:
        """How they stand on the page."""
        return []

    def settings(self) -> dict[str, Any]:
        """The settings that the cleaned form means."""
        return self.place.settings

    def field_of(self, path: str) -> str:
        """The field on which a mistake at this path is shown; empty for none."""
        fits = [start for start in self.places if path == start or path.startswith(f"{start}.")]
        fits += [start for start in self.places if path.startswith(f"{start}[")]
        return self.places[max(fits, key=len)] if fits else ""

    def row_of(self, path: str) -> int | None:
        """The row of a field with rows that a path is about; None for the field as a whole."""
        found = _ROW.search(path)
        return int(found[1]) if found else None

    def in_place(self, mistake: Mistake) -> Mistake:
        """A mistake as it is told at its field; of a field with parts, which part it is."""
        return mistake

    # What pages ask for --------------------------------------------------------------------------

    @property
    def helper(self) -> FormHelper:
        """How crispy forms draw it."""
        helper = FormHelper()
        helper.form_tag = False
        helper.template = "admin/workflows/block/form.html"
        helper.field_template = "admin/workflows/block/field.html"
        helper.render_unmentioned_fields = False
        first = ["name", "key", *(["after"] if "after" in self.fields else [])]
        exits = [name for name in self.fields if name.startswith(EXIT)]
        helper.layout = Layout(
            Section("Block", *first, anchor="block"),
            *self.sections(),
            Section(
                "Where it leads",
                *exits,
                anchor="exits",
                note="Each exit leads to another block, or to the end.",
            ),
        )
        return helper

    def part(self) -> BlockPart:
        """The block that a valid form means."""
        cleaned = self.cleaned_data
        return replace(
            self.place.block,
            key=cleaned["key"] if self.place.is_new else self.place.key,
            name=cleaned["name"].strip(),
            preset=self.place.preset_id,
            credentials=cleaned.get("credentials", ""),
            settings=self.settings(),
            exits=self._exits(),
        )

    def definition(self) -> Definition:
        """The whole definition with this block in it. For a valid form."""
        part = self.part()
        if not self.place.is_new:
            return self.place.definition.with_block(part, instead_of=self.place.key)
        return connected(self.place.definition, part, self.cleaned_data.get("after") or "")

    def trouble_in(self, names: Iterable[str]) -> int:
        """How many errors or mistakes these fields have."""
        return sum(
            len(self.errors.get(name, ())) or getattr(self.fields[name], "trouble", 0)
            for name in names
            if name in self.fields
        )

    # Fields of every block -----------------------------------------------------------------------

    def _first_fields(self) -> dict[str, forms.Field]:
        block, new = self.place.block, self.place.is_new
        key = text_field(
            "Key",
            max_length=60,
            initial=block.key,
            disabled=not new,
            required=new,
            help_text="What exits and the configuration file call it: small letters, digits and "
            "underscores. It stays as it is."
            if new
            else "What exits and the configuration file call it.",
        )
        name = text_field(
            "Name",
            max_length=150,
            initial=block.name,
            help_text="What people read in lists, runs and messages. Left empty, it is the key.",
        )
        fields: dict[str, forms.Field] = {"name": name, "key": key}
        if new:
            fields["after"] = choice_field(
                "Comes after",
                free_places(self.place.definition),
                initial=last_place(self.place.definition),
                help_text="The exit that leads here. What it led to before comes after this block.",
            )
        return fields

    def _exit_fields(self) -> dict[str, forms.Field]:
        others = [(one.key, one.label) for one in self.place.others]
        choices = [("", "Nowhere yet"), *others, (END, "The end")]
        saved = self.place.block.exits
        return {
            EXIT + name: choice_field(
                _EXITS.get(name, f"On {name.replace('_', ' ')}, go to"),
                choices,
                initial=str(saved.get(name, "")),
            )
            for name in self.place.kind.exits
        }

    def _exits(self) -> dict[str, str]:
        """Where each exit leads; one that leads nowhere is left out, which Validate reports."""
        given = {name: self.cleaned_data[EXIT + name] for name in self.place.kind.exits}
        return {name: key for name, key in given.items() if key}

    def refuse(self, mistakes: Iterable[Mistake]) -> None:
        """Show why a service would not save it, on the fields where it has them."""
        for one in mistakes:
            mine = one.block in ("", self.place.key or self.cleaned_data.get("key"))
            self.add_error(self._name_of(one.field) or None if mine else None, one.message)

    def _place_mistake(self, mistake: Mistake) -> None:
        """Put what Validate found on its field, else above the form."""
        name = self._name_of(mistake.field)
        if not name:
            self.unplaced.append(mistake)
            return
        field: Any = self.fields[name]
        field.trouble = getattr(field, "trouble", 0) + 1
        number = self.row_of(mistake.field) if hasattr(field.widget, "row_errors") else None
        if number is not None:
            field.widget.row_errors.setdefault(number, []).append(mistake.message)
        else:
            field.mistakes = [*getattr(field, "mistakes", []), self.in_place(mistake)]

    def _name_of(self, path: str) -> str:
        """The field for a path of the definition; empty for none."""
        name = EXIT + path.removeprefix("exits.") if path.startswith("exits.") else path
        if name not in self.fields:
            name = self.field_of(path)
        return name if name in self.fields else ""

    def clean_key(self) -> str:
        """A key that no other block has. A block that exists keeps its own."""
        key: str = self.cleaned_data["key"]
        if not self.place.is_new:
            return self.place.key
        if not _KEY.fullmatch(key):
            raise forms.ValidationError(
                "Begin with a small letter; then up to 59 small letters, digits and underscores."
            )
        if key in (BEGIN, END):
            raise forms.ValidationError(f'"{key}" is a word of its own. Use another key.')
        if self.place.definition.find(key):
            raise forms.ValidationError("Another block has this key. Give it one of its own.")
        return key


def make_form(place: Place, data: Mapping[str, Any] | None = None) -> BlockForm:
    """The form of the block's kind, filled with what was sent if anything was."""
    path = (place.kind.form or _FORMS.get(place.kind.key, "")).replace(":", ".")
    made: type[BlockForm] = import_string(path) if path else BlockForm
    return made(data, place=place)


def row_named(path: str, start: str, names: Sequence[str]) -> int | None:
    """Which of these names a path such as `settings.set.title` or `settings.set["x y"]` means."""
    rest = path.removeprefix(start).strip(".")
    for number, name in enumerate(names):
        if rest == name or rest.startswith((f"{name}.", f"{name}[", f'["{name[:60]}"]')):
            return number
    return None
