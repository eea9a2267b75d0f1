"""HTTP connections that go to checked addresses only and end at a deadline (S-11, S-13)."""

import http.client
import io
import socket
import threading
import time
from typing import Any, ClassVar, cast

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import create_connection

from integrations.egress import Resolve, checked_addresses, resolve

_POOL_SIZE = 32


class Progress(threading.local):
    """Of this thread's call: whether any byte of the request went out."""

    began = False


progress = Progress()


class _DeadlineReader(io.RawIOBase):
    """Reads from a socket; a vendor that sends a byte now and then does not hold us for ever."""

    def __init__(self, sock: socket.socket, read_timeout: float, deadline: float) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._read_timeout = read_timeout
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("the answer took longer than the whole call may")
        self._sock.settimeout(min(self._read_timeout, remaining))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _DeadlineSocket:
    """What `http.client` needs of a socket to make an answer of it: a file to read from."""

    def __init__(self, sock: socket.socket, read_timeout: float, deadline: float) -> None:
        self._made = (sock, read_timeout, deadline)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_DeadlineReader(*self._made), 65536)


class _Checked(HTTPConnection):
    """A connection that resolves and checks for itself. Subclasses carry the policy."""

    listed: ClassVar[frozenset[tuple[str, int]]] = frozenset()
    resolver: ClassVar[Resolve] = staticmethod(resolve)
    total_timeout: ClassVar[float] = 300.0
    _deadline = 0.0

    def _new_conn(self) -> socket.socket:
        host, port = self._dns_host, self.port
        try:
            addresses = checked_addresses(
                host, port, listed=(host, port) in self.listed, resolver=type(self).resolver
            )
        except (socket.gaierror, UnicodeError) as problem:
            reason = socket.gaierror(str(problem))
            raise NameResolutionError(host, self, reason) from None
        failure: OSError = OSError("no address")
        for address in addresses:
            try:
                return create_connection(
                    (address, port),
                    timeout=self._connect_timeout(),
                    socket_options=self.socket_options,
                )
            except TimeoutError:
                raise ConnectTimeoutError(self, "the connection timed out") from None
            except OSError as problem:
                failure = problem
        raise NewConnectionError(self, f"no connection: {failure.errno}") from None

    def _connect_timeout(self) -> float | None:
        return self.timeout if isinstance(self.timeout, int | float) else None

    def request(self, *arguments: Any, **named: Any) -> None:
        self._deadline = time.monotonic() + self.total_timeout
        super().request(*arguments, **named)

    def send(self, data: Any) -> None:
        """Send a piece; connecting comes first, so that what is begun is known exactly."""
        if self.sock is None:
            self.connect()
        progress.began = True
        super().send(data)

    def response_class(self, sock: socket.socket, **named: Any) -> Any:  # type: ignore[override]
        read_timeout = sock.gettimeout() or self.total_timeout
        reader = _DeadlineSocket(sock, read_timeout, self._deadline)
        return http.client.HTTPResponse(cast("socket.socket", reader), **named)


class _CheckedTls(_Checked, HTTPSConnection):
    """The same over TLS; the certificate is verified against the name, not the address."""


class EgressAdapter(HTTPAdapter):
    """A `requests` adapter over such connections; it repeats nothing by itself."""

    def __init__(
        self,
        *,
        listed: frozenset[tuple[str, int]],
        total_timeout: float,
        resolver: Resolve = resolve,
    ) -> None:
        policy = {
            "listed": listed,
            "total_timeout": total_timeout,
            "resolver": staticmethod(resolver),
        }
        plain = type("CheckedConnection", (_Checked,), policy)
        tls = type("CheckedTlsConnection", (_CheckedTls,), policy)
        self._pools = {
            "http": type("CheckedPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("CheckedTlsPool", (HTTPSConnectionPool,), {"ConnectionCls": tls}),
        }
        super().__init__(pool_connections=4, pool_maxsize=_POOL_SIZE, max_retries=0)

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        super().init_poolmanager(*arguments, **named)
        manager = cast("PoolManager", self.poolmanager)
        manager.pool_classes_by_scheme = self._pools
