"""Reads: the latest snapshot, rendered."""

from __future__ import annotations

from flask import Response

from repman.state import codec
from repman.state.publication import age
from repman.web import replies, work
from repman.web.call import Call
from repman.web.parameters import count
from repman.web.render.cluster import render_cluster
from repman.web.render.config import render_config
from repman.web.render.crash import render_crash
from repman.web.render.logs import is_failing, render_alerts, render_events, render_log_lines
from repman.web.render.monitor import Host, render_monitor
from repman.web.render.proxy import render_proxy
from repman.web.render.server import render_replicas, render_servers, render_writer

_EVENTS = 200
_MOST_EVENTS = 5000
_CRASHES = 100


def daemon_status(call: Call) -> Response:
    """Whether every cluster has been published at least once."""
    started = all(snapshot.generation for snapshot in call.snapshots())
    return replies.document({"alive": "running" if started else "starting"})


def monitor(call: Call) -> Response:
    """The daemon."""
    return replies.document(render_monitor(call.settings(), call.snapshots(), Host.here()))


def clusters(call: Call) -> Response:
    """All clusters, sorted by name."""
    house = call.house
    datadir = str(house.settings.service.datadir)
    pairs = zip(call.snapshots(), call.settings().clusters, strict=True)
    documents = [
        work.with_cluster_keys(
            house, cluster.policy.name, render_cluster(snapshot, cluster, house.users, datadir), listed=True
        )
        for snapshot, cluster in pairs
    ]
    return replies.document(sorted(documents, key=lambda document: str(document["name"])))


def cluster(call: Call) -> Response:
    """One cluster."""
    house = call.house
    datadir = str(house.settings.service.datadir)
    document = render_cluster(call.snapshot(), call.cluster, house.users, datadir)
    return replies.document(work.with_cluster_keys(house, call.cluster.policy.name, document))


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
    return replies.document(render_alerts(call.snapshot()))


def crashes(call: Call) -> Response:
    """Writers that were replaced, newest first."""
    found = call.house.history.crashes(call.cluster.policy.name, _CRASHES)
    return replies.document([render_crash(crash) for crash in found])


def snapshot(call: Call) -> Response:
    """The published document, all of it."""
    return Response(codec.encode(call.snapshot()), content_type="application/json")
