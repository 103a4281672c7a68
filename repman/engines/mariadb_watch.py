"""One server as the monitor watches it: a kept connection, the query in flight, the vote it holds."""

from __future__ import annotations

import select
import time

from repman.engines.mariadb_observe import (
    OPENING,
    Identity,
    Look,
    LookReader,
    holder_query,
    look_query,
)
from repman.engines.mysqldial import Dial, Target, reach_of_number
from repman.engines.mysqlwire import Answer, Result, Wire, WireClosed, texts
from repman.model.observation import START_TOLERANCE, Inventory, Reach, ServerSeen

REDIALS = 3
"""Connections tried in one look after one was closed: a dying process refuses only when all of it is gone."""
SAME_START = START_TOLERANCE
"""Seconds by which a server's idea of its own start may drift when its clock is corrected."""


class Watch:
    """The observing side of one server.  Never blocks; driven by `MariadbCluster` through poll()."""

    def __init__(
        self, target: Target, account: tuple[str, str], cluster: str, contend: bool, connect_timeout: float
    ) -> None:
        self.target = target
        self.inventory: Inventory | None = None
        self.seen = ServerSeen(target.address, Reach.PENDING, 0.0)
        self.unfinished = False
        self._account = account
        self._query = look_query(cluster, contend).encode()
        self._connect_timeout = connect_timeout
        self._wire: Wire | None = None
        self._dial: Dial | None = None
        self._reader = LookReader()
        self._identity: Identity | None = None
        self._boot = ""
        self._born = 0.0
        self._answered_at = 0.0
        self._late = False
        self._lost: tuple[Reach, str] | None = None
        self._redials = 0
        self._holders: dict[int, str] = {}
        self._asked_holder = 0

    # one look

    def begin(self) -> None:
        """Start a look: ask over the kept connection, or go on connecting."""
        self.unfinished, self._lost, self._redials = True, None, 0
        if self._wire is None:
            self._connect()
        elif self._wire.asked:
            self._late = True  # the answer of an earlier look: proof of life, but old; ask again after it
        else:
            self._ask()

    def waits_for(self) -> tuple[int, int]:
        """Descriptor and poll() events that bring the look on; -1 when there is nothing to wait for."""
        if self._dial is not None:
            return self._dial.waits_for()
        return (self._wire.fileno() if self._wire is not None else -1), select.POLLIN

    def advance(self, ready: bool) -> None:
        """Go on with the look; `ready` says whether poll() reported the descriptor."""
        if self._dial is not None:
            self._dial.advance(ready)
            self._dialled()
        elif ready and self._wire is not None:
            self._receive(self._wire)

    def give_up(self) -> None:
        """The look's time is over.  What is under way stays so for the next one."""
        if self.unfinished:
            self._finish(*(self._lost or (Reach.SILENT, "no answer in time")))

    # between looks

    def idle_events(self) -> tuple[int, int]:
        """Descriptor and poll() events that say that the kept connection was closed; -1 without one."""
        if self._wire is None:
            return -1, 0
        return self._wire.fileno(), select.POLLRDHUP if self._wire.asked else select.POLLIN

    def closed_meanwhile(self) -> None:
        """poll() reported `idle_events`: forget the connection, the next look makes a new one."""
        self._drop()

    def keep(self) -> None:
        """Ask without waiting, so that a long step does not let the session (and the vote) time out."""
        if self._wire is not None and not self._wire.asked:
            try:
                self._wire.ask(b"SELECT 1")
            except WireClosed:
                self._drop()

    @property
    def wire(self) -> Wire | None:
        """The kept connection when it is idle; for the one who finds no other way in."""
        return self._wire if self._wire is not None and not self._wire.asked else None

    def close(self) -> None:
        """Give up connection and vote."""
        self._drop()
        if self._dial is not None:
            self._dial.abandon()
            self._dial = None

    # steps of a look

    def _connect(self) -> None:
        if self._dial is None:
            self._dial = Dial(self.target, self._account, OPENING, self._connect_timeout)
        self._dialled()

    def _dialled(self) -> None:
        dial = self._dial
        if dial is None or not dial.done:
            return
        self._dial = None
        if dial.wire is not None:
            self._logged_in(dial.wire)
        elif dial.failure is not None:
            reach, text = dial.failure
            if reach is Reach.CLOSED and self._redials < REDIALS:
                self._redials += 1
                self._lost = self._lost or dial.failure
                self._connect()
            elif self.unfinished:
                self._finish(reach, text)

    def _logged_in(self, wire: Wire) -> None:
        self._wire, self._late = wire, False
        self._holders.clear()
        identity = Identity.read(wire.facts)
        if not self._same_process(identity):
            young = identity.uptime <= 2 * SAME_START
            self._boot = f"{identity.started}.{wire.session}" if young else f"~{identity.started}"
            self._born = time.monotonic() - identity.uptime
        self._identity = identity
        if self.unfinished:
            self._ask()

    def _same_process(self, identity: Identity) -> bool:
        """Whether the server lives on since the last look that it answered.

        The times of two starts that follow each other closely cannot be told apart; then it counts as started
        anew, for what depends on that is only what a restarted server may have lost.
        """
        before = self._identity
        if before is None or abs(before.started - identity.started) > SAME_START:
            return False
        return self._answered_at - self._born > 2 * SAME_START

    def _ask(self) -> None:
        assert self._wire is not None
        query = self._query
        if self._asked_holder:
            query = query + b";" + holder_query(self._asked_holder).encode()
        try:
            self._late = False
            self._wire.ask(query)
        except WireClosed as error:
            self._connection_lost(error)

    def _receive(self, wire: Wire) -> None:
        try:
            answer = wire.receive()
        except WireClosed as error:
            self._connection_lost(error)
            return
        if answer is None:
            return
        if self._late:
            self._ask()
        else:
            self._answered(answer)

    def _connection_lost(self, error: WireClosed) -> None:
        silent = isinstance(error.__cause__, TimeoutError)
        self._lost = (Reach.SILENT if silent else Reach.CLOSED), str(error)
        self._drop()
        if self._redials < REDIALS:
            self._redials += 1
            self._connect()
        else:
            self.give_up()

    def _answered(self, answer: Answer) -> None:
        if answer.error is not None:
            self._finish(reach_of_number(answer.error.number), str(answer.error))
            return
        try:
            look = self._reader.read(answer.results)
        except (ValueError, IndexError) as error:
            self._finish(Reach.BUSY, f"its answer is not that of a MariaDB server that repman knows: {error}")
            return
        self._note_holder(look, answer.results[3:])
        assert self._identity is not None
        self._answered_at = time.monotonic()
        self.seen = ServerSeen(
            address=self.target.address,
            reach=Reach.ANSWERED,
            at=self._answered_at,
            version=self._identity.version,
            server_id=look.server_id,
            boot=self._boot,
            read_only=look.read_only,
            executed=look.executed,
            received=look.received,
            links=look.links,
            semi_sync=look.semi_sync,
            binlog=self._identity.binlog,
            log_replica_updates=self._identity.log_replica_updates,
            strict_gtid=look.strict_gtid,
            row_format=look.row_format,
            leased=look.leased,
            lease_holder="" if look.leased else self._holders.get(look.holder, ""),
            inventory=self.inventory,
        )
        self.unfinished = False

    def _note_holder(self, look: Look, extra: list[Result]) -> None:
        if extra and self._asked_holder:
            words = [" at ".join(texts(row)) for row in extra[0].rows] or ["a session that we may not see"]
            self._holders[self._asked_holder] = f"{words[0]} (session {self._asked_holder})"
        self._asked_holder = 0
        if not look.leased and look.holder and look.holder not in self._holders:
            self._holders.clear()
            self._holders[look.holder] = f"session {look.holder}"
            self._asked_holder = look.holder

    def _finish(self, reach: Reach, text: str) -> None:
        self.seen = ServerSeen(self.target.address, reach, time.monotonic(), text)
        self.unfinished = False

    def _drop(self) -> None:
        if self._wire is not None:
            self._wire.drop()
            self._wire = None
        self._late = False
