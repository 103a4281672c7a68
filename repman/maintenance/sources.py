"""Which server a backup is read from.  Pure."""

from __future__ import annotations

from collections.abc import Collection

from repman.errors import JobFailed
from repman.model.decision import ServerState
from repman.model.snapshot import ServerView, Snapshot


def choose_source(
    snapshot: Snapshot | None, preferred: Collection[str], possible: Collection[str] | None = None, other: str = ""
) -> str:
    """Address of the server to read from: a healthy replica, one of the `preferred` first; the writer when alone.

    `possible` bounds the choice; `other` is a server that cannot be chosen.  Raises JobFailed when there is none.
    """
    if snapshot is None:
        raise JobFailed("The monitor has published nothing about this cluster yet; start it, or wait a moment.")
    views = [
        view
        for view in snapshot.servers
        if view.policy.address != other and (possible is None or view.policy.address in possible)
    ]
    replicas = [
        view
        for view in views
        if view.state is ServerState.SLAVE and readable(view) and not _diverged(snapshot, view.policy.address)
    ]
    replicas.sort(
        key=lambda view: (view.policy.address not in preferred, _lag(view), view.policy.preferred is not None)
    )
    if replicas:
        return replicas[0].policy.address
    for view in views:
        if view.policy.address == snapshot.writer and snapshot.writer_alive:
            return snapshot.writer
    raise JobFailed("No server can be read from: neither a healthy replica nor a living writer is within reach.")


def check_source(snapshot: Snapshot | None, asked: str) -> None:
    """Raise JobFailed when a copy of that server would be of no use: nobody could say at which position it is."""
    view = snapshot.server(asked) if snapshot is not None else None
    if snapshot is None or view is None or not view.seen.answered:
        raise JobFailed(f"{view.policy.name if view else asked} does not answer, so it cannot be read.")
    if view.held:
        raise JobFailed(f"{view.policy.name} is held ({view.held}), so its data may be incomplete.")
    if _diverged(snapshot, asked):
        raise JobFailed(
            f"{view.policy.name} has transactions that the writer lacks, so a copy of it is none of the cluster, and would "
            "push out those that are; choose another server, and reseed this one."
        )
    if not view.seen.binlog or (asked != snapshot.writer and not view.seen.log_replica_updates):
        raise JobFailed(
            f"{view.policy.name} does not write what it applies into its own binary log (log_bin, log_slave_updates), so "
            "a copy of it has no exact position; choose another server."
        )


def readable(view: ServerView) -> bool:
    """Whether a copy of this replica has an exact position: what it applies goes into its own binary log, too."""
    seen = view.seen
    return seen.answered and not view.maintenance and not view.held and seen.binlog and seen.log_replica_updates


def _diverged(snapshot: Snapshot, address: str) -> bool:
    return any(problem.code == "diverged" and problem.server == address for problem in snapshot.problems)


def _lag(view: ServerView) -> float:
    link = view.seen.link
    return link.lag if link is not None and link.lag is not None else float("inf")
