"""Whether a server may be made or unmade, from what the monitor has published.  Pure."""

from __future__ import annotations

from collections.abc import Collection

from repman.model.decision import ServerState
from repman.model.problem import Refusal
from repman.model.snapshot import ServerView, Snapshot

_COPIES = (ServerState.MASTER, ServerState.SLAVE, ServerState.RELAY)
_REPLICAS = (ServerState.SLAVE, ServerState.RELAY)


def moving(snapshot: Snapshot) -> list[Refusal]:
    """Nothing is made or unmade while the monitor moves the cluster, or may not act on it."""
    refusals = []
    if not snapshot.active:
        refusals.append(
            Refusal("passive", f"this repman does not hold the lease of {snapshot.cluster}: ask the one that does")
        )
    if snapshot.in_failover or (snapshot.plan is not None and snapshot.plan.state == "running"):
        refusals.append(Refusal("plan-running", f"{snapshot.cluster} is being changed by a plan: wait until it ends"))
    return refusals


def held_by_others(snapshot: Snapshot, server: str, ours: str) -> list[Refusal]:
    """A server that is held for another reason than ours is somebody else's for now."""
    view = snapshot.server(server)
    if view is None or view.held in ("", ours):
        return []
    return [Refusal("held", f"{view.policy.name} is held: {view.held}; wait until that ends", server)]


def against_provisioning(snapshot: Snapshot, server: str, with_data: Collection[str]) -> list[Refusal]:
    """Reasons not to make that server; `with_data`: the others that have data, or may have."""
    refusals = moving(snapshot)
    if server == snapshot.writer and with_data:
        refusals.append(
            Refusal(
                "is-writer",
                f"{_name(snapshot, server)} is the cluster's writer, which must not come back empty: fail over to another "
                "server first, then it is provisioned as a replica",
                server,
            )
        )
    return refusals


def against_unprovisioning(snapshot: Snapshot, server: str, force: bool) -> list[Refusal]:
    """Reasons not to take that server's data away; `force` overrules those that an operator may overrule."""
    refusals = moving(snapshot)
    if force:
        return refusals
    name = _name(snapshot, server)
    others = [view for view in snapshot.servers if view.policy.address != server and _usable(view)]
    hint = "; to do it all the same, add force=true"
    if server == snapshot.writer:
        sentence = f"{name} is the writer: move that role away first (switchover){hint}"
        refusals.append(Refusal("is-writer", sentence, server))
    if not any(view.state in _COPIES for view in others):
        sentence = f"{name} may hold the only copy: no other server is seen to have the cluster's data{hint}"
        refusals.append(Refusal("only-copy", sentence, server))
    elif server != snapshot.writer and not any(view.state in _REPLICAS for view in others):
        sentence = f"{name} is the last replica: without it nobody acknowledges the writer's commits{hint}"
        refusals.append(Refusal("last-replica", sentence, server))
    return refusals


def _usable(view: ServerView) -> bool:
    return view.seen.answered and not view.held and not view.maintenance


def _name(snapshot: Snapshot, server: str) -> str:
    view = snapshot.server(server)
    return view.policy.name if view else server
