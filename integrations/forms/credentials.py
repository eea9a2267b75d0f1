"""The form of credentials: secrets go in and never come out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.http import QueryDict
from django.utils.html import format_html
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from integrations.auth import lint_secret
from integrations.egress import check_url, listed_origin
from integrations.errors import SecretsUnreadable, VendorError
from integrations.forms.kept import PLACE, kept_fields, read_place, shown_place
from integrations.forms.oauth import oauth_fields, own_settings
from integrations.holding import OPTIONAL, installation_mistake
from integrations.models import Credentials
from integrations.oauth.grant import mistakes_in
from integrations.registry import Vendor
from integrations.secrets import open_sealed
from integrations.show import moment

_SECRETS: dict[str, dict[str, str]] = {
    Credentials.Type.API_KEY: {"value": "Value"},
    Credentials.Type.BASIC: {"username": "Username", "password": "Password"},
    Credentials.Type.OAUTH2: {
        "client_id": "Client ID",
        "client_secret": "Client secret",
        "refresh_token": "Refresh token",
    },
}
_PLACES = {"header": "Header", "url": "URL"}
_PLACEHOLDER = re.compile(r"\{\{.*?\}\}")
_LONGEST_SECRET = 10_000


class CredentialsForm(forms.ModelForm):  # type: ignore[type-arg]
    """Made for one vendor and type by `credentials_form`; saving seals nothing by itself."""

    vendor: Vendor
    kind: str

    class Meta:
        model = Credentials
        fields = ("name", "base_url", "expires_on", "groups", "tenant")
        labels: ClassVar[dict[str, str]] = {"tenant": "Account"}
        widgets = {"groups": UnfoldAdminCheckboxSelectMultipleWidget}

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        if self.instance.pk is None:
            self.instance.vendor, self.instance.type = self.vendor.key, self.kind
        for name, value in self.instance.settings.items():
            if name in self.fields:
                self.initial[name] = value
        for name in self.secret_names:
            self._describe_secret(name)
        self._show_places()
        word = self.vendor.manifest.tenant.word
        if "tenant" in self.fields and word is None:
            del self.fields["tenant"]
        elif "tenant" in self.fields:
            self.fields["tenant"].help_text = (
                f"{self.vendor.label} does not say which account credentials are for. Where you "
                "have several, give each a word of its own before the first launch; empty means "
                f'"{word}".'
            )
        if "name" in self.fields and self.instance.pk is None:
            self.fields[
                "name"
            ].help_text = f'Such as "{self.vendor.label} production". Integrations name them by it.'

    @property
    def secret_names(self) -> list[str]:
        """The secrets that this form takes."""
        return [name for name in _SECRETS[self.kind] if name in self.fields]

    def given_secrets(self) -> dict[str, str]:
        """What was typed; a secret that was left empty is not in it."""
        return {name: value for name in self.secret_names if (value := self.cleaned_data.get(name))}

    @property
    def keeps_outside(self) -> bool:
        """Whether the secret is to stay where it is (M-35)."""
        chosen = self.cleaned_data.get("stored") or self.instance.stored
        return bool(chosen == Credentials.Stored.REFERENCE) and "stored" in self.fields

    @property
    def places(self) -> dict[str, dict[str, str]] | None:
        """Where each secret is; None when they are sealed here."""
        if not self.keeps_outside:
            return None
        return {name: self._place(name, self.cleaned_data) for name in self.secret_names}

    def own_settings(self) -> dict[str, Any]:
        """The settings as they are to be stored."""
        if self.kind == Credentials.Type.OAUTH2:
            return dict(own_settings(self.vendor, self.cleaned_data))
        given = {
            name: self.cleaned_data[name]
            for name in ("token_name", "add_to")
            if name in self.cleaned_data
        }
        return {**self.instance.settings, **given}

    def changed_settings(self) -> set[str]:
        """What differs from what is stored, such as `settings.scope` or `base_url`."""
        old, new = self.instance.settings, self.own_settings()
        changed = {f"settings.{name}" for name in {*old, *new} if old.get(name) != new.get(name)}
        return changed | ({"base_url"} & set(self.changed_data))

    def clean_base_url(self) -> str:
        """Refuse at once what a call would refuse: where credentials may be sent to."""
        url: str = self.cleaned_data["base_url"].strip()
        if url:
            hosts = [_PLACEHOLDER.sub("*", host) for host in self.vendor.manifest.hosts]
            try:
                check_url(
                    url,
                    vendor_hosts=hosts,
                    extra_hosts=listed_origin(url, settings.EGRESS_EXTRA_HOSTS),
                    allow_http=settings.EGRESS_ALLOW_HTTP,
                )
            except VendorError as problem:
                raise forms.ValidationError(problem.message) from None
        return url

    def clean_tenant(self) -> str | None:
        """Keep the word of an account that was launched: accounts and limits hang on it (M-1)."""
        typed = (self.cleaned_data["tenant"] or "").strip() or None
        if self.instance.pk is None:
            return typed
        meant = typed or self.vendor.manifest.tenant.word
        launched = self.instance.integrations.exclude(tenant=None).exclude(tenant=meant).first()
        if launched is not None:
            raise forms.ValidationError(
                f'"{launched.name}" was launched with these credentials for the account '
                f'"{launched.tenant}". Make other credentials for another account.'
            )
        return typed

    def clean(self) -> dict[str, Any]:
        """Warn of a key that looks unusual (AH-05); ask for all secrets where none can be read."""
        cleaned: dict[str, Any] = super().clean() or {}
        for name in self.secret_names:
            value = (cleaned.get(name) or "").strip()
            cleaned[name] = value
            if any(ord(sign) < ord(" ") for sign in value):
                self.add_error(
                    name, "It holds a line break or another invisible sign; paste again."
                )
        warning = lint_secret(self.vendor.manifest.auth, self.kind, cleaned.get("value") or "")
        if cleaned.get("value") and warning and not cleaned.get("save_unusual"):
            self.add_error(
                "value", f"{warning} To save it as it is, enter it again and tick the box below."
            )
        if self.kind == Credentials.Type.OAUTH2:
            for name, why in mistakes_in(self.vendor, own_settings(self.vendor, cleaned)).items():
                self.add_error(name, f"It {why}" if not why[0].isupper() else why)
        if self.keeps_outside:
            self._clean_places(cleaned)
        else:
            self._must_have_secrets(cleaned)
        if not self.errors:
            self._check_users()
        return cleaned

    def _must_have_secrets(self, cleaned: dict[str, Any]) -> None:
        """Each secret is typed or stored, and what is stored and stays can be read."""
        for name in self.secret_names:
            optional = name in OPTIONAL.get(self.kind, ())
            known = cleaned.get(name) or self.instance.hints.get(name) or name in self.errors
            if not optional and not known:
                self.add_error(name, "This field is required.")
        if not self.errors and any(not cleaned.get(name) for name in self.secret_names):
            self._must_be_readable()

    def _clean_places(self, cleaned: dict[str, Any]) -> None:
        for name in self.secret_names:
            if cleaned.get(name):
                self.add_error(
                    name, "It is to be kept outside, so it is not typed here. Nothing was stored."
                )
            try:
                self._place(name, cleaned)
            except ValueError as problem:
                self.add_error(PLACE + name, str(problem))
                self._forget_typed(PLACE + name)

    def _place(self, name: str, cleaned: Mapping[str, Any]) -> dict[str, str]:
        return read_place(cleaned.get(PLACE + name) or "", self.instance.references.get(name))

    def _forget_typed(self, name: str) -> None:
        """Show the field empty again: what was typed can be the secret."""
        data = QueryDict(mutable=True)
        data.update(self.data)
        data[self.add_prefix(name)] = ""
        self.data = data

    def _check_users(self) -> None:
        """Integrations that use them are installed as Cloud or as Local for where it is (M-35)."""
        if self.instance.pk is None or "stored" not in self.changed_data:
            return
        stored = Credentials.Stored.REFERENCE if self.keeps_outside else Credentials.Stored.SEALED
        for user in self.instance.integrations.all():
            mistake = installation_mistake(
                user.installation, type_=self.kind, stored=stored, name=self.instance.name
            )
            if mistake:
                self.add_error("stored", f'"{user}" uses these credentials. {mistake}')
                return

    def _show_places(self) -> None:
        for name in self.secret_names:
            if PLACE + name in self.fields:
                self.initial[PLACE + name] = shown_place(self.instance.references.get(name))

    def _must_be_readable(self) -> None:
        try:
            if self.instance.pk is not None:
                open_sealed(self.instance)
        except SecretsUnreadable as problem:
            self.add_error(self.secret_names[0], problem.message)

    def _describe_secret(self, name: str) -> None:
        field = self.fields[name]
        hint: Mapping[str, str] = self.instance.hints.get(name) or {}
        optional = name in OPTIONAL.get(self.kind, ())
        if not hint:
            # Where it may be kept outside, `clean` asks for it.
            field.required = not optional and "stored" not in self.fields
            return
        field.required = False
        ending = f", ends in …{hint['last4']}" if hint.get("last4") else ""
        at = moment(datetime.fromisoformat(hint["set_at"])) if hint.get("set_at") else "?"
        field.help_text = format_html(
            "Set{}, by {} on {}. It is never shown again; leave the field empty to keep it.",
            ending,
            hint.get("set_by") or "somebody",
            at,
        )


def credentials_form(vendor: Vendor, kind: str) -> type[CredentialsForm]:
    """Make the form for one vendor and one of its types of credentials. No query."""
    fields: dict[str, Any] = {"vendor": vendor, "kind": kind}
    fields.update(_fields_of(vendor, kind))
    fields.update(_kept_fields_of(kind))
    return type("VendorCredentialsForm", (CredentialsForm,), fields)


def field_names(vendor: Vendor, kind: str) -> list[str]:
    """The fields that `credentials_form` adds for this vendor and type, in their order."""
    return list(_fields_of(vendor, kind))


def kept_names(kind: str) -> list[str]:
    """The fields that say where the secret is kept; none where it can only be sealed."""
    return list(_kept_fields_of(kind))


def secret_names(kind: str) -> list[str]:
    """The names of the secrets of a type, and so of their fields."""
    return list(_SECRETS[kind])


def _kept_fields_of(kind: str) -> dict[str, forms.Field]:
    return {} if kind == Credentials.Type.OAUTH2 else kept_fields(_SECRETS[kind])


def _fields_of(vendor: Vendor, kind: str) -> dict[str, forms.Field]:
    if kind == Credentials.Type.API_KEY:
        return _api_key_fields(vendor)
    secrets = {name: _secret_field(label) for name, label in _SECRETS[kind].items()}
    if kind == Credentials.Type.OAUTH2:
        secrets["refresh_token"].required = False
        secrets[
            "refresh_token"
        ].help_text = (
            "Only to take over a connection that was made elsewhere; Connect makes a new one."
        )
        return {**secrets, **oauth_fields(vendor)}
    return dict(secrets)


def _api_key_fields(vendor: Vendor) -> dict[str, forms.Field]:
    auth = vendor.manifest.auth.api_key
    fields: dict[str, forms.Field] = {}
    if auth is None or auth.sent_as == "token":
        name = auth.token_name if auth else "Authorization"
        places = auth.add_to if auth else ("header",)
        fields["token_name"] = forms.CharField(
            label="Token Name",
            initial=name,
            max_length=100,
            widget=UnfoldAdminTextInputWidget(),
            help_text=f"{vendor.label} expects {name}; change it only if your account differs.",
        )
        only = f" {vendor.label} takes it there only." if len(places) == 1 else ""
        fields["add_to"] = forms.ChoiceField(
            label="Add to",
            choices=[(place, _PLACES[place]) for place in places],
            initial=places[0],
            widget=UnfoldAdminSelectWidget(),
            help_text=f"Where the key travels in each request.{only}",
        )
    fields["value"] = _secret_field("Value")
    if auth and auth.lint:
        fields["value"].widget.attrs.update(
            {
                "data-rc-lint": auth.lint.starts_with,
                "data-rc-lint-note": "lint-note",
                "data-rc-lint-tick": "id_save_unusual",
            }
        )
        fields["save_unusual"] = forms.BooleanField(
            label=f'Save the key although it does not begin with "{auth.lint.starts_with.strip()}"',
            required=False,
            widget=UnfoldBooleanWidget(),
        )
    return fields


def _secret_field(label: str) -> forms.CharField:
    return forms.CharField(
        label=label,
        strip=True,
        max_length=_LONGEST_SECRET,
        widget=UnfoldAdminPasswordWidget(
            attrs={"autocomplete": "new-password", "spellcheck": "false"}, render_value=False
        ),
    )
