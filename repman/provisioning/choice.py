"""Which orchestrator runs a cluster's processes, made from its settings."""

from __future__ import annotations

import logging

from repman.config.settings import ClusterSettings
from repman.config.settings_provisioning import SshSettings
from repman.errors import RepmanError
from repman.model.orchestrator import why_unavailable
from repman.orchestrators.base import Provisioner
from repman.orchestrators.description import Account
from repman.orchestrators.local import LocalOrchestrator
from repman.orchestrators.onpremise import Estate, OnPremiseOrchestrator, Scripts
from repman.orchestrators.remote import Place
from repman.orchestrators.ssh import Ssh, SshAccess

LOG = logging.getLogger(__name__)


def orchestrator_of(cluster: ClusterSettings) -> Provisioner | None:
    """Who runs the cluster's processes; None when nobody does, or the sandbox cannot be used (which is logged)."""
    try:
        return _make(cluster)
    except RepmanError as error:
        LOG.error("orchestrator cluster=%s: %s", cluster.policy.name, error)
        return None


def why_none(cluster: ClusterSettings) -> str:
    """Why nobody runs this cluster's processes, and what to do; empty: somebody does."""
    if reason := why_unavailable(cluster.orchestrator):
        return reason
    try:
        made = _make(cluster)
    except RepmanError as error:
        return str(error)
    if made is not None:
        return ""
    return (
        f"repman runs no process of {cluster.policy.name}: set onpremise-ssh to reach its hosts over SSH, or "
        'prov-orchestrator = "local" for a sandbox'
    )


def ssh_of(settings: SshSettings) -> Ssh:
    """Commands on the hosts that those settings say how to reach."""
    return Ssh(
        SshAccess(
            settings.user,
            settings.password,
            settings.port,
            settings.private_key,
            settings.known_hosts,
            settings.connect_timeout,
        )
    )


def _make(cluster: ClusterSettings) -> Provisioner | None:
    if cluster.orchestrator == "local" and cluster.sandbox is not None:
        return LocalOrchestrator(cluster.sandbox)
    if cluster.orchestrator == "onpremise" and cluster.ssh is not None:
        return OnPremiseOrchestrator(ssh_of(cluster.ssh), _estate(cluster), _scripts(cluster.ssh))
    return None


def _estate(cluster: ClusterSettings) -> Estate:
    return Estate(
        cluster.policy.name,
        servers={one.address: Place(one.name, one.host, one.port) for one in cluster.policy.servers},
        balancers={
            f"{one.host}:{one.write_port}": Place(one.name, one.host, one.write_port) for one in cluster.haproxies
        },
        monitor=Account(cluster.database.user, cluster.database.password),
        replication=Account(cluster.replication.user, cluster.replication.password),
    )


def _scripts(settings: SshSettings) -> Scripts:
    return Scripts(
        start=settings.start_script,
        stop=settings.stop_script,
        provision=settings.provision_script,
        unprovision=settings.unprovision_script,
        start_balancer=settings.start_proxy_script,
        stop_balancer=settings.stop_proxy_script,
    )
