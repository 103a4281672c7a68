"""What one cluster is worked with: made from its settings, and made anew only where they have changed."""

from __future__ import annotations

from collections.abc import Sequence

from repman.config.settings import ClusterSettings
from repman.engines.base import ClusterDriver
from repman.engines.mariadb import MariadbCluster
from repman.engines.mongodb import MongodbSet
from repman.orchestrators.base import Orchestrator
from repman.provisioning.choice import orchestrator_of
from repman.proxies.base import Proxy
from repman.proxies.haproxy import Haproxy


def new_driver(cluster: ClusterSettings) -> ClusterDriver:
    """A driver of the cluster's servers; it opens nothing before its first look."""
    policy = cluster.policy
    if cluster.mongodb is not None:
        return MongodbSet(
            {server.address: (server.host, server.port) for server in policy.servers},
            {**_account(cluster), **cluster.mongodb.options},
            cluster.connect_timeout,
        )
    return MariadbCluster(
        policy.name,
        policy.addresses,
        (cluster.database.user, cluster.database.password),
        (cluster.replication.user, cluster.replication.password),
        policy.heartbeat_period,
        cluster.connect_timeout,
        semi_sync=policy.semi_sync,
    )


def _account(cluster: ClusterSettings) -> dict[str, object]:
    """The account as the driver of MongoDB takes it; nothing where none is configured."""
    if not cluster.database.user:
        return {}
    return {"username": cluster.database.user, "password": cluster.database.password}


def new_proxies(cluster: ClusterSettings) -> tuple[Proxy, ...]:
    """Drivers of the cluster's balancers."""
    return tuple(
        Haproxy(haproxy.name, haproxy.runtime_socket, haproxy.write_backend, haproxy.read_backend, _names(cluster))
        for haproxy in cluster.haproxies
    )


def new_orchestrator(cluster: ClusterSettings) -> Orchestrator | None:
    """Who runs the cluster's processes; None when nobody does, or the sandbox cannot be used (which is logged)."""
    return orchestrator_of(cluster)


def same_driver(old: ClusterSettings, new: ClusterSettings) -> bool:
    """Whether a driver made of the old settings serves the new ones as well."""
    return _of_driver(old) == _of_driver(new)


def same_proxies(old: ClusterSettings, new: ClusterSettings) -> bool:
    """Whether proxies made of the old settings serve the new ones as well."""
    return (old.haproxies, _names(old)) == (new.haproxies, _names(new))


def same_orchestrator(old: ClusterSettings, new: ClusterSettings) -> bool:
    """Whether an orchestrator made of the old settings serves the new ones as well."""
    return _of_orchestrator(old) == _of_orchestrator(new)


def _of_driver(cluster: ClusterSettings) -> Sequence[object]:
    policy = cluster.policy
    accounts = (cluster.database, cluster.replication)
    steered = (policy.heartbeat_period, policy.semi_sync)
    return (policy.addresses, accounts, cluster.connect_timeout, steered, cluster.mongodb)


def _of_orchestrator(cluster: ClusterSettings) -> Sequence[object]:
    return (cluster.orchestrator, cluster.sandbox, cluster.ssh, cluster.policy.addresses)


def _names(cluster: ClusterSettings) -> dict[str, str]:
    return {server.address: server.name for server in cluster.policy.servers}
