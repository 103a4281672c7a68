"""What has to be done before a server is watched no more.  Pure."""

from __future__ import annotations

from repman.model.memory import Memory
from repman.model.plan import Plan, PlanKind, Step, StepKind
from repman.model.policy import ClusterPolicy

_TIMEOUT = 5.0


def stays(old: ClusterPolicy, new: ClusterPolicy, memory: Memory) -> str:
    """Why the cluster cannot go on with the new settings; empty when it can."""
    if memory.writer in old.addresses and memory.writer not in new.addresses:
        name = old.server(memory.writer).name
        return (
            f"the settings are not taken over: {name} is the writer and no longer among the servers; switch over first"
        )
    for server in old.servers:
        if server.address not in new.addresses and (held := memory.server(server.address).held):
            return (
                f"the settings are not taken over: {server.name} is no longer among the servers and is held: {held}; "
                "wait until that ends"
            )
    return ""


def parting(old: ClusterPolicy, new: ClusterPolicy, memory: Memory) -> Plan | None:
    """The plan that keeps servers which are taken out of the cluster from acknowledging writes; None: not needed.

    A write that only such a server has acknowledged would be lost by the next failover, which does not know it.
    """
    dropped = [server for server in old.servers if server.address not in new.addresses]
    receiving = [server for server in dropped if memory.server(server.address).acker]
    if not receiving or old.paused:
        return None
    names = ", ".join(server.name for server in receiving)
    return Plan(
        PlanKind.REPAIR,
        old.name,
        tuple(Step(StepKind.STOP_RECEIVING, server.address, timeout=_TIMEOUT, essential=False) for server in receiving),
        f"{names} is no longer watched, so it must not acknowledge writes",
        deadline=_TIMEOUT * len(receiving) + 1.0,
    )
