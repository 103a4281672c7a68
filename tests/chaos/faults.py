"""The hands that break things, and the one that mends them all."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable

import pymysql
from cluster import World
from ledger import Ledger
from mariadb_stand import Server
from schedule import Fault

from repman.errors import RepmanError

FINDS = 5.0
"""Longest wait for a new writer before the fault that is meant for it hits whoever is there."""


class Hands:
    """Does faults to a world; what lasts is ended in threads of its own."""

    def __init__(self, world: World, ledger: Ledger) -> None:
        self.done: list[str] = []
        """What was done, with wall time."""
        self.by_hand: dict[str, list[float]] = {}
        """When a server was opened by hand."""
        self._world = world
        self._ledger = ledger
        self._threads: list[threading.Thread] = []

    def do(self, fault: Fault) -> None:
        """Begin that fault; returns at once, or as soon as its parts are done."""
        self.note(str(fault))
        ACTS[fault.name](self, fault)

    def heal(self) -> None:
        """End all that lasts, start what is dead, go on with what is frozen."""
        self.note("heal")
        for thread in self._threads:
            thread.join(100)
            assert not thread.is_alive(), "a fault does not end"
        self._threads.clear()
        for server in self._world.servers:
            self._signal(server, signal.SIGCONT)
        self._start_all()
        if self._world.repman.pid("serve") is None:
            self._start_repman()

    def _start_all(self) -> None:
        deadline = time.monotonic() + 30
        while True:
            try:
                self._world.sandbox.start_all()
                return
            except RepmanError as error:  # the plan of the moment kills one that has just been started
                self.note(f"start again, for {error}")
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def note(self, text: str) -> None:
        self.done.append(f"{time.time():.3f} ({time.monotonic():.3f}) {text}")

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        def wait_and_act() -> None:
            time.sleep(seconds)
            with contextlib.suppress(RepmanError):
                act()

        self._background(wait_and_act)

    def _background(self, act: Callable[[], None]) -> None:
        thread = threading.Thread(target=act)
        self._threads.append(thread)
        thread.start()

    def _writer(self) -> Server:
        address = self._world.repman.snapshot.writer
        return self._world.server(address or self._world.servers[0].address)

    def _replica(self, pick: int) -> Server:
        replicas = [server for server in self._world.servers if server is not self._writer()]
        return replicas[pick % len(replicas)]

    def _signal(self, server: Server, what: signal.Signals) -> None:
        pid = self._world.sandbox.pid(server.entry.name)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, what)

    def _kill(self, server: Server, seconds: float) -> None:
        self.note(f"kill {server.entry.name}")
        server.kill()
        self._later(seconds, lambda: self._start(server))

    def _start(self, server: Server) -> None:
        self.note(f"start {server.entry.name}")
        self._world.sandbox.start(server.entry.name)

    def _freeze(self, server: Server, seconds: float) -> None:
        self.note(f"freeze {server.entry.name}")
        pid = self._world.sandbox.pid(server.entry.name)
        self._signal(server, signal.SIGSTOP)
        self._later(seconds, lambda: self._thaw(server, pid))

    def _thaw(self, server: Server, pid: int | None) -> None:
        self.note(f"thaw {server.entry.name}")
        if pid is not None and pid == self._world.sandbox.pid(server.entry.name):
            os.kill(pid, signal.SIGCONT)

    def _sql(self, server: Server, statement: str) -> None:
        self.note(f"{statement} on {server.entry.name}")
        with contextlib.suppress(pymysql.Error, OSError):
            connection = server.connect(connect_timeout=1, read_timeout=2)
            with contextlib.closing(connection), connection.cursor() as cursor:
                cursor.execute(statement)

    def kill_writer(self, fault: Fault) -> None:
        self._kill(self._writer(), fault.seconds)

    def freeze_writer(self, fault: Fault) -> None:
        self._freeze(self._writer(), fault.seconds)

    def kill_replica(self, fault: Fault) -> None:
        self._kill(self._replica(fault.pick), fault.seconds)

    def freeze_replica(self, fault: Fault) -> None:
        self._freeze(self._replica(fault.pick), fault.seconds)

    def kill_replicas(self, fault: Fault) -> None:
        for pick in (0, 1):
            self._kill(self._replica(pick), fault.seconds)

    def kill_writer_and_replica(self, fault: Fault) -> None:
        writer, replica = self._writer(), self._replica(fault.pick)
        first, second = (writer, replica) if fault.pick % 4 < 2 else (replica, writer)
        self._kill(first, fault.seconds)
        time.sleep(fault.gap)
        self._kill(second, fault.seconds)

    def kill_writer_and_next(self, fault: Fault) -> None:
        old = self._writer()
        self._kill(old, fault.seconds + fault.gap)
        deadline = time.monotonic() + FINDS
        while self._writer() is old and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(fault.gap)
        self._kill(self._writer(), fault.seconds)

    def freeze_writer_and_replica(self, fault: Fault) -> None:
        writer, replica = self._writer(), self._replica(fault.pick)
        self._freeze(writer, fault.seconds)
        time.sleep(fault.gap)
        self._freeze(replica, fault.seconds / 2)

    def kill_all(self, fault: Fault) -> None:
        for server in self._world.servers:
            self._kill(server, fault.seconds)

    def kill_one_process(self, fault: Fault) -> None:
        self._world.repman.kill_one(fault.name.removeprefix("kill-"))

    def kill_repman(self, fault: Fault) -> None:
        self._world.repman.kill()
        self._later(fault.seconds, self._start_repman)

    def _start_repman(self) -> None:
        self.note("start repman")
        if self._world.repman.pid("serve") is None:
            self._world.repman.start(**self._world.standard)

    def restart_haproxy(self, fault: Fault) -> None:
        self._world.sandbox.kill("haproxy")
        self._later(fault.seconds, lambda: self._world.sandbox.start("haproxy") and None)

    def switchover(self, fault: Fault) -> None:
        target = self._replica(fault.pick).address if fault.pick % 3 else ""

        def ask() -> None:
            try:
                receipt = self._world.repman.ask("switchover", target)
                self.note(f"switchover to {target or 'anybody'}: {receipt.status} {receipt.sentence}")
            except RepmanError as error:
                self.note(f"switchover to {target or 'anybody'}: {error}")

        self._background(ask)

    def switchover_with_frozen_replica(self, fault: Fault) -> None:
        self._freeze(self._replica(fault.pick // 6), fault.seconds)
        time.sleep(fault.gap)
        self.switchover(fault)

    def switchover_in_a_long_write(self, fault: Fault) -> None:
        self._background(lambda: self._ledger.write_big(fault.seconds))
        time.sleep(fault.gap)
        self.switchover(fault)

    def stop_slave(self, fault: Fault) -> None:
        self._sql(self._replica(fault.pick), "STOP SLAVE")

    def stop_applier(self, fault: Fault) -> None:
        self._sql(self._replica(fault.pick), "STOP SLAVE SQL_THREAD")

    def open_replica(self, fault: Fault) -> None:
        replica = self._replica(fault.pick)
        self.by_hand.setdefault(replica.address, []).append(time.monotonic())
        self._sql(replica, "SET GLOBAL read_only=0")

    def strike_in_plan(self, fault: Fault) -> None:
        """Make it begin a plan, and hit somebody as soon as that has come to some step."""
        cause, step, victim = fault.pick % 3, fault.pick // 3 % 8, fault.pick // 24
        old = self._writer()
        before = self._world.repman.snapshot.plan
        if cause == 0:
            self._kill(old, fault.seconds)
        elif cause == 1:
            self._freeze(old, fault.seconds)
        else:
            self.switchover(fault)
        new = self._at_step(before.id if before else "", step) or self._replica(fault.pick)
        third = next(server for server in self._world.servers if server not in (old, new))
        self.note(f"strike at step {step}: old {old.entry.name}, new {new.entry.name}, third {third.entry.name}")
        strikes = (
            lambda: self.kill_monitor(),
            lambda: self._kill(new, fault.seconds),
            lambda: self._freeze(new, fault.seconds),
            lambda: self._kill(third, fault.seconds),
            lambda: self._freeze(third, fault.seconds),
            lambda: self._freeze(old, fault.seconds) if cause == 2 else self.kill_monitor(),
        )
        strikes[victim]()

    def kill_monitor(self) -> None:
        self.note("kill the monitor")
        self._world.repman.kill_one("monitor")

    def _at_step(self, before: str, step: int) -> Server | None:
        """Wait until a plan that moves the writer has come to its step of that number; who is to be the next one."""
        deadline = time.monotonic() + FINDS
        while time.monotonic() < deadline:
            plan = self._world.repman.snapshot.plan
            if plan is not None and plan.id != before and (plan.current >= step or plan.state != "running"):
                return self._world.server(plan.new_writer) if plan.new_writer and plan.old_writer else None
            time.sleep(0.0005)
        return None

    def big_writes(self, fault: Fault) -> None:
        for _ in range(4):
            self._background(self._ledger.write_big)


ACTS: dict[str, Callable[[Hands, Fault], None]] = {
    "kill-writer": Hands.kill_writer,
    "kill-writer-quick-restart": Hands.kill_writer,
    "freeze-writer": Hands.freeze_writer,
    "kill-replica": Hands.kill_replica,
    "freeze-replica": Hands.freeze_replica,
    "kill-replicas": Hands.kill_replicas,
    "kill-writer-and-replica": Hands.kill_writer_and_replica,
    "kill-writer-and-next": Hands.kill_writer_and_next,
    "freeze-writer-and-replica": Hands.freeze_writer_and_replica,
    "kill-all": Hands.kill_all,
    "kill-monitor": Hands.kill_one_process,
    "kill-probes": Hands.kill_one_process,
    "kill-web": Hands.kill_one_process,
    "kill-repman": Hands.kill_repman,
    "restart-haproxy": Hands.restart_haproxy,
    "switchover": Hands.switchover,
    "switchover-with-frozen-replica": Hands.switchover_with_frozen_replica,
    "switchover-in-a-long-write": Hands.switchover_in_a_long_write,
    "stop-slave": Hands.stop_slave,
    "stop-applier": Hands.stop_applier,
    "open-replica": Hands.open_replica,
    "big-writes": Hands.big_writes,
    "strike-in-plan": Hands.strike_in_plan,
}
