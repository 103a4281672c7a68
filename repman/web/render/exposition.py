"""What `/metrics` tells Prometheus: names, units and types by its naming conventions, explained in docs/metrics.md.

`/api/prometheus` keeps the names that replication-manager's users know (`render/metrics.py`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from repman import __version__
from repman.config.settings_link import LinkSettings
from repman.model.decision import ServerState
from repman.model.link import LinkView
from repman.model.observation import Receiver
from repman.model.plan import PlanKind
from repman.model.snapshot import ServerView, Snapshot
from repman.state.links import is_fresh
from repman.state.tally import BOUNDS, Counted
from repman.web.render.families import counter, gauge, states
from repman.web.render.metrics_links import LinkMetrics

ROLES = ("primary", "replica", "relay", "standalone", "arbiter", "unknown")
ENDINGS = ("done", "failed", "undone", "abandoned")
"""How a plan can end."""

_CLUSTER = ("cluster",)
_SERVER = ("cluster", "server")
_CHANNEL = ("cluster", "server", "source")


@dataclass(frozen=True, slots=True)
class Known:
    """All that is told; `None` and what is missing was not known."""

    snapshots: Sequence[tuple[Snapshot, float]]
    """Each with its age in seconds."""
    links: Sequence[tuple[LinkSettings, LinkView | None, float]] = ()
    """Each with what it published last, and how many seconds ago."""
    counted: Counted | None = None
    """What the journal tells."""
    backups: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """The end of the latest whole backup, Unix seconds, by cluster and method."""
    certificate_until: float | None = None
    """Unix seconds at which the certificate of the HTTPS port expires."""
    configured_at: float | None = None
    """Unix seconds at which this process read the configuration last and found it good."""


def render_exposition(known: Known) -> bytes:
    """The whole page, in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    published = [pair for pair in known.snapshots if pair[0].generation]
    registry.register(_Installation(known))
    registry.register(_Clusters(published))
    registry.register(_Servers([snapshot for snapshot, _ in published]))
    registry.register(_Plans([snapshot.cluster for snapshot, _ in published], known.counted))
    registry.register(LinkMetrics(known.links))
    return generate_latest(registry)


class _Installation(Collector):
    def __init__(self, known: Known) -> None:
        self._known = known

    def collect(self) -> Iterator[Metric]:
        """Called by prometheus_client."""
        known = self._known
        yield gauge("repman_build_info", "1, with the version as a label.", ("version",), [((__version__,), 1.0)])
        text = "When this process last read a configuration without mistakes."
        yield gauge("repman_config_reload_success_timestamp_seconds", text, (), [((), known.configured_at)])
        text = "When the certificate of the HTTPS port expires."
        yield gauge("repman_certificate_expiry_timestamp_seconds", text, (), [((), known.certificate_until)])
        text = "When the latest whole backup of that method ended."
        yield gauge("repman_backup_success_timestamp_seconds", text, ("cluster", "method"), known.backups.items())
        live = [(link.name, view) for link, view, age in known.links if view and is_fresh(view, age)]
        text = "Seconds by which the target of a link or stream is behind its source."
        lags = [((name,), view.lag_seconds) for name, view in live]
        yield gauge("repman_transfer_lag_seconds", text, ("stream",), lags)


class _Clusters(Collector):
    def __init__(self, dated: Sequence[tuple[Snapshot, float]]) -> None:
        self._dated = dated
        self._all = [snapshot for snapshot, _ in dated]

    def collect(self) -> Iterator[Metric]:
        """Called by prometheus_client."""
        ages = [((found.cluster,), age) for found, age in self._dated if math.isfinite(age)]
        yield gauge("repman_snapshot_age_seconds", "Seconds since the look that all of this tells of.", _CLUSTER, ages)
        for name, text, attribute in (
            ("repman_cluster_protected", "1 if a failover would be possible right now.", "protected"),
            ("repman_cluster_paused", "1 while repman changes nothing, by order.", "paused"),
            ("repman_cluster_writer_alive", "1 while the server in charge lives.", "writer_alive"),
            ("repman_cluster_in_failover", "1 while the writer's role is being moved.", "in_failover"),
            ("repman_semisync_degraded", "1 while commits do not wait, because no replica was left.", "degraded"),
            ("repman_monitor_lease_held", "1 if this repman may act on the cluster.", "active"),
            ("repman_tick_duration_seconds", "How long the latest look and decision took.", "tick_seconds"),
        ):
            yield gauge(name, text, _CLUSTER, [((found.cluster,), getattr(found, attribute)) for found in self._all])
        yield self._count("repman_ticks", "Looks at the cluster.", "ticks")
        yield self._count("repman_cluster_watched_seconds", "Seconds watched.", "watched_seconds")
        yield self._count("repman_cluster_protected_seconds", "Seconds protected.", "protected_seconds")
        text = "Seconds in which an acknowledged write could have been lost."
        yield self._count("repman_cluster_unprotected_seconds", text, "unprotected_seconds")
        away = [((found.cluster,), max(0.0, found.watched_seconds - found.writer_seconds)) for found in self._all]
        text = "Seconds watched in which no living server took writes."
        yield counter("repman_write_unavailable_seconds", text, _CLUSTER, away)
        yield from self._of_members()
        yield from self._of_reasons()

    def _count(self, name: str, text: str, attribute: str) -> Metric:
        return counter(name, text, _CLUSTER, [((found.cluster,), getattr(found, attribute)) for found in self._all])

    def _of_members(self) -> Iterator[Metric]:
        sizes = [((found.cluster,), len(found.servers)) for found in self._all]
        yield gauge("repman_cluster_servers", "Servers configured.", _CLUSTER, sizes)
        waits = [((found.cluster,), _semi_sync(found)) for found in self._all]
        ackers = [(values, None if pair is None else pair[0]) for values, pair in waits]
        yield gauge("repman_semisync_ackers", "Replicas attached to the writer that acknowledge.", _CLUSTER, ackers)
        required = [(values, None if pair is None else pair[1]) for values, pair in waits]
        text = "1 if the writer's commits wait for an acknowledgement, whatever happens."
        yield gauge("repman_semisync_required", text, _CLUSTER, required)

    def _of_reasons(self) -> Iterator[Metric]:
        problems = {
            (found.cluster, problem.server, problem.code, problem.severity.value): 1.0
            for found in self._all
            for problem in found.problems
        }
        labels = ("cluster", "server", "code", "severity")
        yield gauge("repman_cluster_problem", "1 for each problem that is open now.", labels, problems.items())
        blocked = {(found.cluster, reason.code): 1.0 for found in self._all for reason in found.blocked_by}
        text = "1 for each reason that forbids an automatic failover now."
        yield gauge("repman_cluster_failover_blocked", text, ("cluster", "reason"), blocked.items())


class _Servers(Collector):
    def __init__(self, snapshots: Sequence[Snapshot]) -> None:
        self._views = [(found, view) for found in snapshots for view in found.servers]

    def collect(self) -> Iterator[Metric]:
        """Called by prometheus_client."""
        places = [((found.cluster, view.policy.address), found, view) for found, view in self._views]
        up = [(place, view.seen.answered) for place, _, view in places]
        yield gauge("repman_server_up", "1 if the server answered the latest look.", _SERVER, up)
        roles = [(place, _role(found, view)) for place, found, view in places]
        yield states("repman_server_role", "The server's role, as a state set.", _SERVER, ROLES, roles)
        found_states = [(place, view.state.value) for place, _, view in places]
        every = [state.value for state in ServerState]
        yield states("repman_server_state", "The server's state, as a state set.", _SERVER, every, found_states)
        read_only = [(place, view.seen.read_only) for place, _, view in places]
        yield gauge("repman_server_read_only", "1 if the server takes no writes.", _SERVER, read_only)
        answers = [(place, _answered_at(found, view)) for place, found, view in places]
        yield gauge("repman_server_last_seen_timestamp_seconds", "When it answered last.", _SERVER, answers)
        channels = [((*place, link.source), link) for place, _, view in places for link in view.seen.links]
        lags = [(channel, link.lag) for channel, link in channels]
        yield gauge("repman_replication_lag_seconds", "Seconds that the replica is behind.", _CHANNEL, lags)
        running = [
            ((*channel, thread), works)
            for channel, link in channels
            for thread, works in (
                ("receiver", link.receiver is Receiver.RUNNING),
                ("applier", link.applier_running),
            )
        ]
        text = "1 if that half of the replication runs."
        yield gauge("repman_replication_thread_running", text, (*_CHANNEL, "thread"), running)


class _Plans(Collector):
    def __init__(self, clusters: Sequence[str], counted: Counted | None) -> None:
        self._clusters = clusters
        self._counted = counted

    def collect(self) -> Iterator[Metric]:
        """Called by prometheus_client.  Plans that never happened are told as zero, so that the first one is seen."""
        if self._counted is None:
            return
        for kind in (PlanKind.FAILOVER, PlanKind.SWITCHOVER):
            samples = [
                ((cluster, ending), self._counted.plans.get((cluster, kind, ending), 0))
                for cluster in self._clusters
                for ending in ENDINGS
            ]
            text = f"Plans of this kind that ended: {kind.value}."
            yield counter(f"repman_{kind.value}s", text, ("cluster", "result"), samples)
        steps = [(key, count) for key, count in self._counted.steps.items() if key[0] in self._clusters]
        text = "Steps of plans that ended."
        yield counter("repman_plan_steps", text, ("cluster", "step", "result"), steps)
        text = "How long failovers that succeeded took, by kind of step; phase all: from beginning to end."
        made = HistogramMetricFamily("repman_failover_duration_seconds", text, labels=("cluster", "phase"))
        bounds = [*(f"{bound}" for bound in BOUNDS), "+Inf"]
        for key, durations in self._counted.failovers.items():
            if key[0] in self._clusters:
                classes = list(zip(bounds, (float(each) for each in accumulate(durations.classes)), strict=True))
                made.add_metric(key, classes, durations.seconds)
        yield made


def _role(snapshot: Snapshot, view: ServerView) -> str:
    if view.state.down:
        return "unknown"
    if view.policy.address == snapshot.writer:
        return "primary"
    if view.state in (ServerState.RELAY, ServerState.RELAY_LATE, ServerState.RELAY_ERR):
        return "relay"
    if view.state is ServerState.ARBITER:
        return "arbiter"
    if view.seen.links or view.state in (ServerState.SLAVE, ServerState.SLAVE_LATE, ServerState.SLAVE_ERR):
        return "replica"
    return "standalone" if view.state is ServerState.STANDALONE else "unknown"


def _answered_at(snapshot: Snapshot, view: ServerView) -> float | None:
    """Unix seconds of its latest answer."""
    last = view.seen if view.seen.answered else view.last
    return None if last is None else min(snapshot.at, snapshot.at + last.at - snapshot.monotonic)


def _semi_sync(snapshot: Snapshot) -> tuple[int, bool] | None:
    """How many acknowledge the writer's commits, and whether these wait for that."""
    for view in snapshot.servers:
        if view.policy.address == snapshot.writer and view.seen.semi_sync is not None:
            return view.seen.semi_sync.ackers, view.seen.semi_sync.lossless
    return None
