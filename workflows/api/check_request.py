"""What Validate says of what differs from the preset: method, address, params, headers, body."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from integrations.egress import check_url
from integrations.errors import AskPerson, TemplateError
from integrations.manifest_presets import Preset
from integrations.registry import Vendor
from integrations.templates import Placeholder, parse
from integrations.transport import _HEADER_NAME as HEADER_NAME
from integrations.transport import _OURS as OUR_HEADERS
from workflows.api.settings import METHODS, PARTS, is_own, moves, read_settings
from workflows.block_checks import is_blank
from workflows.definition import BlockPart
from workflows.errors import Mistake
from workflows.facts import Facts
from workflows.templates import More, check_template, check_tree

SMUGGLED = frozenset({"x-http-method-override", "x-http-method", "x-method-override"})
_NOT_IN_PATH = re.compile(r"[\x00-\x20\x7f\\<>\"^`|]")
_DOTS = frozenset({".", ".."})


def check_request(
    block: BlockPart, facts: Facts, preset: Preset, vendor: Vendor
) -> Iterator[Mistake]:
    """Every mistake in `settings.request`."""
    request = read_settings(block).request
    for name in request:
        if name not in PARTS:
            yield _mistake(block, str(name), f"A request has: {', '.join(PARTS)}.")
    yield from _permission(block, facts, request)
    more = _names(preset, vendor)
    yield from _method(block, request)
    yield from _url(block, facts, vendor, request, more)
    yield from _params(block, facts, request.get("params"), more)
    yield from _headers(block, facts, vendor, request.get("headers"), more)
    yield from check_tree(request.get("body"), facts, block, "settings.request.body", more=more)


def _mistake(block: BlockPart, part: str, message: str, position: int | None = None) -> Mistake:
    return Mistake(block.key, f"settings.request.{part}", message, position)


def _names(preset: Preset, vendor: Vendor) -> More:
    """What templates of a request may name besides the record's fields and variables."""
    return {
        "inputs": list(preset.inputs),
        "looked_up": [
            f"{name}.{value}" for name, one in preset.looked_up.items() for value in one.values
        ],
        "account": list(vendor.inputs),
        "items": None,
    }


def _permission(block: BlockPart, facts: Facts, request: Mapping[str, Any]) -> Iterator[Mistake]:
    """Own requests, another address or method: for who may send credentials anywhere (M-25)."""
    if facts.may_own_request or not (is_own(block) or moves(request)):
        return
    kept = facts.kept_blocks.get(block.key)
    if kept is not None and (kept.kind, kept.preset, kept.credentials) == (
        block.kind,
        block.preset,
        block.credentials,
    ):
        before = read_settings(kept).request
        same = before == request if is_own(block) else _moved(before) == _moved(request)
        if same:
            return
    what = "write own requests" if is_own(block) else "change the address or method of a preset"
    part = "url" if is_own(block) or request.get("url") else "method"
    yield _mistake(
        block, part, f"You may not {what}. An IT admin can do it; presets can be used as they are."
    )


def _moved(request: Mapping[str, Any]) -> tuple[Any, Any]:
    return request.get("url"), request.get("method")


def _method(block: BlockPart, request: Mapping[str, Any]) -> Iterator[Mistake]:
    method = request.get("method")
    if is_blank(method):
        if is_own(block):
            yield _mistake(block, "method", f"Choose the method: {', '.join(METHODS)}.")
        return
    if not isinstance(method, str) or method.upper() not in METHODS:
        yield _mistake(block, "method", f"The method is one of {', '.join(METHODS)}.")


# Address.


def _url(
    block: BlockPart, facts: Facts, vendor: Vendor, request: Mapping[str, Any], more: More
) -> Iterator[Mistake]:
    url = request.get("url")
    if is_blank(url):
        if is_own(block):
            message = 'Write the address below that of the vendor, such as "users/{{ email }}".'
            yield _mistake(block, "url", message)
        return
    if not isinstance(url, str):
        yield _mistake(block, "url", "The address is a text.")
        return
    mistakes = list(check_template(url, facts, block, "settings.request.url", more=more))
    yield from mistakes
    if not any(not one.warning for one in mistakes):
        yield from _address(block, vendor, url)


def _address(block: BlockPart, vendor: Vendor, url: str) -> Iterator[Mistake]:
    try:
        parts = parse(url).parts
    except TemplateError:
        return
    text = "".join("x" if isinstance(part, Placeholder) else part for part in parts)
    if _NOT_IN_PATH.search(text):
        message = "The address holds a blank, a line break or a sign that no address has."
        yield _mistake(block, "url", message)
    elif "{" in text or "}" in text:
        yield _mistake(block, "url", "The address holds a brace that belongs to no placeholder.")
    elif "?" in text or "#" in text:
        message = 'Write what stands after "?" in the Params tab, without the sign.'
        yield _mistake(block, "url", message)
    elif text.startswith("//") or ":" in text.partition("/")[0]:
        yield from _absolute(block, vendor, url, parts, text)
    elif _DOTS.intersection(text.replace("%2e", ".").replace("%2E", ".").split("/")):
        yield _mistake(block, "url", 'The address holds a part that is only dots ("..").')


def _absolute(
    block: BlockPart,
    vendor: Vendor,
    url: str,
    parts: tuple[str | Placeholder, ...],
    text: str,
) -> Iterator[Mistake]:
    """Credentials go to the vendor's own hosts only, which are fixed (S-10)."""
    below = (
        f'Write the address below that of {vendor.label}, such as "users/123": the credentials '
        "are sent to the vendor's own hosts only."
    )
    first = parts[0] if isinstance(parts[0], str) else ""
    host_ends = re.match(r"[A-Za-z][A-Za-z0-9+.-]*://[^/]*/", first)
    if host_ends is None and len(parts) > 1:
        message = f"The host of an address cannot be filled in from the record. {below}"
        yield _mistake(block, "url", message)
        return
    hosts = [re.sub(r"\{\{.*?\}\}", "*", host) for host in vendor.manifest.hosts]
    try:
        check_url(text, vendor_hosts=hosts, extra_hosts=(), allow_http=False)
    except AskPerson:
        host = urlsplit(text).netloc if "//" in text else text
        yield _mistake(block, "url", f'"{host[:100]}" is no host of {vendor.label}. {below}')


# Params and headers.


def _params(block: BlockPart, facts: Facts, params: Any, more: More) -> Iterator[Mistake]:
    if params is None:
        return
    if not isinstance(params, Mapping):
        yield _mistake(block, "params", "Params are names with their values.")
        return
    if any(not str(name).strip() for name in params):
        yield _mistake(block, "params", "A parameter has no name.")
    yield from check_tree(params, facts, block, "settings.request.params", more=more)


def _headers(
    block: BlockPart, facts: Facts, vendor: Vendor, headers: Any, more: More
) -> Iterator[Mistake]:
    if headers is None:
        return
    if not isinstance(headers, Mapping):
        yield _mistake(block, "headers", "Headers are names with their values.")
        return
    key = vendor.manifest.auth.api_key
    own = {key.token_name.casefold()} if key is not None else set()
    for name, value in headers.items():
        part = f"headers.{name}"
        if not isinstance(name, str) or not HEADER_NAME.fullmatch(name):
            yield _mistake(block, "headers", f'"{str(name)[:60]}" cannot be the name of a header.')
        elif name.casefold() in own | {"authorization"}:
            message = (
                f'"{name}" carries the credentials. It is added after the request was filled in; '
                "choose the credentials of the block instead."
            )
            yield _mistake(block, part, message)
        elif name.casefold() in OUR_HEADERS | SMUGGLED:
            message = f'"{name}" is set by Rolecall itself, so it cannot be given here.'
            yield _mistake(block, part, message)
        elif value is not None and not isinstance(value, str | int | float):
            yield _mistake(block, part, f'The header "{name}" takes one text.')
        elif isinstance(value, str) and any(sign < " " and sign != "\t" for sign in value):
            message = f'The header "{name}" holds a line break or a control character.'
            yield _mistake(block, part, message)
        else:
            yield from check_template(value, facts, block, f"settings.request.{part}", more=more)
