"""Whether the demo's cluster is healthy and protected: asked of repman, and tried through HAProxy."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pymysql

from repman.cli.api import Api
from repman.cli.demo_place import CLUSTER, haproxy_of
from repman.cli.exits import ApiUnreachable
from repman.errors import MonitorDown, RepmanError
from repman.model.decision import ServerState
from repman.model.snapshot import Snapshot
from repman.orchestrators.sandbox import Sandbox

_HEALTHY = frozenset({ServerState.MASTER, ServerState.SLAVE, ServerState.RELAY})
_OLDEST = 5.0
_ANSWER = 3


def complaints(api: Api, sandbox: Sandbox, since: float = 0.0) -> tuple[str, ...]:
    """Everything that is not as it should be, one sentence each; empty: healthy and protected.

    What repman saw before `since` (Unix seconds) does not count.
    """
    try:
        snapshot, _ = api.snapshot(CLUSTER)
    except (ApiUnreachable, MonitorDown) as error:
        return (str(error),)
    except RepmanError as error:
        return (f"repman says nothing of the cluster yet: {error}",)
    seen = tuple(_of_snapshot(snapshot, since))
    return seen or tuple(_of_traffic(sandbox))


def _of_snapshot(snapshot: Snapshot, since: float) -> Iterator[str]:
    age = time.time() - snapshot.at
    if age > _OLDEST or snapshot.at < since:
        yield f"repman last looked {age:.1f} s ago"
    if not snapshot.active:
        yield f"repman may not act: {snapshot.lease}"
    if not snapshot.writer or not snapshot.writer_alive:
        yield "no server takes writes"
    for view in snapshot.servers:
        if view.state not in _HEALTHY:
            yield f"{view.policy.name} is {view.state.value} ({view.seen.error or view.seen.reach.value})"
    for refusal in snapshot.blocked_by:
        yield refusal.sentence
    if snapshot.plan is not None and snapshot.plan.state == "running":
        yield f"a {snapshot.plan.kind} is running"
    for proxy in snapshot.proxies:
        if not proxy.answered:
            yield f"{proxy.name} does not answer: {proxy.error}"


def _of_traffic(sandbox: Sandbox) -> Iterator[str]:
    haproxy = haproxy_of(sandbox)
    for role, port in (("write", haproxy.write_port), ("read", haproxy.read_port)):
        try:
            read_only = _ask(sandbox, port)
        except (pymysql.Error, OSError) as error:
            yield f"no connection through HAProxy's {role} port {port}: {error}"
            continue
        if role == "write" and read_only:
            yield "HAProxy sends writes to a read-only server"


def _ask(sandbox: Sandbox, port: int) -> bool:
    account = sandbox.description.application
    connection = pymysql.connect(
        host=haproxy_of(sandbox).host,
        port=port,
        user=account.user,
        password=account.password,
        connect_timeout=_ANSWER,
        read_timeout=_ANSWER,
        write_timeout=_ANSWER,
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT @@global.read_only")
        row = cursor.fetchone()
        return bool(row and row[0])
