"""Full values of the model to write and read back."""

from __future__ import annotations

import time

from repman.model.decision import Routes, ServerState
from repman.model.memory import Memory, Progress, ServerMemory
from repman.model.observation import Inventory, Link, ProxySeen, Reach, Receiver, SemiSync, ServerSeen
from repman.model.plan import Plan, PlanKind, Step, StepKind
from repman.model.policy import ServerPolicy
from repman.model.position import MariadbGtid
from repman.model.probe import ProbeTable, probe_table
from repman.model.problem import Problem, Refusal, Severity
from repman.model.snapshot import FORMAT, Event, PlanView, ServerView, Snapshot
from repman.model.version import ServerVersion

GTID = MariadbGtid.parse("0-1-9,1-2-5", "0-1-9,0-3-7,1-2-5")
MORE = MariadbGtid.parse("0-1-12,1-2-5")


def seen(number: int) -> ServerSeen:
    source = "127.0.0.1:3301"
    link = Link(source, 1, Receiver.RUNNING, True, MORE, 12, 0.5, 0.0)
    return ServerSeen(
        f"127.0.0.1:330{number}",
        Reach.ANSWERED,
        at=12.5,
        version=ServerVersion.parse("10.11.6-MariaDB-log", "Debian"),
        server_id=number,
        read_only=number != 1,
        executed=GTID,
        received=MORE,
        links=() if number == 1 else (link,),
        semi_sync=SemiSync(True, True, True, 2, 1e6, True),
        inventory=Inventory(3.0, ("root@%",), ("shop",), variables=(("a", "b"),)),
    )


def snapshot(cluster: str = "shop", servers: int = 3, generation: int = 1, events: int = 20) -> Snapshot:
    views = tuple(
        ServerView(
            ServerPolicy(f"127.0.0.1:330{n}", "127.0.0.1", 3300 + n, f"db{n}", f"name{n}"),
            seen(n),
            seen(n) if n == 2 else None,
            ServerState.MASTER if n == 1 else ServerState.SLAVE,
            ServerState.SUSPECT,
            False,
            0,
        )
        for n in range(1, servers + 1)
    )
    steps = (Step(StepKind.FENCE, "127.0.0.1:3301"), Step(StepKind.OPEN, "127.0.0.1:3302"))
    return Snapshot(
        format=FORMAT,
        cluster=cluster,
        at=1.7e9,
        monotonic=time.monotonic(),
        generation=generation,
        run="run",
        active=True,
        lease="held",
        paused=False,
        writer="127.0.0.1:3301",
        writer_alive=True,
        topology="master-slave",
        protected=False,
        blocked_by=(Refusal("no-replica", "No replica.", "x"),),
        refusals=(),
        problems=(Problem("late", Severity.WARNING, "It is late.", "127.0.0.1:3302"),),
        routes=Routes("127.0.0.1:3301", ("127.0.0.1:3302", "127.0.0.1:3303")),
        servers=views,
        proxies=(ProxySeen("haproxy", True, write=("127.0.0.1:3301",)),),
        plan=PlanView("id", "failover", "why", steps, 1, "running", "", 1.7e9, 0.5, "a", "b", (0.1, 0.2)),
        in_failover=False,
        failovers=2,
        last_failover=None,
        degraded=False,
        unprotected_seconds=0.5,
        writer_seconds=9.0,
        protected_seconds=8.0,
        watched_seconds=10.0,
        ticks=7,
        tick_seconds=0.01,
        events=tuple(Event(1.7e9 + n, "INFO", f"Something of the kind {n} happened.") for n in range(events)),
    )


def table(cluster: str = "shop") -> ProbeTable:
    return probe_table(snapshot(cluster), "keep", 60.0)


def memory(cluster: str = "shop") -> Memory:
    server = ServerMemory(
        "127.0.0.1:3302",
        seen(2),
        Progress("127.0.0.1:3301", 12, MORE, 12.5),
        MORE,
        failing_since=11.0,
        failures=3,
        acker=True,
        unacknowledged="0-1-13",
    )
    return Memory(
        cluster,
        "127.0.0.1:3301",
        GTID,
        (server,),
        failovers=2,
        last_failover=1.7e9,
        last_failover_monotonic=10.0,
        unacked_since=11.5,
        stalled_since=12.25,
        unprotected_seconds=3.5,
        refused_plans=(("repair x", 20.0),),
    )


def plan(cluster: str = "shop") -> Plan:
    return Plan(
        PlanKind.FAILOVER,
        cluster,
        (
            Step(StepKind.FENCE, "127.0.0.1:3301", timeout=2.0),
            Step(StepKind.PROMOTE, "127.0.0.1:3302"),
            Step(StepKind.FOLLOW, "127.0.0.1:3303", "127.0.0.1:3302", essential=False),
        ),
        "The writer is dead.",
        "127.0.0.1:3301",
        "127.0.0.1:3302",
        undo=(Step(StepKind.OPEN, "127.0.0.1:3301"),),
        assumptions=("it is dead",),
        ranking=("127.0.0.1:3302 first",),
    )
