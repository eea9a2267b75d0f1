"""The form of a workflow: its name, how it begins, and where each block leads."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from django import forms

from integrations.forms.lines import LinesField
from integrations.forms.rules import RulesField
from integrations.forms.schedule import ScheduleField
from workflows.definition import ALSO, END, BeginPart, BlockPart, Definition
from workflows.errors import Mistake, NotNow
from workflows.facts import Facts
from workflows.forms.long_select import LongSelect
from workflows.forms.place import is_twin, label_of
from workflows.judging import fields_in
from workflows.kinds import find_kind
from workflows.models import Workflow

ACTION_WORDS = (
    ("new", "New: a record was added"),
    ("edit", "Edit: a record was changed"),
    ("archive", "Archive: a record was deactivated"),
    ("schedule", "Schedule: at the times below"),
    ("manual", "Manual: somebody starts it"),
)
_RECORD_WORDS = (("active", "Active"), ("deactivated", "Deactivated"), ("all", "All"))
_ALSO_WORDS = {
    "undo": "undoing a run",
    "restore": "restoring a backup",
    "import": "an import",
    "settling": "the first sync of an integration, or the one after its rules were changed",
}
_EXIT_WORDS = {
    "success": "On success, go to",
    "failure": "On failure, go to",
    "yes": "If the rules hold, go to",
    "no": "If they do not hold, go to",
    "approved": "When approved, go to",
    "rejected": "When rejected, go to",
    "expired": "When nobody answered in time, go to",
}


def exits_of(block: BlockPart) -> tuple[str, ...]:
    """The exits of a block's kind; of a kind that is not known, those that were saved."""
    kind = find_kind(block.kind)
    return kind.exits if kind is not None else tuple(block.exits)


def exit_field(block: BlockPart, name: str) -> str:
    """The name of the form's field for one exit."""
    return f"exit__{block.key}__{name}"


@dataclass(frozen=True)
class ExitRow:
    """One exit of a block on the page."""

    label: str
    field: forms.BoundField


class WorkflowForm(forms.Form):
    """Of one workflow and one saved version of it; `definition` is what was typed."""

    base = forms.IntegerField(widget=forms.HiddenInput)
    about = forms.CharField(required=False, widget=forms.HiddenInput)
    name = forms.CharField(
        max_length=150,
        error_messages={"required": "Give the workflow a name."},
        widget=forms.TextInput(attrs={"class": "rc-input", "autocomplete": "off"}),
    )
    description = LinesField(
        required=False,
        max_length=2_000,
        widget=forms.Textarea(attrs={"class": "rc-input", "rows": 2}),
        help_text="What it does, for whom, and who asked for it. It stands in the list.",
    )
    actions = forms.MultipleChoiceField(
        label="Actions",
        required=False,
        choices=ACTION_WORDS,
        widget=forms.CheckboxSelectMultiple(attrs={"class": "rc-tick"}),
    )
    schedule = ScheduleField(label="Schedule")
    records = forms.ChoiceField(
        choices=_RECORD_WORDS,
        widget=forms.Select(attrs={"class": "rc-select"}),
        help_text="Not asked of starts by Archive: there the record is deactivated by then.",
    )
    rules = RulesField(
        label="Rules",
        labels={},
        types={},
        help_text="Only records that pass are started. Without a rule, all do.",
    )
    also = forms.MultipleChoiceField(
        label="Also start by changes that come from",
        required=False,
        choices=[(name, _ALSO_WORDS[name]) for name in ALSO],
        widget=forms.CheckboxSelectMultiple(attrs={"class": "rc-tick"}),
        help_text="Usually such changes start nothing: they are many at once, and nobody new.",
    )
    next = forms.ChoiceField(
        label="First block", required=False, widget=LongSelect(attrs={"class": "rc-select"})
    )

    def __init__(
        self,
        *args: Any,
        workflow: Workflow,
        kept: Definition,
        base: int,
        facts: Facts,
        hidden: Collection[str],
        **named: Any,
    ) -> None:
        self.kept, self.hidden = kept, hidden
        named["initial"] = _initial(workflow, kept, base)
        super().__init__(*args, **named)
        seen = {key: type_ for key, type_ in facts.fields.items() if _is_offered(key, kept, hidden)}
        used = set(filter(None, fields_in(kept.begin.rules)))
        offered = [key for key in seen if key in used or not is_twin(workflow, key)]
        gone = {key: f"{key} (no longer there)" for key in used}
        self.fields["rules"] = RulesField(
            label="Rules",
            labels=gone | {key: label_of(key, facts.writable) for key in offered},
            types=seen,
            on_changes=facts.own_fields & set(seen),
            initial=kept.begin.rules,
            help_text=self.fields["rules"].help_text,
        )
        self._add_choices(kept)

    def _add_choices(self, kept: Definition) -> None:
        first: Any = self.fields["next"]
        first.choices = [("", "The first of the list"), *_leads_to(kept, (kept.begin.next,))]
        for block in kept.blocks:
            for name in exits_of(block):
                to = block.exits.get(name, "")
                choices = [("", "Nowhere yet"), *_leads_to(kept, (to,), without=block.key)]
                self.fields[exit_field(block, name)] = forms.ChoiceField(
                    label=f"{block.label}: {exit_in_words(name)}",
                    required=False,
                    choices=choices,
                    widget=LongSelect(attrs={"class": "rc-select"}),
                )

    def exit_rows(self, block: BlockPart) -> list[ExitRow]:
        """The exits of a block, for the table."""
        return [
            ExitRow(exit_in_words(name), self[exit_field(block, name)]) for name in exits_of(block)
        ]

    def definition(self) -> Definition:
        """What was typed, put over what is saved. Only of a valid form."""
        given = self.cleaned_data
        begin = BeginPart(
            actions=tuple(given["actions"]),
            schedule=given["schedule"],
            records=given["records"],
            rules=given["rules"],
            next=given["next"],
            also=tuple(given["also"]),
        )
        return Definition(begin, tuple(self._block(block) for block in self.kept.blocks))

    def _block(self, block: BlockPart) -> BlockPart:
        exits = {name: self.cleaned_data[exit_field(block, name)] for name in exits_of(block)}
        return replace(block, exits={name: to for name, to in exits.items() if to})

    def put(self, mistakes: Iterable[Mistake]) -> None:
        """Show what a service refused: at its field where the form has it, else above all."""
        for one in mistakes:
            field = one.field if not one.block and one.field in self.fields else None
            block = self.kept.find(one.block) if one.block else None
            told = f"{block.label}: {one.message}" if block is not None else one.message
            self.add_error(field, told)


def _is_offered(key: str, kept: Definition, hidden: Collection[str]) -> bool:
    """A field that the user may not see is there only where a rule names it already (M-36)."""
    return key.rpartition(".")[2] not in hidden or key in fields_in(kept.begin.rules)


def about_of(workflow: Workflow) -> str:
    """A mark of name and description, which belong to no version, to see that they were changed."""
    return sha256(f"{workflow.name}\n{workflow.description}".encode()).hexdigest()


def check_about(workflow: Workflow, begun_with: str) -> None:
    """Raise NotNow when name or description are not those that the editor began with."""
    if begun_with not in ("", about_of(workflow)):
        raise NotNow(
            "Somebody changed the name or the description of this workflow while you worked on it. "
            "Nothing of yours was saved: keep what you typed, load the page again, and make your "
            "change there."
        )


def exit_in_words(name: str) -> str:
    """What is said before where an exit leads."""
    return _EXIT_WORDS.get(name, f"On {name}, go to")


def _initial(workflow: Workflow, kept: Definition, base: int) -> dict[str, Any]:
    begin = kept.begin
    exits = {
        exit_field(block, name): block.exits.get(name, "")
        for block in kept.blocks
        for name in exits_of(block)
    }
    return {
        "base": base,
        "about": about_of(workflow),
        "name": workflow.name,
        "description": workflow.description,
        "actions": list(begin.actions),
        "schedule": begin.schedule,
        "records": begin.records,
        "rules": begin.rules,
        "also": list(begin.also),
        "next": begin.next,
        **exits,
    }


def _leads_to(
    kept: Definition, saved: Iterable[str], *, without: str = ""
) -> Iterator[tuple[str, str]]:
    """Every other block, the end, and what was saved although there is no such block."""
    known: Mapping[str, str] = {block.key: block.label for block in kept.blocks}
    offered = {key: label for key, label in known.items() if key != without}
    for key in saved:
        if key and key != END and key not in offered:
            offered[key] = f"{known[key]} (itself)" if key in known else f"{key} (does not exist)"
    yield from offered.items()
    yield END, "End"
