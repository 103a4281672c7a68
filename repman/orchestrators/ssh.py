"""Commands on other hosts over SSH, with streams in and out and a deadline on everything.

One connection for each command: nothing is kept open that could be stale when it is needed.  A host whose key is not
the known one is never spoken to, and a password or key never stands in an argument vector.
"""

from __future__ import annotations

import io
import logging
import math
import shlex
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import paramiko

from repman.errors import HostError, HostUnreachable

_CHUNK = 64 * 1024
_KEPT = 1024 * 1024
"""Bytes of output that are kept when nobody takes them."""
_ERRORS_KEPT = 4000
_PAUSE = 0.2
"""Seconds after which a silent stream is left to look at the others, and at who wants to cancel."""
_LINGER = 1.0
"""Seconds that a finished command's output may stay silent and open: a daemon it started holds it."""
_OUT_OF_TIME = (124, 137)
"""How ``timeout`` ends a command that took too long."""

logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # whatever it has to say is raised as well


@dataclass(frozen=True, slots=True)
class SshAccess:
    """How to log in on the hosts of a cluster."""

    user: str = "root"
    password: str = field(default="", repr=False)
    port: int = 22
    private_key: Path | None = None
    """None, and no password: the keys in the account's ``~/.ssh``."""
    known_hosts: Path | None = None
    """Keys of the hosts; None: ``~/.ssh/known_hosts``."""
    connect_timeout: float = 5.0
    """Seconds for connection, keys and login together."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that ended by itself."""

    status: int
    output: bytes
    """The beginning of its output when no stream took it, at most a MiB."""
    errors: str
    """The end of what it wrote to its standard error."""


class Ssh:
    """Runs commands on hosts; safe to use from several threads."""

    def __init__(self, access: SshAccess) -> None:
        self.access = access

    def run(
        self,
        host: str,
        argv: Sequence[str],
        timeout: float,
        *,
        input: IO[bytes] | bytes = b"",
        output: IO[bytes] | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Finished:
        """Run a command there, fed from `input` and written to `output`, within `timeout` seconds.

        What has not ended by then is ended there as well.  A caller whose `input` blocks closes it after an error.
        Raises HostUnreachable when nobody could log in, HostError when the time is over, the connection broke, or
        `cancelled` (asked several times a second) said yes.
        """
        deadline = time.monotonic() + timeout
        command = shlex.join(["timeout", "-k", "5", str(max(1, math.ceil(timeout))), *argv])
        with self._connected(host, deadline) as transport:
            try:
                channel = transport.open_session(timeout=max(0.1, deadline - time.monotonic()))
                channel.settimeout(_PAUSE)
                channel.exec_command(command)
                finished = _Conversation(channel, input, output, cancelled).hold(deadline)
            except (OSError, EOFError, paramiko.SSHException) as error:
                if time.monotonic() >= deadline:
                    raise self._late(host, argv, timeout) from error
                raise HostError(f"the connection to {host} broke while {argv[0]} ran there: {error}") from error
        if finished is None or finished.status in _OUT_OF_TIME:
            raise self._late(host, argv, timeout)
        return finished

    @contextmanager
    def _connected(self, host: str, deadline: float) -> Iterator[paramiko.Transport]:
        limit = min(self.access.connect_timeout, max(0.1, deadline - time.monotonic()))
        client = self._client()
        try:
            with _ended_after(limit, client):
                self._log_in(client, host, limit)
            transport = client.get_transport()
            if transport is None:
                raise HostUnreachable(f"{host} closed the connection right after the login")
            with _ended_after(max(0.1, deadline - time.monotonic()), client):
                yield transport
        finally:
            client.close()

    def _client(self) -> paramiko.SSHClient:
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        known = self.access.known_hosts or Path("~/.ssh/known_hosts").expanduser()
        try:
            client.load_system_host_keys(str(known))
        except OSError as error:
            raise HostUnreachable(
                f"the keys of hosts cannot be read from {known} ({error.strerror}): put them there, for example with "
                f"ssh-keyscan, after you have compared them; or set onpremise-ssh-known-hosts"
            ) from error
        return client

    def _log_in(self, client: paramiko.SSHClient, host: str, limit: float) -> None:
        access, place = self.access, f"{self.access.user}@{host}:{self.access.port}"
        if access.private_key is not None and not access.private_key.is_file():
            raise HostUnreachable(f"there is no private key {access.private_key}: correct onpremise-ssh-private-key")
        try:
            client.connect(
                host,
                access.port,
                access.user,
                access.password or None,
                key_filename=str(access.private_key) if access.private_key else None,
                allow_agent=False,
                look_for_keys=access.private_key is None and not access.password,
                timeout=limit,
                banner_timeout=limit,
                auth_timeout=limit,
                channel_timeout=limit,
            )
        except paramiko.BadHostKeyException as error:
            raise HostUnreachable(
                f"{place} shows another host key than the known one; nothing was sent. If the host was made anew, "
                "put its new key into the known hosts; if not, somebody stands in between"
            ) from error
        except paramiko.AuthenticationException as error:
            raise HostUnreachable(
                f"{place} refuses the login ({error}): check onpremise-ssh-credential and onpremise-ssh-private-key"
            ) from error
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise HostUnreachable(_why_unreachable(place, error, limit)) from error

    def _late(self, host: str, argv: Sequence[str], timeout: float) -> HostError:
        return HostError(f"{argv[0]} on {host} was not done after {timeout:g} s and was ended")


class _Conversation:
    """The streams of one running command."""

    def __init__(
        self,
        channel: paramiko.Channel,
        input: IO[bytes] | bytes,
        output: IO[bytes] | None,
        cancelled: Callable[[], bool],
    ) -> None:
        self._channel = channel
        self._input = io.BytesIO(input) if isinstance(input, bytes) else input
        self._taken = output
        self._kept = bytearray()
        self._errors = bytearray()
        self._cancelled = cancelled
        self._feeding: BaseException | None = None

    def hold(self, deadline: float) -> Finished | None:
        """Until the command has ended; None when the time is over before.  Raises OSError, HostError."""
        feeder = threading.Thread(target=self._feed, name="ssh-input", daemon=True)
        feeder.start()
        if not self._read_all(deadline):
            return None
        if not self._channel.status_event.wait(max(0.0, deadline - time.monotonic())):
            return None
        self._read_errors()
        feeder.join(_PAUSE)
        if self._feeding is not None:
            raise HostError(f"what was to be sent could not be read: {self._feeding}") from self._feeding
        status = self._channel.recv_exit_status()
        if status == -1:
            raise EOFError("it went away, or the command was killed by a signal")
        return Finished(status, bytes(self._kept), self._errors.decode(errors="replace").strip())

    def _read_all(self, deadline: float) -> bool:
        quiet_since: float | None = None
        while time.monotonic() < deadline:
            if self._cancelled():
                raise HostError("cancelled")
            self._read_errors()
            try:
                chunk = self._channel.recv(_CHUNK)
            except TimeoutError:
                if self._taken is None and self._channel.exit_status_ready():
                    quiet_since = quiet_since or time.monotonic()
                    if time.monotonic() - quiet_since > _LINGER:
                        return True
                continue
            if not chunk:
                return True
            quiet_since = None
            self._take(chunk)
        return False

    def _take(self, chunk: bytes) -> None:
        if self._taken is None:
            self._kept += chunk[: _KEPT - len(self._kept)]
            return
        try:
            self._taken.write(chunk)
        except OSError as error:
            raise HostError(f"what came could not be written: {error}") from error

    def _read_errors(self) -> None:
        while self._channel.recv_stderr_ready():
            self._errors += self._channel.recv_stderr(_CHUNK)
            del self._errors[:-_ERRORS_KEPT]

    def _feed(self) -> None:
        try:
            while chunk := self._input.read(_CHUNK):
                if not self._send(memoryview(chunk)):
                    return
        except (OSError, ValueError) as error:
            self._feeding = error
            self._channel.close()
            return
        try:
            self._channel.shutdown_write()
        except (OSError, EOFError):
            return

    def _send(self, rest: memoryview) -> bool:
        """False when the command takes no more."""
        while rest:
            try:
                sent = self._channel.send(bytes(rest))
            except TimeoutError:
                if self._channel.closed:
                    return False
                continue
            except OSError:
                return False
            if sent == 0:
                return False
            rest = rest[sent:]
        return True


@contextmanager
def _ended_after(seconds: float, client: paramiko.SSHClient) -> Iterator[None]:
    """Close the connection when the time is over, whatever waits on it."""
    watch = threading.Timer(seconds, client.close)
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()


def _why_unreachable(place: str, error: Exception, limit: float) -> str:
    if isinstance(error, paramiko.SSHException) and "known_hosts" in str(error):
        return (
            f"the host key of {place} is not known; nothing was sent. Compare it with the host's own and put it into "
            "the known hosts, for example with ssh-keyscan"
        )
    if isinstance(error, TimeoutError | socket.timeout):
        return f"{place} did not answer within {limit:g} s"
    told = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"{place} cannot be reached: {told}; check that sshd runs there and that onpremise-ssh-port is right"
