"""Attempts to connect and log in that never block their owner.

The TCP connect is non-blocking and done by the owner's thread, so that a refusal is known at once.  What can
hang (name resolution, the login at a frozen server) runs in a short-lived thread of the attempt.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import threading
import time
from typing import Any

import pymysql

from repman.engines.mysqlwire import ServerSaid, Wire, WireClosed
from repman.model.observation import Reach

DENIED = frozenset({1044, 1045, 1130, 1142, 1143, 1227, 1251, 1275, 1524, 1698, 1820, 1862, 2054, 2059, 4151})
"""Access denied, host not allowed, right missing, plugin unknown, password expired, account locked."""
NO_ROUTE = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EACCES, errno.EPERM})
OWN_TROUBLE = frozenset({errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM})
LOGIN_LIMIT = 5.0
"""Seconds a login may hang before it is tried anew.  Longer than a connect may take: a frozen server keeps
every abandoned login in its queue and, once awake, counts it against the host (``max_connect_errors``)."""
RESOLVE_AGAIN = 10.0

Failure = tuple[Reach, str]


def reach_of_number(number: int) -> Reach:
    """What a server's error number says of it: it lives in any case."""
    return Reach.DENIED if number in DENIED else Reach.BUSY


def reach_of_oserror(error: OSError) -> Reach:
    """What an error of the network says of a server."""
    if isinstance(error, TimeoutError) or error.errno == errno.ETIMEDOUT:
        return Reach.SILENT
    if error.errno == errno.ECONNREFUSED:
        return Reach.REFUSED
    if error.errno in NO_ROUTE:
        return Reach.UNREACHABLE
    return Reach.UNRESOLVED if error.errno in OWN_TROUBLE else Reach.CLOSED


class Target:
    """A ``host:port`` and the addresses its name stands for."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self.address = address
        self.host = host.strip("[]")
        self.port = int(port)
        self.ways: tuple[tuple[int, Any], ...] = ()
        """(address family, socket address) of each way to the host; empty until its name is resolved."""
        self._resolved_at = 0.0
        self._resolving = False
        try:
            self.resolve(socket.AI_NUMERICHOST)
            self._is_name = False
        except socket.gaierror:
            self._is_name = True

    def resolve(self, flags: int = 0) -> None:
        """Look the name up; may block.  Raises OSError and keeps the addresses known so far."""
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM, flags=flags)
        self.ways = tuple((family, where) for family, _, _, _, where in found)
        self._resolved_at = time.monotonic()

    def refresh(self) -> None:
        """Look the name up anew in the background when that was long ago: a server may have moved."""
        if self._is_name and not self._resolving and time.monotonic() > self._resolved_at + RESOLVE_AGAIN:
            self._resolving = True
            threading.Thread(target=self._refresh, name=f"resolve {self.host}", daemon=True).start()

    def _refresh(self) -> None:
        try:
            self.resolve()
        except OSError:
            self._resolved_at = time.monotonic()
        finally:
            self._resolving = False


class Dial:
    """One attempt to reach a server and log in.  Ends with `wire` or `failure` set."""

    def __init__(self, target: Target, account: tuple[str, str], opening: str, connect_timeout: float) -> None:
        self.wire: Wire | None = None
        self.failure: Failure | None = None
        self._target = target
        self._account = account
        self._opening = opening
        self._connect_timeout = connect_timeout
        self._ways: list[tuple[int, Any]] = []
        self._sock: socket.socket | None = None
        self._signal: socket.socket | None = None
        self._product: Wire | Failure | None = None
        self._abandoned = False
        self._lock = threading.Lock()
        self._limit = time.monotonic() + connect_timeout
        if target.ways:
            self._start_connecting()
        else:
            self._in_thread(self._resolve, None)

    @property
    def done(self) -> bool:
        """Whether the attempt has ended."""
        return self.wire is not None or self.failure is not None

    def waits_for(self) -> tuple[int, int]:
        """Descriptor and poll() events that bring it on."""
        if self._signal is not None:
            return self._signal.fileno(), select.POLLIN
        assert self._sock is not None
        return self._sock.fileno(), select.POLLOUT

    def advance(self, ready: bool) -> None:
        """Go on: `ready` says whether poll() reported the descriptor.  Never blocks."""
        if self.done:
            return
        if ready and self._signal is not None:
            self._take_product()
        elif ready:
            self._connected()
        elif time.monotonic() > self._limit:
            what = "login" if self._signal is not None else "connect"
            self.abandon()
            self.failure = (Reach.SILENT, f"no answer to the {what} in time")

    def abandon(self) -> None:
        """Stop caring; what still runs ends by itself and closes what it opened."""
        with self._lock:
            self._abandoned = True
            if isinstance(self._product, Wire):
                self._product.drop()
        if self._signal is not None:
            self._signal.close()
            self._signal = None
            if self._sock is not None:
                with contextlib.suppress(OSError):
                    self._sock.shutdown(socket.SHUT_RDWR)
        elif self._sock is not None:
            self._sock.close()
        self._sock = None

    # connect

    def _start_connecting(self) -> None:
        self._target.refresh()
        self._ways = list(self._target.ways)
        self._try_next_way()

    def _try_next_way(self) -> None:
        while self._ways:
            family, where = self._ways.pop(0)
            try:
                sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
            except OSError as error:
                self._fail(error)
                continue
            status = sock.connect_ex(where)
            self._sock = sock
            if status == errno.EINPROGRESS:
                self.failure = None
                self._limit = time.monotonic() + self._connect_timeout
                return
            if status == 0:
                self.failure = None
                self._connected()
                return
            self._give_up_way(OSError(status, os.strerror(status)))

    def _connected(self) -> None:
        assert self._sock is not None
        status = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if status:
            self._give_up_way(OSError(status, os.strerror(status)))
            self._try_next_way()
            return
        try:
            # A connect to an unused port of this host can meet itself, when the kernel picks that very port.
            itself = self._sock.getsockname() == self._sock.getpeername()
        except OSError as error:
            self._give_up_way(error)
            self._try_next_way()
            return
        if itself:
            self._give_up_way(ConnectionRefusedError(errno.ECONNREFUSED, "nobody listens there"))
            self._try_next_way()
            return
        self._in_thread(self._login, self._sock)

    def _give_up_way(self, error: OSError) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None
        self._fail(error)

    def _fail(self, error: OSError) -> None:
        self.failure = (reach_of_oserror(error), error.strerror or str(error))

    # what may hang

    def _in_thread(self, work: Any, sock: socket.socket | None) -> None:
        self._limit = time.monotonic() + max(LOGIN_LIMIT, self._connect_timeout)
        self._signal, theirs = socket.socketpair()
        name = f"dial {self._target.address}"
        threading.Thread(target=self._run, args=(work, sock, theirs), name=name, daemon=True).start()

    def _run(self, work: Any, sock: socket.socket | None, theirs: socket.socket) -> None:
        product = work(sock)
        with self._lock:
            self._product = product
            if self._abandoned and isinstance(product, Wire):
                product.drop()
        theirs.close()  # seen by the owner as the end of its half

    def _resolve(self, _: socket.socket | None) -> Failure | None:
        try:
            self._target.resolve()
        except OSError as error:
            return Reach.UNRESOLVED, f"the name {self._target.host!r} cannot be resolved: {error.strerror}"
        return None

    def _login(self, sock: socket.socket) -> Wire | Failure:
        limit = max(LOGIN_LIMIT, self._connect_timeout)
        wire = Wire(self._target.host, self._target.port, self._account, limit)
        try:
            wire.login(sock, self._opening)
        except (pymysql.Error, OSError, ServerSaid, WireClosed, ValueError) as error:
            wire.drop()
            sock.close()
            return _login_failure(error)
        return wire

    def _take_product(self) -> None:
        assert self._signal is not None
        self._signal.close()
        self._signal = None
        product, self._product = self._product, None
        self._sock = None
        if product is None:
            self._start_connecting()
        elif isinstance(product, Wire):
            self.wire = product
        else:
            self.failure = product


def _login_failure(error: Exception) -> Failure:
    if isinstance(error, ServerSaid):
        return reach_of_number(error.number), str(error)
    if isinstance(error, WireClosed):
        silent = isinstance(error.__cause__, TimeoutError)
        return (Reach.SILENT if silent else Reach.CLOSED), str(error)
    if isinstance(error, OSError):
        return reach_of_oserror(error), str(error)
    number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    text = f"{error.args[-1]} ({number})" if error.args else str(error)
    if number in (2003, 2006, 2013):  # the client's own numbers for a lost connection
        cause = getattr(error, "original_exception", None) or error.__context__
        return (reach_of_oserror(cause) if isinstance(cause, OSError) else Reach.CLOSED), text
    return reach_of_number(number), text
