"""The in-memory engine is kept honest: the same random scripts on it and on real MariaDB look the same.

Where the two differ, the in-memory engine is wrong.
"""

from __future__ import annotations

import random
import time
from typing import Any

import pymysql
import pytest
from mariadb_stand import Stand

from repman.engines.memory import MemoryDriver, MemoryWorld, WriteState
from repman.engines.memory_replication import living_ackers
from repman.model.observation import ServerSeen
from repman.model.plan import Outcome, Step, StepKind

STEPS = (
    StepKind.FOLLOW,
    StepKind.FOLLOW,
    StepKind.PROMOTE,
    StepKind.OPEN,
    StepKind.CLOSE,
    StepKind.FENCE,
    StepKind.STOP_RECEIVING,
    StepKind.DRAIN,
    StepKind.RESUME,
    StepKind.CATCH_UP,
    StepKind.SEMI_SYNC_ON,
    StepKind.SEMI_SYNC_OFF,
)
OPERATIONS = ("write", "write", "write", "step", "step", "step", "step", "errant", "stop-applier", "start", "restart")
SETTLE = 8.0


class Twins:
    """The real servers and their simulated likeness, treated alike."""

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        self.told = ""
        writer, *others = stand.bootstrap()
        self.world = MemoryWorld(stand.addresses)
        self.driver = MemoryDriver(self.world, heartbeat_period=0.2)
        for seen, server in zip(stand.look(), self.world.servers.values(), strict=True):
            server.server_id = seen.server_id
        self.perform(Step(StepKind.PROMOTE, writer.address))
        for other in others:
            self.perform(Step(StepKind.FOLLOW, other.address, writer.address))
        self.perform(Step(StepKind.OPEN, writer.address))
        for _ in ("database", "table"):
            self.world.client_write(writer.address)
            self.world.sleep(0.2)

    def perform(self, step: Step) -> Outcome:
        """On the likeness."""
        return self.driver.perform(step, 1.5, lambda: None)

    def real(self, index: int) -> Any:
        """A real server."""
        return self.stand.servers[index]

    def blocks(self, index: int) -> bool:
        """Whether a commit there would wait for ever."""
        server = self.world.servers[self.stand.addresses[index]]
        return server.semi_sync.waits and not living_ackers(self.world, server)

    def do(self, operation: str, generator: random.Random) -> tuple[str, Any, Any]:
        """One operation on both; returns its name and what each answered."""
        index = generator.randrange(3)
        address = self.stand.addresses[index]
        server = self.world.servers[address]
        if operation == "step":
            kind = generator.choice(STEPS)
            source = self.stand.addresses[(index + generator.choice((1, 2))) % 3]
            needs_source = kind in (StepKind.FOLLOW, StepKind.CATCH_UP)
            step = Step(kind, address, source if needs_source else "")
            ours = self.perform(step)
            theirs = self.stand.driver.perform(step, 1.5, lambda: None)
            self.told = f"simulated: {ours.detail}; real: {theirs.detail}"
            return str(step), (ours.ok, ours.fence), (theirs.ok, theirs.fence)
        if operation in ("write", "errant") and self.blocks(index):
            return f"{operation} {index} skipped, as it would wait", None, None
        if operation == "write":
            write = self.world.client_write(address)
            self.world.sleep(0.3)
            return f"write {index}", write.state is WriteState.ACKNOWLEDGED, self._write(index)
        if operation == "errant":
            self.world.errant(address)
            self.real(index).as_root("INSERT INTO d.t (a) VALUES (0)")
        elif operation == "stop-applier":
            if server.channel is not None:
                server.channel.applier_running = False
                self.real(index).run("STOP SLAVE SQL_THREAD")
        elif operation == "start":
            server.start_threads()
            if server.channel is not None:
                self.real(index).run("START SLAVE")
        elif operation == "restart":
            # What the engine has not written to disk yet is in doubt after a crash; here it has (see the unit tests).
            self.real(index).as_root("FLUSH NO_WRITE_TO_BINLOG ENGINE LOGS")
            self.world.kill(address)
            self.real(index).kill()
            self.world.sleep(1.5)
            self.world.start(address)
            self.real(index).start()
        return f"{operation} {index}", None, None

    def _write(self, index: int) -> bool:
        try:
            self.real(index).write("INSERT INTO d.t (a) VALUES (1)")
        except pymysql.err.OperationalError as error:
            if error.args[0] != 1290:
                raise
            return False
        return True

    def differences(self) -> list[str]:
        """What still looks different when both had time to settle."""
        self.world.sleep(6.0)
        ours = [_shape(seen) for seen in self.driver.observe(1.0)]
        deadline = time.monotonic() + SETTLE
        while True:
            theirs = [_shape(seen) for seen in self.stand.look()]
            different = [
                f"{name} of server {number}: simulated {mine[name]}, real {their[name]}"
                for number, (mine, their) in enumerate(zip(ours, theirs, strict=True), 1)
                for name in mine
                if mine[name] != their[name]
            ]
            if not different or time.monotonic() > deadline:
                return different
            time.sleep(0.05)


def _shape(seen: ServerSeen) -> dict[str, object]:
    link, semi_sync = seen.link, seen.semi_sync
    return {
        "reach": seen.reach,
        "read_only": seen.read_only,
        "executed": str(seen.executed),
        "received": str(seen.received),
        "source": link and link.source,
        "receiver": link and link.receiver,
        "receiver error": link and link.receiver_errno,
        "applier": link and link.applier_running,
        "applier error": link and link.applier_errno,
        "waits": semi_sync and semi_sync.source_enabled,
        "ackers": semi_sync and semi_sync.ackers,
    }


@pytest.fixture
def twins(stand: Stand) -> Twins:
    return Twins(stand)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", range(8))
def test_the_same_script_looks_the_same(twins: Twins, seed: int) -> None:
    generator = random.Random(seed)
    done: list[str] = []
    assert not twins.differences()
    for _ in range(14):
        name, ours, theirs = twins.do(generator.choice(OPERATIONS), generator)
        done.append(name)
        script = "\n".join(done)
        assert ours == theirs, f"simulated {ours}, real {theirs}: {twins.told}\nafter:\n{script}"
        assert not (found := twins.differences()), "\n".join(found) + f"\nafter:\n{script}"
