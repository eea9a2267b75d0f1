"""Where a request goes that no vendor folder describes, and whom it could mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from django.conf import settings

from integrations.egress import check_url, listed_origin
from integrations.errors import AskPerson, PresetRefused, Problem
from integrations.filters import as_text
from integrations.presets.account import Account
from integrations.presets.call import Rendered
from integrations.values import write_json

WHOLE = ("https://", "http://")


def check_address(account: Account, request: Rendered) -> None:
    """Refuse an address that the credentials must not be sent to (M-25). Raises PresetRefused."""
    if not request.path.startswith(WHOLE):
        return
    try:
        check_url(
            request.path,
            vendor_hosts=account.vendor.hosts(account.inputs),
            extra_hosts=listed_origin(account.credentials.base_url, settings.EGRESS_EXTRA_HOSTS),
            allow_http=settings.EGRESS_ALLOW_HTTP,
        )
    except AskPerson as problem:
        own = f"Use an address of {account.vendor.label}, or one that begins below its base URL."
        raise PresetRefused([Problem("url", f"{problem.message} {own}")]) from None


def own_words(request: Rendered) -> list[str]:
    """Target and effect of an own request: what is at its address; what is sent there.

    What POST sends makes something new as a rule, so two different ones are about two things.
    """
    sent = write_json([request.params, request.body])
    effect = f"{request.method} {request.path} {sent}"
    return [effect if request.method == "POST" else request.path, effect]


def named_in(request: Rendered) -> set[str]:
    """Every text of a request that could be somebody's id or e-mail."""
    texts = {unquote(part) for part in request.path.split("/")}
    return texts | set(_leaves(request.params)) | set(_leaves(request.body))


def _leaves(tree: Any) -> Iterator[str]:
    if isinstance(tree, Mapping):
        for part in tree.values():
            yield from _leaves(part)
    elif isinstance(tree, list | tuple):
        for part in tree:
            yield from _leaves(part)
    elif tree is not None:
        yield as_text(tree).strip()
