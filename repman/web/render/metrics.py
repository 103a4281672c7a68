"""Snapshots as Prometheus metrics.

The names that replication-manager has are kept, each with the labels `cluster` and `instance`; ours begin with
`repman_`.  What was not observed is left out, never told as zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from repman.config.settings_link import LinkSettings
from repman.model.link import LinkView
from repman.model.observation import Link, Receiver
from repman.model.snapshot import ServerView, Snapshot
from repman.web.render.metrics_links import LinkMetrics

_CLUSTER = ("cluster",)
_SERVER = ("cluster", "instance")
_Sample = tuple[tuple[str, ...], float]


def render_metrics(
    snapshots: Sequence[Snapshot],
    ages: Sequence[float],
    links: Iterable[tuple[LinkSettings, LinkView | None, float]] = (),
) -> bytes:
    """The exposition, in text format; `ages` of the snapshots, and those of what links have published, in seconds."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Snapshots([pair for pair in zip(snapshots, ages, strict=True) if pair[0].generation]))
    registry.register(LinkMetrics(links))
    return generate_latest(registry)


class _Snapshots(Collector):
    def __init__(self, dated: list[tuple[Snapshot, float]]) -> None:
        self._dated = dated
        self._all = [snapshot for snapshot, _ in dated]

    def collect(self) -> Iterator[Metric]:
        """Called by prometheus_client."""
        yield from self._of_clusters()
        yield from self._of_servers()
        yield from self._of_replicas()
        yield from self._of_members()

    def _of_clusters(self) -> Iterator[Metric]:
        ages = [((snapshot.cluster,), age) for snapshot, age in self._dated if math.isfinite(age)]
        yield _gauge("repman_snapshot_age_seconds", "Seconds since the look that all of this tells of.", _CLUSTER, ages)
        for name, text, attribute in (
            ("active", "Whether this repman may act on the cluster.", "active"),
            ("writer_alive", "Whether the server in charge lives.", "writer_alive"),
            ("protected", "Whether the cluster would survive its writer's death now.", "protected"),
            ("paused", "Whether repman changes nothing, by order.", "paused"),
            ("in_failover", "Whether the writer's role is being moved.", "in_failover"),
            ("look_seconds", "How long the latest look and decision took.", "tick_seconds"),
        ):
            samples = [((found.cluster,), float(getattr(found, attribute))) for found in self._all]
            yield _gauge(f"repman_cluster_{name}", text, _CLUSTER, samples)
        for name, text, attribute in (
            ("failovers", "Failovers since the counter was reset.", "failovers"),
            ("looks", "Looks at the cluster.", "ticks"),
            ("watched_seconds", "Seconds watched.", "watched_seconds"),
            ("writer_seconds", "Seconds with a living writer.", "writer_seconds"),
            ("protected_seconds", "Seconds protected.", "protected_seconds"),
            ("unprotected_seconds", "Seconds in which an acknowledged write could be lost.", "unprotected_seconds"),
        ):
            samples = [((found.cluster,), float(getattr(found, attribute))) for found in self._all]
            yield _counter(f"repman_cluster_{name}", text, samples)
        problems = [
            ((found.cluster, problem.code, problem.severity.value, problem.server), 1.0)
            for found in self._all
            for problem in found.problems
        ]
        labels = ("cluster", "code", "severity", "instance")
        yield _gauge("repman_problem", "A problem that is open now.", labels, dict(problems).items())

    def _of_servers(self) -> Iterator[Metric]:
        answered = [((*_place(found, view),), float(view.seen.answered)) for found, view in self._servers()]
        yield _gauge("repman_server_up", "Whether the server answered the latest look.", _SERVER, answered)
        states = [((*_place(found, view), view.state.value), 1.0) for found, view in self._servers()]
        yield _gauge("repman_server_state", "The server's state, as a label.", (*_SERVER, "state"), states)
        writers = [(_place(found, view), float(view.policy.address == found.writer)) for found, view in self._servers()]
        yield _gauge("repman_server_writer", "Whether the server is the one in charge.", _SERVER, writers)
        read_only = [
            (_place(found, view), float(view.seen.read_only))
            for found, view in self._servers()
            if view.seen.read_only is not None
        ]
        yield _gauge("repman_server_read_only", "Whether the server is read-only.", _SERVER, read_only)

    def _of_replicas(self) -> Iterator[Metric]:
        lags = [(place, link.lag) for place, link in self._links() if link.lag is not None]
        yield _gauge("mysql_slave_status_seconds_behind_master", "Seconds that the replica is behind.", _SERVER, lags)
        receiving = [(place, float(link.receiver is Receiver.RUNNING)) for place, link in self._links()]
        yield _gauge("mysql_slave_status_slave_io_running", "Whether the receiver runs.", _SERVER, receiving)
        applying = [(place, float(link.applier_running)) for place, link in self._links()]
        yield _gauge("mysql_slave_status_slave_sql_running", "Whether the applier runs.", _SERVER, applying)
        errors = [(place, float(link.applier_errno or link.receiver_errno)) for place, link in self._links()]
        yield _gauge(
            "mysql_slave_status_last_errno", "The last error of applier or receiver; 0: none.", _SERVER, errors
        )

    def _of_members(self) -> Iterator[Metric]:
        seen = [(_place(found, view), view.seen.member) for found, view in self._servers()]
        members = [(place, member) for place, member in seen if member is not None]
        states = [((*place, member.state.value), 1.0) for place, member in members]
        yield _gauge("repman_mongodb_member_state", "The member's own state, as a label.", (*_SERVER, "state"), states)
        terms = [(place, float(member.term)) for place, member in members]
        yield _gauge("repman_mongodb_term", "The highest election term the member knows.", _SERVER, terms)
        windows = [(place, member.oplog.window) for place, member in members if member.oplog]
        text = "Seconds for which a member may be away and still catch up from this one."
        yield _gauge("repman_mongodb_oplog_window_seconds", text, _SERVER, windows)
        healthy = [(place, float(sum(one.healthy for one in member.heard))) for place, member in members]
        yield _gauge("repman_mongodb_members_heard", "Other members whose heartbeat came in.", _SERVER, healthy)
        connections = [
            (place, float(member.connections)) for place, member in members if member.connections is not None
        ]
        yield _gauge("repman_mongodb_connections", "Open connections.", _SERVER, connections)
        queued = [(place, float(member.queued)) for place, member in members if member.queued is not None]
        yield _gauge("repman_mongodb_queued_operations", "Operations that wait for a lock.", _SERVER, queued)
        for name, value in (("votes", "votes"), ("priority", "priority")):
            found = [(place, float(getattr(member.seat, value))) for place, member in members if member.seat]
            yield _gauge(f"repman_mongodb_{name}", f"The member's {name} in the set's configuration.", _SERVER, found)

    def _servers(self) -> Iterator[tuple[Snapshot, ServerView]]:
        return ((snapshot, view) for snapshot in self._all for view in snapshot.servers)

    def _links(self) -> Iterator[tuple[tuple[str, str], Link]]:
        """The first channel of each replica."""
        return ((_place(found, view), view.seen.links[0]) for found, view in self._servers() if view.seen.links)


def _place(snapshot: Snapshot, view: ServerView) -> tuple[str, str]:
    return snapshot.cluster, view.policy.address


def _gauge(name: str, text: str, labels: Sequence[str], samples: Iterable[_Sample]) -> GaugeMetricFamily:
    made = GaugeMetricFamily(name, text, labels=labels)
    for values, value in samples:
        made.add_metric(values, value)
    return made


def _counter(name: str, text: str, samples: Iterable[_Sample]) -> CounterMetricFamily:
    made = CounterMetricFamily(name, text, labels=_CLUSTER)
    for values, value in samples:
        made.add_metric(values, value)
    return made
