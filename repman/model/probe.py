"""What a health probe answers for a cluster: the small value on the hot path."""

from __future__ import annotations

from dataclasses import dataclass

from repman.model.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class ProbeTable:
    """Which servers of a cluster are valid for writes and for reads, at one publication."""

    cluster: str
    monotonic: float
    names: tuple[tuple[str, str], ...]
    """(what a probe may call the server, address): id, name and ``host:port`` of each."""
    masters: tuple[str, ...]
    """Addresses for which ``is-master`` says yes; at most one."""
    slaves: tuple[str, ...]
    """Addresses for which ``is-slave`` says yes."""
    stale_policy: str = "keep"
    stale_max: float = 60.0
    """Seconds for which an old answer is kept."""
    active: bool = True
    """False: another repman is in charge, so this one vouches for nobody and steers nobody."""


def probe_table(snapshot: Snapshot, stale_policy: str, stale_max: float) -> ProbeTable:
    """The probe answers that follow from a snapshot; a passive monitor vouches for nobody."""
    names = []
    for view in snapshot.servers:
        address = view.policy.address
        names += [(name, address) for name in dict.fromkeys((view.policy.id, view.policy.name, address))]
    routes = snapshot.routes
    return ProbeTable(
        snapshot.cluster,
        snapshot.monotonic,
        tuple(names),
        (routes.writer,) if routes.writer and snapshot.active else (),
        routes.readers if snapshot.active else (),
        stale_policy,
        stale_max,
        snapshot.active,
    )
