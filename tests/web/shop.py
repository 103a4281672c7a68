"""A cluster called shop, made by hand: db1 writes, db2 and db3 follow, one event, one HAProxy."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from repman.config.settings import (
    ClusterSettings,
    Credential,
    HaproxySettings,
    ServiceSettings,
    Settings,
)
from repman.model.decision import Routes, ServerState
from repman.model.observation import Link, ProxySeen, Reach, Receiver, SemiSync, ServerSeen
from repman.model.plan import Step, StepKind
from repman.model.policy import ClusterPolicy, ServerPolicy
from repman.model.position import MariadbGtid
from repman.model.problem import Problem, Refusal, Severity
from repman.model.snapshot import FORMAT, Event, PlanView, ServerView, Snapshot
from repman.model.version import ServerVersion

ADMIN = Credential("admin", "right-horse")
GUEST = Credential("guest", "battery-staple")
WRITER = "127.0.0.1:3301"


def settings(root: Path, clusters: tuple[str, ...] = ("shop",), **service: object) -> Settings:
    """admin may everything, guest nothing."""
    values: dict[str, object] = {
        "datadir": root / "data",
        "rundir": root / "run",
        "api_users": (ADMIN, GUEST),
        "acl_allow": {"admin": ("global", "cluster", "proxy", "db", "prov")},
        "options": {"http-port": 10001, "http-bind-address": "127.0.0.1"},
    }
    return Settings(ServiceSettings(**(values | service)), tuple(cluster_settings(name) for name in clusters))  # type: ignore[arg-type]


def cluster_settings(name: str) -> ClusterSettings:
    return ClusterSettings(
        policy=ClusterPolicy(name, tuple(server_policy(number) for number in (1, 2, 3)), switchover_timeout=2.0),
        database=Credential("root", "db-secret"),
        replication=Credential("repl", "repl-secret"),
        haproxies=(HaproxySettings("front", "/run/haproxy.sock", "write", "read"),),
        options={
            "failover-max-slave-delay": 30,
            "failover-readonly-state": True,
            "db-servers-credential": "root:*****",
            "db-servers-hosts": ("127.0.0.1:3301", "127.0.0.1:3302"),
        },
    )


def server_policy(number: int) -> ServerPolicy:
    return ServerPolicy(
        f"127.0.0.1:330{number}",
        "127.0.0.1",
        3300 + number,
        f"db100{number}",
        f"db{number}",
        preferred=0 if number == 1 else None,
        electable=number != 3,
    )


def server_seen(number: int) -> ServerSeen:
    position = MariadbGtid.parse(f"0-1-{100 - number}")
    link = Link(WRITER, 1, Receiver.RUNNING, True, MariadbGtid.parse("0-1-99"), 12, 0.5, 0.0)
    return ServerSeen(
        f"127.0.0.1:330{number}",
        Reach.ANSWERED,
        at=12.5,
        version=ServerVersion.parse("10.11.6-MariaDB-log", "Debian 12"),
        server_id=number,
        boot="boot",
        read_only=number != 1,
        executed=position,
        received=position,
        links=() if number == 1 else (link,),
        semi_sync=SemiSync(True, True, number == 1, 2 if number == 1 else 0, 1e6, True),
        binlog=True,
        log_replica_updates=True,
        strict_gtid=True,
        row_format=True,
    )


def server_view(number: int) -> ServerView:
    return ServerView(
        server_policy(number),
        server_seen(number),
        None,
        ServerState.MASTER if number == 1 else ServerState.SLAVE,
        ServerState.SUSPECT,
        maintenance=False,
        failures=0,
    )


def snapshot(cluster: str = "shop", **changes: object) -> Snapshot:
    """Healthy and protected, unless changed."""
    steps = (
        Step(StepKind.FENCE, "127.0.0.1:3302"),
        Step(StepKind.PROMOTE, WRITER),
        Step(StepKind.FOLLOW, "127.0.0.1:3302", WRITER, essential=False),
    )
    healthy = Snapshot(
        format=FORMAT,
        cluster=cluster,
        at=1_700_000_100.0,
        monotonic=time.monotonic(),
        generation=7,
        run="run-1",
        active=True,
        lease="held by us",
        paused=False,
        writer=WRITER,
        writer_alive=True,
        topology="master-slave",
        protected=True,
        blocked_by=(),
        refusals=(),
        problems=(Problem("replica-late", Severity.WARNING, "db3 is late.", "127.0.0.1:3303", "WARN0041"),),
        routes=Routes(WRITER, ("127.0.0.1:3302", "127.0.0.1:3303")),
        servers=tuple(server_view(number) for number in (1, 2, 3)),
        proxies=(ProxySeen("front", True, write=(WRITER,), read=("127.0.0.1:3302", "127.0.0.1:3303")),),
        plan=PlanView(
            "plan-1",
            "switchover",
            "an operator asked",
            steps,
            3,
            "done",
            "",
            1_700_000_000.0,
            0.25,
            "127.0.0.1:3302",
            WRITER,
            (0.1, 0.1, 0.05),
        ),
        in_failover=False,
        failovers=2,
        last_failover=1_600_000_000.5,
        degraded=False,
        unprotected_seconds=1.0,
        writer_seconds=99.0,
        protected_seconds=50.0,
        watched_seconds=100.0,
        ticks=70,
        tick_seconds=0.01,
        events=(
            Event(1_700_000_000.0, "INFO", "db1 took over", WRITER, "switchover"),
            Event(1_700_000_001.0, "ALERT", "<script>alert(1)</script>", "", ""),
        ),
    )
    return replace(healthy, **changes)  # type: ignore[arg-type]


def unprotected() -> Snapshot:
    """The writer died and nobody may take over."""
    reason = Refusal("no-candidate", "No server can become the writer.", "127.0.0.1:3302")
    return snapshot(
        writer_alive=False,
        protected=False,
        blocked_by=(reason,),
        refusals=(reason,),
        routes=Routes(),
        problems=(Problem("writer-dead", Severity.ERROR, "db1 is dead.", WRITER, "ERR00012"),),
    )
