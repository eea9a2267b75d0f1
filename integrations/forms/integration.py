"""The form of an integration, with the inputs and rules of its vendor's manifest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.widgets import UnfoldAdminTextInputWidget

from integrations import services
from integrations.errors import IntegrationsError
from integrations.forms.lists import EmailListField, TextListField
from integrations.forms.rules import RulesField
from integrations.forms.schedule import ScheduleField
from integrations.holding import installation_mistake
from integrations.manifest_parts import Input
from integrations.models import Installation, Integration
from integrations.own_limits import limits_that_raise
from integrations.registry import get_vendor
from integrations.timetable import assign_schedule
from saas.models import Application

INPUT = "input_"
_LONGEST_INPUT = 300


class IntegrationForm(forms.ModelForm):  # type: ignore[type-arg]
    """Made for one integration by `integration_form`; `kept_from` tells what was normalised."""

    known_variables: Mapping[str, str]

    class Meta:
        model = Integration
        fields = (
            "name",
            "user_selection",
            "application",
            "installation",
            "credentials",
            "run_as",
            "preference",
            "priority",
            "missing_users",
            "missing_people",
            "filters",
            "schedule",
            "removals_percent",
            "removals_count",
            "protected",
            "notify",
        )

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.kept_from: dict[str, str] = {}
        self._narrow_choices()
        for name, field in self._inputs().items():
            self._fill_input(name, field)

    def _inputs(self) -> dict[str, Input]:
        """The manifest's inputs that are on this form."""
        inputs = get_vendor(self.instance.vendor).inputs
        return {name: field for name, field in inputs.items() if INPUT + name in self.fields}

    def _narrow_choices(self) -> None:
        vendor = self.instance.vendor
        if "run_as" in self.fields:
            self.fields["run_as"].required = True
            users = self.fields["run_as"].queryset  # type: ignore[attr-defined]
            self.fields["run_as"].queryset = users.filter(is_active=True)  # type: ignore[attr-defined]
        if "installation" in self.fields:
            kinds = Integration.Installation
            choices = [(kinds.CLOUD.value, "Cloud"), (kinds.LOCAL.value, "Local")]
            self.fields["installation"].choices = choices  # type: ignore[attr-defined]
            self.fields["installation"].help_text = (
                "Cloud runs here, by its schedule or Run now. Local is run by a command or cron on "
                "the machine that has its secret; it needs credentials that are kept outside."
            )
        if "credentials" in self.fields:
            field = self.fields["credentials"]
            field.queryset = field.queryset.filter(vendor=vendor)  # type: ignore[attr-defined]
            field.help_text = _credentials_help(self.instance)
        if "application" in self.fields:
            field = self.fields["application"]
            field.queryset = Application.objects.filter(vendor=vendor)  # type: ignore[attr-defined]
            field.required = True
            field.help_text = "There are several applications of this vendor; choose one."

    def _fill_input(self, name: str, field: Input) -> None:
        """Show the value that is in force (AH-11), and where it comes from."""
        stored = self.instance.inputs.get(name) or ""
        variable = field.variable or ""
        shared = self.known_variables.get(variable, "")
        follows = not stored or stored == f"{{{{ variables.{variable} }}}}"
        self.initial[INPUT + name] = shared if follows else stored
        if variable and follows and shared:
            where = (
                f"Now from the global variable {variable}; type another value to use it here only."
            )
        elif variable and not follows:
            where = f"Set here only; the global variable {variable} is " + (
                f'"{shared}".' if shared else "not set."
            )
        elif variable:
            where = f"Not set yet. It can also be set for all by the global variable {variable}."
        else:
            where = ""
        self.fields[INPUT + name].help_text = format_html("{} {}", field.help, where)

    def clean(self) -> dict[str, Any]:
        """Normalise the inputs; a launched integration stays with its account (M-1)."""
        cleaned: dict[str, Any] = super().clean() or {}
        inputs = dict(self.instance.inputs)
        for name, field in self._inputs().items():
            self._clean_input(name, field, str(cleaned.get(INPUT + name) or "").strip(), inputs)
        if self._inputs() and not self.errors:
            self._same_account(inputs)
        cleaned["inputs"] = inputs
        self.instance.inputs = inputs
        self._clean_installation(cleaned)
        self._clean_schedule(cleaned)
        self._clean_limits(cleaned)
        return cleaned

    def _clean_installation(self, cleaned: dict[str, Any]) -> None:
        """Local and Cloud each need another kind of credentials (M-35, MO-10)."""
        credentials, chosen = cleaned.get("credentials"), cleaned.get("installation")
        if credentials is None or not chosen:
            return
        mistake = installation_mistake(
            chosen, type_=credentials.type, stored=credentials.stored, name=credentials.name
        )
        if mistake:
            self.add_error("installation", mistake)

    def _clean_schedule(self, cleaned: dict[str, Any]) -> None:
        """Slots before an edit are not caught up (M-32)."""
        field = self.fields.get("schedule")
        if field is None or "schedule" not in cleaned:
            return
        if field.widget.value_omitted_from_data(self.data, self.files, self.add_prefix("schedule")):
            cleaned["schedule"] = self.instance.schedule
        assign_schedule(self.instance, cleaned["schedule"], now=timezone.now())

    def _clean_limits(self, cleaned: dict[str, Any]) -> None:
        """Own limits may only lower those above (M-15)."""
        if not {"removals_percent", "removals_count"} & set(self.changed_data):
            return
        accounts = cleaned.get("user_selection") == Integration.UserSelection.USER_PLUS_SAAS_USER
        removes = cleaned.get("missing_people") == Integration.Missing.DEACTIVATE
        chosen = cleaned.get("application") or self.instance.application
        for one in limits_that_raise(
            percent=cleaned.get("removals_percent"),
            count=cleaned.get("removals_count"),
            application=chosen if accounts else None,
            installation=Installation.the() if removes or not accounts else None,
        ):
            self.add_error(one.field, f"It {one.message}.")

    def _clean_input(self, name: str, field: Input, typed: str, inputs: dict[str, str]) -> None:
        shared = self.known_variables.get(field.variable or "", "")
        if typed and typed == self.instance.inputs.get(name):
            return
        if not typed or typed == shared:
            inputs.pop(name, None)  # it follows the variable (AH-12)
            return
        if "{{" in typed:
            inputs[name] = typed
            try:
                services.effective_inputs(self.instance.vendor, inputs)
            except IntegrationsError as problem:
                self.add_error(INPUT + name, problem.message)
            return
        try:
            value = field.normalise(typed)
        except IntegrationsError as problem:
            self.add_error(INPUT + name, problem.message)
            return
        if value != typed:
            self.kept_from[typed] = value
        if value == shared:
            inputs.pop(name, None)
        else:
            inputs[name] = value

    def _same_account(self, inputs: dict[str, str]) -> None:
        integration = self.instance
        if integration.tenant is None:
            return
        try:
            effective = services.effective_inputs(integration.vendor, inputs)
        except IntegrationsError:
            return  # the field says so, or the check list does
        tenant = services.tenant_by_inputs(integration, effective)
        name = get_vendor(integration.vendor).manifest.tenant.input
        if tenant is not None and tenant != integration.tenant and name:
            self.add_error(
                INPUT + name,
                f'This integration was launched for the account "{integration.tenant}" and its '
                "records belong to it. Make another integration for another account.",
            )


def integration_form(
    integration: Integration, *, known_variables: Mapping[str, str]
) -> type[IntegrationForm]:
    """Make the form for one integration. No query."""
    vendor = get_vendor(integration.vendor)
    load = vendor.load(integration.load)
    fields: dict[str, Any] = {
        "known_variables": known_variables,
        "filters": RulesField(
            label="Rules for syncing",
            labels={key: field.label for key, field in load.fields.items() if not field.synthetic},
            types={key: field.type for key, field in load.fields.items()},
            initial=integration.filters,
            help_text="Only records that pass are created or written. Without a rule all pass.",
        ),
    }
    fields |= {
        "schedule": ScheduleField(label="Schedule"),
        "protected": TextListField(
            label="Protected",
            help_text="One per line: e-mails or ids of people and accounts never to be removed.",
        ),
        "notify": EmailListField(
            label="Told by mail",
            help_text="One address per line: who is told of failed and held runs.",
        ),
    }
    for name, field in vendor.inputs.items():
        fields[INPUT + name] = forms.CharField(
            label=field.label,
            required=False,
            max_length=_LONGEST_INPUT,
            widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        )
    return type("VendorIntegrationForm", (IntegrationForm,), fields)


def _credentials_help(integration: Integration) -> str:
    add = reverse("admin:integrations_credentials_add")
    vendor = get_vendor(integration.vendor)
    kind = vendor.manifest.auth.types[0]
    text = format_html(
        'Credentials of {}. <a class="rc-link" href="{}?vendor={}&amp;type={}">Add new</a>',
        vendor.label,
        add,
        integration.vendor,
        kind,
    )
    if integration.credentials_id:
        edit = reverse("admin:integrations_credentials_change", args=(integration.credentials_id,))
        text = format_html('{} · <a class="rc-link" href="{}">Edit the chosen</a>', text, edit)
    return text
