"""HAProxy's runtime socket: one question, one answer; and how to read the answers.

Source: HAProxy 2.6 Management Guide, section 9.3 ("show servers state", "show stat", "set server").
"""

from __future__ import annotations

import csv
import socket
import time
from dataclasses import dataclass

from repman.errors import DeadlineExceeded, StepFailed

_MAINTENANCE = 0x01
_FORCED = _MAINTENANCE | 0x08
"""Administrative state: maintenance or drain asked for over the socket or by ``disabled``."""
_RUNNING = (1, 2)
"""Operational state: starting (slow start) and running."""
_CHECK_ENABLED = 0x04
_CHECK_UNDER_WAY = 0x01
_CHECK_FAILED = 2
_CHECK_L7 = (12, 13, 15, 16, 17)
"""Check results that come from an answer above TCP (a time-out, a bad answer, a status)."""
_COLUMNS = 15


class RuntimeSocket:
    """The address of a runtime socket; each question takes a connection of its own."""

    def __init__(self, address: str) -> None:
        """`address` is a path, or ``host:port``."""
        self.address = address
        host, _, port = address.rpartition(":")
        self._tcp = (host.strip("[]"), int(port)) if "/" not in address and port.isdigit() else None

    def ask(self, command: str, timeout: float) -> str:
        """The answer to one line of commands, within `timeout` seconds.

        Raises StepFailed when HAProxy cannot be asked, DeadlineExceeded when it does not answer in time.
        """
        if timeout <= 0:
            raise DeadlineExceeded(f"there was no time left to ask HAProxy on {self.address}; is it slow?")
        deadline = time.monotonic() + timeout
        try:
            with self._connect(timeout) as connection:
                connection.sendall(command.encode() + b"\n")
                return self._read(connection, deadline)
        except TimeoutError:
            raise DeadlineExceeded(
                f"HAProxy did not answer on {self.address} in {timeout:.1f} s; is its process frozen?"
            ) from None
        except OSError as trouble:
            reason = trouble.strerror or str(trouble)
            raise StepFailed(
                f"HAProxy cannot be asked on {self.address}: {reason}; check that it runs and that its "
                "'stats socket' is there with level admin"
            ) from None

    def _connect(self, timeout: float) -> socket.socket:
        if self._tcp is not None:
            return socket.create_connection(self._tcp, timeout)
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(timeout)
            connection.connect(self.address)
        except BaseException:
            connection.close()
            raise
        return connection

    def _read(self, connection: socket.socket, deadline: float) -> str:
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            connection.settimeout(left)
        return b"".join(parts).decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Row:
    """One server in one backend, from ``show servers state``."""

    backend: str
    server: str
    operational: int
    administrative: int
    weight: int
    initial_weight: int
    check_status: int
    check_result: int
    check_state: int
    agent_state: int

    @property
    def key(self) -> tuple[str, str]:
        """(backend, server)."""
        return self.backend, self.server

    @property
    def path(self) -> str:
        """As commands name it."""
        return f"{self.backend}/{self.server}"

    @property
    def takes_sessions(self) -> bool:
        """Whether a new session may be sent to it."""
        return self.operational in _RUNNING and self.administrative == 0 and self.weight > 0

    @property
    def ours(self) -> bool:
        """Whether it is in maintenance with repman's mark: no weight, though it is configured with one."""
        return bool(self.administrative & _MAINTENANCE) and self.weight == 0 < self.initial_weight

    @property
    def by_hand(self) -> bool:
        """Whether an operator put it into maintenance or drains it, by state or by weight."""
        return (bool(self.administrative & _FORCED) or self.weight == 0) and not self.ours

    @property
    def agent(self) -> bool:
        """Whether an agent check is configured and enabled."""
        return bool(self.agent_state & _CHECK_ENABLED)

    @property
    def probed(self) -> bool:
        """Whether its own check asks more than TCP, so that a probe may tell it the role."""
        return bool(self.check_state & _CHECK_ENABLED) and self.check_status in _CHECK_L7

    @property
    def lever(self) -> str:
        """Which check of it can say a role: ``agent``, ``health``, or none."""
        return "agent" if self.agent else "health" if self.probed else ""

    @property
    def asking(self) -> bool:
        """Whether that check is under way."""
        state = {"agent": self.agent_state, "health": self.check_state}.get(self.lever, 0)
        return bool(state & _CHECK_UNDER_WAY)

    @property
    def check_failed(self) -> bool:
        """Whether HAProxy's own latest check of it failed."""
        return bool(self.check_state & _CHECK_ENABLED) and self.check_result == _CHECK_FAILED

    @property
    def why_not(self) -> str:
        """Why it takes no sessions, for people."""
        if self.by_hand:
            return "an operator put it into maintenance; give it back with 'set server ... state ready'"
        if self.administrative:
            return "it is in maintenance"
        if self.check_failed:
            return "HAProxy's own check of it fails; is it reachable from HAProxy?"
        return "it is marked down"


def read_rows(answer: str) -> tuple[Row, ...]:
    """The servers in an answer to one or more ``show servers state``.

    Raises StepFailed when the answer holds anything else, such as an unknown backend.
    """
    rows = []
    for line in answer.splitlines():
        fields = line.split(None, _COLUMNS)
        if len(fields) > _COLUMNS and fields[0].isdigit():
            rows.append(_row(fields))
        elif len(fields) > 1 and fields[0] != "#":
            raise StepFailed(f"HAProxy answered '{line.strip()}'; check the backends' names")
    return tuple(rows)


def _row(fields: list[str]) -> Row:
    return Row(
        backend=fields[1],
        server=fields[3],
        operational=int(fields[5]),
        administrative=int(fields[6]),
        weight=int(fields[7]),
        initial_weight=int(fields[8]),
        check_status=int(fields[10]),
        check_result=int(fields[11]),
        check_state=int(fields[13]),
        agent_state=int(fields[14]),
    )


def read_sessions(answer: str) -> dict[tuple[str, str], int]:
    """Sessions by (backend, server), from ``show stat``."""
    lines = [line for line in answer.splitlines() if line]
    if not lines or not lines[0].startswith("# pxname"):
        raise StepFailed(f"HAProxy answered '{' '.join(lines)[:200]}' instead of its statistics")
    lines[0] = lines[0][2:]
    return {(row["pxname"], row["svname"]): int(row["scur"] or 0) for row in csv.DictReader(lines)}
