"""HAProxy, steered through its runtime socket.

The configuration this driver expects has one backend for writes and one for reads, with every database server
in both.  Each server has HAProxy's own TCP check of the database port and an agent check that asks repman's
probe process for the server's role.  Both must agree before a server takes sessions, and an agent that cannot
be reached changes nothing: that is why killing repman does not stop writes.

What HAProxy 2.6 does, as measured with the real one (see tests/integration/test_haproxy.py):

- `set server B/S agent up|down` takes effect at once and lasts until the next answer of the agent.  `agent
  up` lifts even a server whose own check has failed, until that check fails again; so a server that HAProxy
  cannot reach is not lifted again and again.
- A check in flight may bring the answer from before the change.  The driver reads the state back until none
  that can say a role is under way, and says it again if it was overruled.
- `set server B/S health up|down` lasts until the next check.  It is the lever for servers without an agent
  whose check asks a probe over HTTP.
- `state maint` overrides every check, outlives repman, and is used only where there is no other lever.  The
  weight is set to 0 with it: that is the mark by which repman, also a restarted one, tells its own
  maintenance from an operator's, which it reports and leaves alone.
- All of this is forgotten when HAProxy restarts; the probes then say it again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from repman.errors import DeadlineExceeded, StepFailed
from repman.model.decision import Routes
from repman.model.observation import ProxySeen
from repman.proxies.haproxy_runtime import Row, RuntimeSocket, read_rows, read_sessions

_SETTLE = 0.05
"""Seconds for which an agent check under way is waited for; a healthy one takes a millisecond."""
_LIFT_AGAIN = 10.0
"""Seconds before a server that HAProxy's own check finds dead is put in again."""
_STUBBORN = 3
_STUBBORN_FOR = 30.0
"""So often in so many seconds may a server come back by a check of its own; then that check knows no roles, and
maintenance is used."""
_PAUSE = 0.001


_Key = tuple[str, str]
"""(backend, server)."""


class Haproxy:
    """One HAProxy in front of one cluster.  Used by one thread."""

    def __init__(self, name: str, socket: str, write_backend: str, read_backend: str, names: Mapping[str, str]) -> None:
        """`socket` is a path or ``host:port``, level admin; `names` maps address to HAProxy's server name."""
        self.name = name
        self._runtime = RuntimeSocket(socket)
        self._write = write_backend
        self._read = read_backend
        self._names = dict(names)
        self._addresses = {server: address for address, server in names.items()}
        self._overruled: dict[_Key, list[float]] = {}
        self._lifted: dict[_Key, float] = {}

    def observe(self, timeout: float) -> ProxySeen:
        """What it routes now, in one short exchange; trouble is told in `error`, never raised."""
        try:
            rows = self._rows(timeout)
        except StepFailed as trouble:
            return ProxySeen(self.name, False, str(trouble))
        by_hand = {row.server for row in rows if row.by_hand}
        return ProxySeen(
            self.name,
            True,
            self._mismatch(rows),
            self._taking(rows, self._write),
            self._taking(rows, self._read),
            tuple(address for address, server in self._names.items() if server in by_hand),
        )

    def away(self, address: str, timeout: float) -> None:
        """Send no new write session to that server and cut those it has, and see both done.

        Raises StepFailed, or DeadlineExceeded when a session outlives `timeout`.
        """
        deadline = time.monotonic() + timeout
        server = self._server(address)
        row = self._row(self._rows(timeout), self._write, server)
        cut = f"shutdown sessions server {self._write}/{server}"
        self._say([*self._down(row), cut], deadline)
        self._remember(row, False)
        row = self._row(self._settle({row.key: False}, deadline), self._write, server)
        if row.takes_sessions:
            raise StepFailed(f"HAProxy {self.name} still sends writes to {row.path} though told not to")
        while (left := self._sessions(server, deadline)) > 0:
            if time.monotonic() >= deadline:
                raise DeadlineExceeded(
                    f"HAProxy {self.name} still holds {left} write sessions of {address}; "
                    f"cut them with 'shutdown sessions server {self._write}/{server}'"
                )
            time.sleep(_PAUSE)
            self._say([cut], deadline)

    def route(self, routes: Routes, timeout: float) -> None:
        """Send writes and reads as told, and to nobody else; what is so already is not touched.

        A server that an operator put into maintenance stays there.  Raises StepFailed when the writer takes
        no sessions or another server still does; a reader that HAProxy's own check finds dead is no failure.
        """
        deadline = time.monotonic() + timeout
        rows = self._rows(timeout)
        wanted = {
            self._write: {self._server(routes.writer)} if routes.writer else set(),
            self._read: {self._server(address) for address in routes.readers},
        }
        orders = self._orders(rows, wanted)
        if orders:
            # Those who leave first: there is no moment with two writers.
            first_down = sorted(orders, key=lambda order: order[1])
            self._say([command for _, _, commands in first_down for command in commands], deadline)
            rows = self._settle({key: up for key, up, _ in orders}, deadline)
        self._check(rows, routes, wanted)

    def close(self) -> None:
        """Nothing is kept open: a kept connection would talk to the old process after a reload of HAProxy."""

    def _orders(self, rows: Iterable[Row], wanted: Mapping[str, set[str]]) -> list[tuple[_Key, bool, list[str]]]:
        """What is to be said to the servers that are not as wanted: (server, up or down, commands)."""
        orders = []
        for row in rows:
            if row.server not in self._addresses:
                continue
            up = row.server in wanted[row.backend]
            if row.takes_sessions != up and not row.by_hand:
                commands = self._up(row) if up else self._down(row)
                orders.append((row.key, up, commands))
            self._remember(row, up)
        return [order for order in orders if order[2]]

    def _remember(self, row: Row, up: bool) -> None:
        if up:
            self._overruled.pop(row.key, None)
        else:
            self._lifted.pop(row.key, None)
            if row.takes_sessions:
                now = time.monotonic()
                lately = [at for at in self._overruled.get(row.key, ()) if now - at < _STUBBORN_FOR]
                self._overruled[row.key] = [*lately, now]

    def _down(self, row: Row) -> list[str]:
        """The commands that take a server out, by the mildest lever it has."""
        if row.by_hand:
            return []
        if row.agent:
            return [f"set server {row.path} agent down"]
        if row.probed and len(self._overruled.get(row.key, ())) < _STUBBORN:
            return [f"set server {row.path} health down"]
        return [f"set server {row.path} weight 0", f"set server {row.path} state maint"]

    def _up(self, row: Row) -> list[str]:
        """The commands that put a server in; empty when only HAProxy's own check keeps it out."""
        orders = []
        if row.ours:
            orders = [f"set server {row.path} weight 100%", f"set server {row.path} state ready"]
        if row.check_failed or row.lever == "health":
            now = time.monotonic()
            if now < self._lifted.get(row.key, -_LIFT_AGAIN) + _LIFT_AGAIN:
                return orders
            self._lifted[row.key] = now
            orders.append(f"set server {row.path} health up")
        if row.agent:
            orders.append(f"set server {row.path} agent up")
        return orders

    def _settle(self, aim: Mapping[_Key, bool], deadline: float) -> tuple[Row, ...]:
        """Read back until no check that can say a role is under way, repeating what one has overruled."""
        until = min(deadline, time.monotonic() + _SETTLE)
        while True:
            rows = self._rows(deadline - time.monotonic())
            mine = [row for row in rows if row.key in aim and row.lever]
            wrong = [row for row in mine if row.takes_sessions != aim[row.key]]
            if (not wrong and not any(row.asking for row in mine)) or time.monotonic() >= until:
                return rows
            if wrong:
                says = {True: "up", False: "down"}
                self._say([f"set server {row.path} {row.lever} {says[aim[row.key]]}" for row in wrong], deadline)
            time.sleep(_PAUSE)

    def _check(self, rows: Iterable[Row], routes: Routes, wanted: Mapping[str, set[str]]) -> None:
        faults = []
        for row in rows:
            if row.server not in self._addresses:
                continue
            up = row.server in wanted[row.backend]
            if row.takes_sessions and not up:
                faults.append(f"{row.path} still takes sessions")
            elif up and not row.takes_sessions and row.backend == self._write:
                faults.append(f"the writer {row.path} takes none: {row.why_not}")
        if routes.writer:
            self._row(rows, self._write, self._server(routes.writer))
        if faults:
            raise StepFailed(f"HAProxy {self.name} does not route as told: " + "; ".join(faults))

    def _server(self, address: str) -> str:
        try:
            return self._names[address]
        except KeyError:
            raise StepFailed(
                f"HAProxy {self.name} has no server for {address}; add it to the backends "
                f"{self._write} and {self._read} and to the cluster's configuration"
            ) from None

    def _rows(self, timeout: float) -> tuple[Row, ...]:
        command = f"show servers state {self._write}"
        if self._read != self._write:
            command += f";show servers state {self._read}"
        return read_rows(self._runtime.ask(command, timeout))

    def _row(self, rows: Iterable[Row], backend: str, server: str) -> Row:
        for row in rows:
            if row.key == (backend, server):
                return row
        raise StepFailed(f"HAProxy {self.name} has no server {backend}/{server}; add it to its configuration")

    def _say(self, commands: Iterable[str], deadline: float) -> None:
        answer = self._runtime.ask(";".join(commands), deadline - time.monotonic())
        complaints = [line for line in answer.splitlines() if line and not line.startswith("Server ")]
        if complaints:
            raise StepFailed(f"HAProxy {self.name} refused an order: {' '.join(complaints)}")

    def _sessions(self, server: str, deadline: float) -> int:
        answer = self._runtime.ask(f"show stat {self._write} 4 -1", deadline - time.monotonic())
        return read_sessions(answer).get((self._write, server), 0)

    def _taking(self, rows: Iterable[Row], backend: str) -> tuple[str, ...]:
        up = {row.server for row in rows if row.backend == backend and row.takes_sessions}
        return tuple(address for address, server in self._names.items() if server in up)

    def _mismatch(self, rows: tuple[Row, ...]) -> str:
        """What the configurations of HAProxy and of repman disagree about, as one sentence."""
        have = {row.key for row in rows}
        missing = [
            f"{backend}/{server}"
            for backend in dict.fromkeys((self._write, self._read))
            for server in self._names.values()
            if (backend, server) not in have
        ]
        strange = [row.path for row in rows if row.server not in self._addresses]
        parts = []
        if missing:
            parts.append(f"HAProxy {self.name} has no {', '.join(missing)}")
        if strange:
            parts.append(f"HAProxy {self.name} has servers repman does not know: {', '.join(strange)}")
        return "; ".join(parts)
