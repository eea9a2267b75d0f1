"""The last question before held removals are decided on: how many are they, and is it you."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminTextInputWidget

from integrations.admin.reauth import PasswordForm, remember


class DecisionForm(PasswordForm):
    """Asks for `number` where one is given, and for the password where it was not given lately."""

    typed = forms.CharField(
        required=True,
        max_length=10,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )
    field_order = ("typed", "password")

    def __init__(
        self,
        *args: Any,
        request: HttpRequest,
        number: int | None,
        ask_password: bool,
        **named: Any,
    ) -> None:
        super().__init__(*args, request=request, **named)
        self._number = number
        self.fields["typed"].label = f"Type {number} to confirm"
        if number is None:
            del self.fields["typed"]
        if not ask_password:
            del self.fields["password"]

    def clean_typed(self) -> str:
        """Whoever types the number has read it."""
        typed: str = self.cleaned_data["typed"].strip().replace(",", "")
        if typed != str(self._number):
            raise forms.ValidationError(f"These are {self._number} removals: type that number.")
        return typed

    def clean_password(self) -> str:
        """As signing in; from then on it is not asked again for a while."""
        password = super().clean_password()
        remember(self._request)
        return password
