"""Which hosts may be called, and the adapter that connects only to an address that was checked.

A name is resolved once per connection; every address that it has is checked, and the connection
goes to one of those, so that a name which changes its mind between check and connect gains
nothing. TLS still verifies the name.
"""

import ipaddress
import logging
import re
import socket
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import SplitResult, urlsplit

from integrations.errors import AskPerson

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\uffff\\<>\"^`{}|]")
_MAX_URL = 8192
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_PORTS = {"https": 443, "http": 80}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Collection[str]]


class _NoUrls(logging.Filter):
    """A key can be a URL parameter, and urllib3 writes whole URLs into its log."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno > logging.WARNING


logging.getLogger("urllib3.connectionpool").addFilter(_NoUrls())


@dataclass(frozen=True)
class Destination:
    """Where a URL leads; `listed` hosts may have private addresses."""

    scheme: str
    host: str
    port: int
    listed: bool

    @property
    def origin(self) -> str:
        """Host and port, as `EGRESS_EXTRA_HOSTS` writes them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def refuse(why: str) -> NoReturn:
    """Refuse a call before anything is sent."""
    raise AskPerson(
        "egress_refused",
        f"The call was not sent: {why}. Allowed are the vendor's own hosts over https, and the "
        "credentials' own base URL when its host and port stand in EGRESS_EXTRA_HOSTS.",
    )


def check_url(
    url: str,
    *,
    vendor_hosts: Collection[str],
    extra_hosts: Collection[str],
    allow_http: bool,
) -> Destination:
    """Give where a URL leads when it may be called. Raises AskPerson (`egress_refused`).

    `vendor_hosts` are names, `*` stands for one label; they are reached by https on port 443.
    `extra_hosts` are `host:port` of these credentials' own base URL that the operator has listed;
    `allow_http` lets those be plain http.
    """
    parts = _split(url)
    host, port = _host_and_port(parts)
    destination = Destination(parts.scheme, host, port, listed=False)
    if destination.origin in {entry.strip().casefold() for entry in extra_hosts}:
        if parts.scheme == "http" and not allow_http:
            refuse("plain http is not allowed here")
        return Destination(parts.scheme, host, port, listed=True)
    if parts.scheme != "https":
        refuse("plain http is not allowed")
    if not _NAME.fullmatch(host) or not any(_fits(host, pattern) for pattern in vendor_hosts):
        refuse("this host does not belong to the vendor")
    if port != _PORTS["https"]:
        refuse("another port than 443")
    return destination


def _split(url: str) -> SplitResult:
    if len(url) > _MAX_URL:
        refuse("the address is too long")
    if _FORBIDDEN.search(url):
        refuse("the address holds a character that must be percent-encoded")
    try:
        parts = urlsplit(url)
    except ValueError:
        refuse("the address cannot be read")
    if parts.scheme not in _PORTS or not parts.netloc:
        refuse("the address does not begin with https://")
    if "@" in parts.netloc:
        refuse("the address holds a user name")
    if "%" in parts.netloc:
        refuse("the host is percent-encoded")
    if parts.fragment or url.endswith("#"):
        refuse("the address holds a fragment")
    return parts


def _host_and_port(parts: SplitResult) -> tuple[str, int]:
    try:
        host, port = parts.hostname or "", parts.port
    except ValueError:
        refuse("the port cannot be read")
    if not host or host.endswith(".") or parts.netloc.endswith(":"):
        refuse("the host cannot be read")
    if ":" not in host and not _NAME.fullmatch(host):
        refuse("the host cannot be read")
    return host, _PORTS[parts.scheme] if port is None else port


def _fits(host: str, pattern: str) -> bool:
    labels, wanted = host.split("."), pattern.casefold().split(".")
    return len(labels) == len(wanted) and all(
        want in ("*", label) for label, want in zip(labels, wanted, strict=True)
    )


def is_public(address: Address) -> bool:
    """Say whether an address is on the open internet, through all the wrappings that IPv6 has."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
        if int(address) >> 32 == 0:  # the old IPv4-compatible form
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def resolve(host: str, port: int) -> list[str]:
    """Give the addresses of a name, each once. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def checked_addresses(host: str, port: int, *, listed: bool, resolver: Resolve) -> list[str]:
    """Resolve and check; one address that may not be called refuses the name as a whole.

    Raises OSError when the name does not resolve, AskPerson (`egress_refused`) otherwise.
    """
    addresses = list(resolver(host, port))
    if not addresses:
        raise OSError("the name has no address")
    for text in addresses:
        try:
            address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            refuse(f"{host} leads to something that is no address")
        if not listed and not is_public(address):
            refuse(f"{host} leads to a private address")
    return addresses


def listed_origin(base_url: str | None, listed: Collection[str]) -> frozenset[str]:
    """Give the `host:port` of a base URL if the operator has listed it, as a set of one or none."""
    if not base_url:
        return frozenset()
    parts = _split(base_url)
    host, port = _host_and_port(parts)
    origin = Destination(parts.scheme, host, port, listed=True).origin
    known = {entry.strip().casefold() for entry in listed}
    return frozenset({origin}) if origin in known else frozenset()
