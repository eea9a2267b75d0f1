"""Where the secret of credentials is kept: sealed here, or only where commands read it (M-35)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from integrations.models import Credentials
from integrations.references import is_our_own

PLACE = "place_of_"
# In capitals, as nearly all are: half of all keys would pass for a name in small letters.
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,199}")
_LONGEST = 500
_CHOICES = [
    (Credentials.Stored.SEALED.value, "Here, sealed"),
    (Credentials.Stored.REFERENCE.value, "Outside: an environment variable or a file"),
]


def kept_fields(secrets: Mapping[str, str]) -> dict[str, forms.Field]:
    """The choice, and for each secret (name: label) the place where it is. No query."""
    fields: dict[str, forms.Field] = {
        "stored": forms.ChoiceField(
            label="Where the secret is kept",
            choices=_CHOICES,
            widget=UnfoldAdminSelectWidget(),
            required=False,
            help_text="Outside is for integrations that are installed as Local: only commands read "
            "the secret, on the machine where it is. No page and no worker can use it.",
        )
    }
    for name, label in secrets.items():
        fields[PLACE + name] = forms.CharField(
            label=f"Place of the {label}",
            required=False,
            max_length=_LONGEST,
            widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
            help_text="Only when it is kept outside: the name of an environment variable, such as "
            "VENDOR_KEY, or the whole path of a file, such as /run/secrets/vendor_key.",
        )
    return fields


def shown_place(reference: Any) -> str:
    """A stored reference as the form shows it."""
    if not isinstance(reference, Mapping):
        return ""
    return str(reference.get("env") or reference.get("file") or "")


def read_place(typed: str, before: Any = None) -> dict[str, str]:
    """A typed place as it is stored; `before`, a stored one, may stay as a file once gave it.

    Raises ValueError with a sentence that does not repeat what was typed: it can be the secret.
    """
    text = typed.strip()
    if text and text == shown_place(before):
        return dict(before)
    if text.startswith("/"):
        return {"file": text}
    if not _VARIABLE.fullmatch(text):
        raise ValueError(
            "This is neither the name of an environment variable, in capitals, nor the whole path "
            "of a file, which begins with /. The secret itself does not belong here."
        )
    if is_our_own(text):
        raise ValueError("This variable holds a secret of Rolecall's own, which no vendor gets.")
    return {"env": text}
