"""Reads from the published snapshot and the history."""

from __future__ import annotations

from typing import Any

from repman.web.acl import PUBLIC
from repman.web.call import View
from repman.web.routes.route import CLUSTER, Answer, Parameter, Route, no_cluster_found, unknown_cluster
from repman.web.shapes import cluster, common, monitor, proxy, server
from repman.web.views import reads

_PAGE = "/api/clusters/{clusterName}"
_UNCHANGED = (Answer(304, "It is the one that `If-None-Match` names.", ""),)
_PROOFS = "tests/integration/test_page_reads.py::"


def _read(path: str, view: View, summary: str, schema: common.Schema, proof: str, **more: Any) -> Route:
    """A read that answers 200 with JSON."""
    answers = (Answer(200, more.pop("meaning", ""), schema=schema), *more.pop("answers", ()))
    return Route(path, view, summary=summary, answers=answers, proof=_PROOFS + proof, **more)


def _topology(name: str, view: View, summary: str, schema: common.Schema, proof: str) -> Route:
    page = f"{_PAGE}/topology/{name}"
    return _read(f"{CLUSTER}/topology/{name}", view, summary, schema, proof, page=page)


ROUTES: tuple[Route, ...] = (
    _read(
        "/api/status",
        reads.daemon_status,
        "Whether every cluster has been observed since the start: `running`, before that `starting`.",
        common.ALIVE,
        "test_the_status_of_daemon_and_cluster",
        grant=PUBLIC,
        cross_origin=True,
    ),
    _read(
        "/api/monitor",
        reads.monitor,
        "The daemon: version, host, status, clusters, grants, options (secrets masked), log.",
        monitor.MONITOR,
        "test_the_monitor_object_has_every_key_of_the_page",
        answers=_UNCHANGED,
        page="/api/monitor",
    ),
    _read(
        "/api/clusters",
        reads.clusters,
        "All clusters, sorted by name.",
        cluster.CLUSTERS,
        "test_the_cluster_object_has_every_key_of_the_page",
        answers=_UNCHANGED,
        plain_401=True,
    ),
    _read(
        CLUSTER,
        reads.cluster,
        "One cluster.",
        cluster.CLUSTER,
        "test_the_cluster_object_has_every_key_of_the_page",
        answers=_UNCHANGED,
        page=_PAGE,
    ),
    _read(
        f"{CLUSTER}/status",
        reads.cluster_status,
        "`errors` while a problem of severity error is open or the observation is older than `probes-stale-max`, "
        "else `running`.",
        common.ALIVE,
        "test_the_status_of_daemon_and_cluster",
        grant=PUBLIC,
        no_cluster=no_cluster_found,
        cross_origin=True,
        page=f"{_PAGE}/status",
    ),
    _read(
        f"{CLUSTER}/settings",
        reads.settings,
        "The cluster's options, secrets masked.",
        common.CONFIG,
        "test_the_settings_of_a_cluster",
        grant="cluster-settings",
        page=f"{_PAGE}/settings",
    ),
    _topology(
        "servers",
        reads.servers,
        "All servers.",
        server.SERVERS,
        "test_the_server_objects_have_every_key_and_tell_the_truth",
    ),
    _topology(
        "master",
        reads.writer,
        "The writer, or `null` while there is none or it is dead.",
        common.nullable(server.SERVER),
        "test_writer_and_replicas_are_those_of_the_servers",
    ),
    _topology(
        "slaves",
        reads.replicas,
        "The servers that replicate.",
        server.SERVERS,
        "test_writer_and_replicas_are_those_of_the_servers",
    ),
    _topology(
        "proxies",
        reads.proxies,
        "The proxies and where they send traffic now.",
        proxy.PROXIES,
        "test_the_proxy_object_has_every_key_and_tells_the_routes",
    ),
    _topology(
        "logs",
        reads.log_lines,
        "History as lines of text, newest first.",
        common.array(common.STRING),
        "test_logs_alerts_and_crashes_tell_of_a_death",
    ),
    _topology(
        "alerts",
        reads.alerts,
        "Open problems; their codes are in [problems.md](problems.md).",
        common.ALERTS,
        "test_logs_alerts_and_crashes_tell_of_a_death",
    ),
    _topology(
        "crashes",
        reads.crashes,
        "Changes of the writer, newest first.",
        cluster.CRASHES,
        "test_logs_alerts_and_crashes_tell_of_a_death",
    ),
    _read(
        f"{CLUSTER}/snapshot",
        reads.snapshot,
        "*Own*: the published document, all of it.",
        common.OBJECT,
        "test_the_published_document_and_its_events",
        no_cluster=unknown_cluster,
    ),
    _read(
        f"{CLUSTER}/events",
        reads.events,
        "*Own*: history, newest first.",
        common.array(common.EVENT),
        "test_the_published_document_and_its_events",
        parameters=(Parameter("limit", "how many, 1 to 5000; 200 when it is not given", kind="integer"),),
        no_cluster=unknown_cluster,
    ),
)
