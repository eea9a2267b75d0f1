"""Mappings as rows of the integration's page: what is read, what becomes of it, where it goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from unfold.forms import PaginationInlineFormSet
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from integrations.errors import TemplateError, did_you_mean
from integrations.models import FieldMapping, Integration
from integrations.paths import parse_path
from integrations.registry import get_vendor
from integrations.transforms import TRANSFORMS
from people.models import PersonRole
from people.queries import Target

CONSTANT = "=constant"
PATH = "=path"
_SYNC_KEYS = 9


class Choices:
    """What the rows of one page choose among, asked for once. One query."""

    def __init__(self, integration: Integration, targets: Mapping[str, Target]) -> None:
        self.load = get_vendor(integration.vendor).load(integration.load)
        self.targets = targets
        self.roles = frozenset(PersonRole.objects.values_list("name", flat=True))
        self.state = integration.state

    @property
    def sources(self) -> Sequence[tuple[str, str]]:
        """The vendor's fields by their labels, then what is not one of them."""
        fields = sorted(self.load.fields.values(), key=lambda field: field.label.casefold())
        return [
            ("", "Choose"),
            *((field.key, field.label) for field in fields),
            (CONSTANT, "A fixed value"),
            (PATH, "Another field, by its path"),
        ]

    @property
    def target_choices(self) -> Sequence[tuple[str, str]]:
        """Targets by label; a star marks those that everybody must have."""
        needed = set(self.load.required_targets)
        return [
            ("", "Choose"),
            *(
                (key, f"{target.label} *" if key in needed else target.label)
                for key, target in sorted(
                    self.targets.items(), key=lambda item: item[1].label.casefold()
                )
            ),
        ]


class MappingForm(forms.ModelForm):  # type: ignore[type-arg]
    """One row; made with its choices by `mapping_form`."""

    choices: Choices

    source_choice = forms.ChoiceField(label="Source", widget=UnfoldAdminSelectWidget())
    detail = forms.CharField(
        label="Fixed value or path",
        required=False,
        max_length=300,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )
    transform = forms.ChoiceField(required=False, widget=UnfoldAdminSelectWidget())
    target = forms.ChoiceField(label="Target field", widget=UnfoldAdminSelectWidget())
    sync_key = forms.TypedChoiceField(
        label="Sync key",
        required=False,
        coerce=int,
        empty_value=None,
        choices=[("", "No"), *((str(n), str(n)) for n in range(1, _SYNC_KEYS + 1))],
        widget=UnfoldAdminSelectWidget(),
    )

    class Meta:
        model = FieldMapping
        fields = ("transform", "target", "sync_key", "policy")
        widgets = {"policy": UnfoldAdminSelectWidget()}

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        row = self.instance
        self.fields["source_choice"].choices = self.choices.sources  # type: ignore[attr-defined]
        self.fields["transform"].choices = _kept(  # type: ignore[attr-defined]
            [("", "As it is"), *((t.name, t.label) for t in TRANSFORMS.values())], row.transform
        )
        self.fields["target"].choices = _kept(  # type: ignore[attr-defined]
            self.choices.target_choices, row.target
        )
        if row.pk is None:
            return
        if row.constant is not None:
            self.initial.update(source_choice=CONSTANT, detail=row.constant)
        elif row.source in self.choices.load.fields:
            self.initial.update(source_choice=row.source, detail="")
        else:
            self.initial.update(source_choice=PATH, detail=row.source)

    def clean(self) -> dict[str, Any]:
        """Write source or constant to the row; say on which field a mistake is."""
        cleaned: dict[str, Any] = super().clean() or {}
        chosen, detail = cleaned.get("source_choice"), (cleaned.get("detail") or "").strip()
        self.instance.source, self.instance.constant = "", None
        if chosen == CONSTANT:
            self._clean_constant(detail, cleaned.get("target"))
        elif chosen == PATH:
            self._clean_path(detail)
        elif chosen:
            self.instance.source = chosen
            if detail:
                self.add_error(
                    "detail", 'Leave this empty, or choose "A fixed value" or a path as the source.'
                )
        self._clean_target(cleaned)
        return cleaned

    def _clean_constant(self, detail: str, target: str | None) -> None:
        self.instance.constant = detail
        if not detail:
            self.add_error("detail", "Type the value that everybody gets.")
        elif target == "role" and detail not in self.choices.roles:
            hint = did_you_mean(detail, self.choices.roles)
            known = ", ".join(sorted(self.choices.roles)) or "none yet"
            self.add_error(
                "detail",
                f'There is no people role "{detail}".{hint} Known: {known}. '
                "Roles are added under People roles.",
            )

    def _clean_path(self, detail: str) -> None:
        self.instance.source = detail
        if not detail:
            self.add_error("detail", "Type the path of the field, such as profile.cost_center.")
            return
        try:
            parse_path(detail)
        except TemplateError as problem:
            self.add_error("detail", f"This path cannot be read: {problem.message}.")

    def _clean_target(self, cleaned: Mapping[str, Any]) -> None:
        key = cleaned.get("target")
        if not key:
            return
        target = self.choices.targets.get(key)
        if target is None:
            self.add_error("target", f'The people field "{key}" no longer exists; choose another.')
        elif cleaned.get("sync_key") is not None and not target.may_be_sync_key:
            self.add_error(
                "sync_key",
                f"{target.label} cannot be a sync key: several people may share a value. Use the "
                "e-mail, the username, the employee ID or a unique field.",
            )


class MappingFormSet(PaginationInlineFormSet):  # type: ignore[misc]
    """The rows together: nothing twice; a launched integration keeps what it needs."""

    def clean(self) -> None:
        """Put what is double on the later row; refuse to break an integration that runs."""
        kept = [
            form
            for form in self.forms
            if form.is_valid()
            and not self._should_delete_form(form)
            and form.cleaned_data
            and form.cleaned_data.get("target")
        ]
        for field, what in (("target", "This target"), ("sync_key", "This sync key number")):
            seen: set[Any] = set()
            for form in kept:
                value = form.cleaned_data.get(field)
                if value in seen and value not in (None, ""):
                    form.add_error(field, f"{what} is in an earlier row already.")
                seen.add(value)
        if self.instance.state != Integration.State.DRAFT and not any(self.errors):
            self._must_stay_whole(kept)

    def _must_stay_whole(self, kept: Sequence[Any]) -> None:
        choices: Choices = self.form.choices
        targets = {form.cleaned_data["target"] for form in kept}
        missing = [
            choices.targets[key].label
            for key in choices.load.required_targets
            if key not in targets
        ]
        problems = []
        if missing:
            problems.append(f"A launched integration needs a mapping to {' and '.join(missing)}.")
        if not any(form.cleaned_data.get("sync_key") for form in kept):
            problems.append("A launched integration needs a sync key, for example the e-mail.")
        if problems:
            raise forms.ValidationError(problems)

    def validate_unique(self) -> None:
        """Done by `clean`, which says it on the row."""


def mapping_form(choices: Choices) -> type[MappingForm]:
    """The row's form with its choices. No query."""
    return type("IntegrationMappingForm", (MappingForm,), {"choices": choices})


def _kept(choices: Sequence[tuple[str, str]], value: str) -> Sequence[tuple[str, str]]:
    """Keep a stored value that is no choice any more, so that saving does not change it unasked."""
    if not value or any(key == value for key, _label in choices):
        return choices
    return [*choices, (value, f"{value} (no longer there)")]
