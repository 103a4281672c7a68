"""What a view is given: the house it works in, who calls, and which cluster is meant."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import cast

from flask import Response, g

from repman.config.live import Live
from repman.config.settings import ClusterSettings, Settings
from repman.model.command import Command, Receipt
from repman.model.link import LinkCommand
from repman.model.snapshot import Snapshot
from repman.model.work import Reply, Request
from repman.state.audit import AuditTrail
from repman.state.history import History
from repman.state.links import LinkReader
from repman.state.publication import age
from repman.state.snapshots import ProbeReader, SnapshotReader
from repman.state.turnstile import Turnstile
from repman.web.acl import User
from repman.web.directory import Directory
from repman.web.render.empty import unobserved
from repman.web.renditions import Renditions
from repman.web.throttle import LoginThrottle

Ask = Callable[[Command, float], Receipt]
"""Sends a command to the monitor and waits at most so many seconds for its receipt."""
AskWorker = Callable[[Request, float], Reply]
"""Sends a request to the worker and waits at most so many seconds for its reply."""
AskLink = Callable[[LinkCommand, float], Receipt]
"""Sends a command to the process of a link and waits at most so many seconds for its receipt."""


_FEW = 10
"""Clusters whose snapshots are looked at for every request."""
_LOOK_EVERY = 0.1
"""Seconds in which the snapshots of more clusters are looked at once."""


@dataclass(frozen=True, slots=True)
class House:
    """What all calls of this process share."""

    live: Live
    directory: Directory
    audit: AuditTrail
    key: str
    reader: SnapshotReader
    probe_reader: ProbeReader
    history: History
    ask: Ask
    ask_worker: AskWorker
    links: LinkReader
    ask_link: AskLink
    throttle: LoginThrottle
    renditions: Renditions = field(default_factory=Renditions)
    looks: Turnstile = field(default_factory=lambda: Turnstile(whole=8, each=3))
    """Who may wait for a look into a server: half of the threads at most, and never all of those for one server."""
    waits: Turnstile = field(default_factory=lambda: Turnstile(whole=6, each=4))
    """Who may wait for databases or for the end of a job, by user: a part of the threads only."""

    @property
    def settings(self) -> Settings:
        """The configuration as it is now."""
        return self.live.settings

    @property
    def users(self) -> Mapping[str, User]:
        """Everybody who is known, by name."""
        return self.directory.users()

    def snapshot(self, cluster: ClusterSettings) -> Snapshot:
        """The latest snapshot; before the first publication one that says that nothing was observed yet."""
        return self.reader.get(cluster.policy.name) or unobserved(cluster.policy)


@dataclass(frozen=True, slots=True)
class Call:
    """One request that may go on: known user, known cluster."""

    house: House
    arguments: dict[str, str]
    """The variable parts of the path."""
    caller: User | None = None
    """None on public routes."""
    target: ClusterSettings | None = None
    """None on routes without a cluster."""

    @property
    def user(self) -> User:
        """Who calls; only on routes that ask for a token."""
        assert self.caller is not None
        return self.caller

    @property
    def cluster(self) -> ClusterSettings:
        """The cluster in the path; only on routes that have one."""
        assert self.target is not None
        return self.target

    def snapshot(self) -> Snapshot:
        """The cluster's latest snapshot; its age goes into a header of the answer."""
        return self._dated(self.house.snapshot(self.cluster))

    def settings(self) -> Settings:
        """The configuration, with those clusters only that are open to the caller; on public routes with all."""
        settings = self.house.settings
        if self.caller is None or self.caller.everywhere:
            return settings
        return replace(
            settings, clusters=tuple(each for each in settings.clusters if self.caller.sees(each.policy.name))
        )

    def snapshots(self) -> tuple[Snapshot, ...]:
        """The latest snapshots of `settings().clusters`; the header tells the age of the oldest.

        Those of many clusters are up to a tenth of a second behind: to look at each file for each of hundreds of
        requests a second would cost more than all the rest.
        """
        clusters = self.settings().clusters
        if len(clusters) <= _FEW:
            return tuple(self._dated(self.house.snapshot(cluster)) for cluster in clusters)

        def gathered() -> tuple[tuple[Snapshot, ...], Snapshot]:
            found = tuple(self.house.snapshot(cluster) for cluster in clusters)
            return found, max(found, key=lambda each: age(each) if each.generation else -1.0)

        whose = None if self.caller is None or self.caller.everywhere else self.caller.name
        version = (*clusters, int(time.monotonic() / _LOOK_EVERY))
        found, oldest = self.house.renditions.get(("snapshots", whose), version, gathered)
        self._dated(oldest)
        return cast(tuple[Snapshot, ...], found)

    def _dated(self, snapshot: Snapshot) -> Snapshot:
        if snapshot.generation:
            g.snapshot_age = max(g.get("snapshot_age", 0.0), age(snapshot))
        return snapshot


View = Callable[[Call], Response]
