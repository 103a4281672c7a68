"""Reads from the published snapshot and the history."""

from __future__ import annotations

from repman.web.acl import PUBLIC
from repman.web.routes.route import CLUSTER, Route, no_cluster_found, unknown_cluster
from repman.web.views import reads

ROUTES: tuple[Route, ...] = (
    Route("/api/status", reads.daemon_status, PUBLIC, cross_origin=True),
    Route("/api/monitor", reads.monitor),
    Route("/api/clusters", reads.clusters, plain_401=True),
    Route(CLUSTER, reads.cluster),
    Route(f"{CLUSTER}/status", reads.cluster_status, PUBLIC, no_cluster=no_cluster_found, cross_origin=True),
    Route(f"{CLUSTER}/settings", reads.settings, "cluster-settings"),
    Route(f"{CLUSTER}/topology/servers", reads.servers),
    Route(f"{CLUSTER}/topology/master", reads.writer),
    Route(f"{CLUSTER}/topology/slaves", reads.replicas),
    Route(f"{CLUSTER}/topology/proxies", reads.proxies),
    Route(f"{CLUSTER}/topology/logs", reads.log_lines),
    Route(f"{CLUSTER}/topology/alerts", reads.alerts),
    Route(f"{CLUSTER}/topology/crashes", reads.crashes),
    Route(f"{CLUSTER}/snapshot", reads.snapshot, no_cluster=unknown_cluster),
    Route(f"{CLUSTER}/events", reads.events, no_cluster=unknown_cluster),
)
