"""Reads: the latest snapshot, rendered."""

from __future__ import annotations

import time

from flask import Response

from repman.config.settings import ClusterSettings
from repman.model.snapshot import Snapshot
from repman.state import codec
from repman.state.publication import age
from repman.web import replies, work
from repman.web.acl import problems_of
from repman.web.call import Call
from repman.web.parameters import count
from repman.web.render.cluster import render_cluster
from repman.web.render.config import render_config
from repman.web.render.crash import render_crash
from repman.web.render.jobs import cluster_keys
from repman.web.render.logs import is_failing, render_alerts, render_events, render_log_lines
from repman.web.render.monitor import Host, monitor_fixed, monitor_moving
from repman.web.render.proxy import render_proxy
from repman.web.render.server import render_replicas, render_servers, render_writer
from repman.web.renditions import Rendition, joined, listed, part, reply

_EVENTS = 200
_MOST_EVENTS = 5000
_CRASHES = 100
_CRASHES_AGE = 5.0
"""Seconds for which the history is not asked again, unless there was a plan; it may be in a database of its own."""
_HOST = Host.here()


def daemon_status(call: Call) -> Response:
    """Whether every cluster has been published at least once."""
    started = all(snapshot.generation for snapshot in call.snapshots())
    return replies.document({"alive": "running" if started else "starting"})


def monitor(call: Call) -> Response:
    """The daemon."""
    settings, snapshots, whose = call.settings(), call.snapshots(), _visible(call)
    kept = call.house.renditions
    # Of the very settings that are shown: a change may come between two looks.
    made_of = (settings.service, settings.clusters)
    fixed = kept.get(("monitor", "fixed", whose), made_of, lambda: part(monitor_fixed(settings, _HOST)))

    def whole() -> Rendition:
        return joined(part(monitor_moving(snapshots)), fixed)

    return reply(kept.get(("monitor", whose), (fixed, *snapshots), whole))


def clusters(call: Call) -> Response:
    """All clusters, sorted by name."""
    pairs = zip(call.snapshots(), call.settings().clusters, strict=True)
    parts = [_cluster(call, snapshot, cluster, in_list=True) for snapshot, cluster in sorted(pairs, key=_by_name)]
    return reply(call.house.renditions.get(("clusters", _visible(call)), tuple(parts), lambda: listed(parts)))


def cluster(call: Call) -> Response:
    """One cluster."""
    return reply(_cluster(call, call.snapshot(), call.cluster))


def _cluster(call: Call, snapshot: Snapshot, cluster: ClusterSettings, in_list: bool = False) -> Rendition:
    house, name = call.house, cluster.policy.name
    settings, users = house.settings, house.users
    backups, jobs = work.backups(house).backups(name), work.open_jobs(house).of(name)
    plan = (snapshot.plan.id, snapshot.plan.state) if snapshot.plan is not None else None
    crashes = house.renditions.get(
        ("crashes", name),
        (plan, snapshot.failovers, int(time.monotonic() / _CRASHES_AGE)),
        lambda: house.history.crashes(name, _CRASHES),
    )

    def whole() -> Rendition:
        document = render_cluster(snapshot, cluster, users, str(settings.service.datadir), crashes)
        extra: dict[str, object] = {"backupList": {}} if in_list else {}
        return Rendition((part({**document, **cluster_keys(backups, jobs), **extra}),))

    version = (snapshot, settings, cluster, users, backups, jobs, crashes)
    found: Rendition = house.renditions.get(("cluster", name, in_list), version, whole)
    return found


def _visible(call: Call) -> frozenset[str] | None:
    """The clusters that the caller sees; None for all."""
    if call.user.everywhere:
        return None
    return frozenset(cluster.policy.name for cluster in call.settings().clusters)


def _by_name(pair: tuple[Snapshot, ClusterSettings]) -> str:
    return pair[1].policy.name


def cluster_status(call: Call) -> Response:
    """Whether an error is open, or nobody has looked for so long that probes are not answered either."""
    snapshot = call.snapshot()
    failing = is_failing(snapshot) or age(snapshot) > call.cluster.probes_stale_max
    return replies.document({"alive": "errors" if failing else "running"})


def settings(call: Call) -> Response:
    """The cluster's options, secrets masked."""
    return replies.document(render_config(call.cluster.options))


def servers(call: Call) -> Response:
    """All servers."""
    return replies.document(
        work.with_server_keys(call.house, call.cluster.policy.name, render_servers(call.snapshot()))
    )


def writer(call: Call) -> Response:
    """The writer, or null."""
    document = render_writer(call.snapshot())
    found = [] if document is None else work.with_server_keys(call.house, call.cluster.policy.name, [document])
    return replies.document(found[0] if found else None)


def replicas(call: Call) -> Response:
    """All replicas."""
    return replies.document(
        work.with_server_keys(call.house, call.cluster.policy.name, render_replicas(call.snapshot()))
    )


def proxies(call: Call) -> Response:
    """All proxies."""
    snapshot = call.snapshot()
    return replies.document([render_proxy(snapshot, haproxy) for haproxy in call.cluster.haproxies])


def log_lines(call: Call) -> Response:
    """The history as lines of text."""
    name = call.cluster.policy.name
    return replies.document(render_log_lines(name, call.house.history.events(name, _EVENTS)))


def events(call: Call) -> Response:
    """The history in our own form; ``limit`` bounds it."""
    name = call.cluster.policy.name
    limit = count("limit", _EVENTS, _MOST_EVENTS)
    return replies.document(render_events(call.house.history.events(name, limit)))


def alerts(call: Call) -> Response:
    """Open problems."""
    return replies.document(render_alerts(call.snapshot(), problems_of(call.house.directory.configured)))


def crashes(call: Call) -> Response:
    """Writers that were replaced, newest first."""
    found = call.house.history.crashes(call.cluster.policy.name, _CRASHES)
    return replies.document([render_crash(crash) for crash in found])


def snapshot(call: Call) -> Response:
    """The published document, all of it."""
    return Response(codec.encode(call.snapshot()), content_type="application/json")
