"""The room of the worker that provisions: servers and balancers are made, unmade, started, stopped and shown."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from functools import partial

from repman.config.settings import ClusterSettings, Settings
from repman.errors import MonitorDown, RepmanError
from repman.maintenance.catalogue import Catalogue
from repman.maintenance.reseed import ReseedMethod
from repman.maintenance.surroundings import Surroundings
from repman.model.work import Reply, Request
from repman.orchestrators.base import Provisioner
from repman.orchestrators.onpremise import package_configuration
from repman.provisioning import servers, services
from repman.provisioning.choice import orchestrator_of, why_none
from repman.provisioning.site import DEED_SECONDS, Site
from repman.state import bus
from repman.state.snapshots import SnapshotReader

Handler = Callable[[Request], Reply]
Claim = Callable[[str, str, str], AbstractContextManager[str]]
"""Keeps jobs off a server, or off a cluster when the second word is empty; gives what stands against that."""
_LOOK_SECONDS = 10.0
_BALANCER_SECONDS = 20.0


class ProvisioningRoom:
    """One act at a time in each cluster; looking is always possible."""

    def __init__(self, settings: Settings, reseed: Handler, claim: Claim) -> None:
        """`reseed`: the handler that fills an empty server."""
        self._settings = settings
        self._reseed = reseed
        self._reader = SnapshotReader(settings.service.rundir)
        self._claim = claim
        self._lock = threading.Lock()
        self._busy: dict[str, str] = {}

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """See `Room`."""
        return {
            "services": self._services,
            "configuration": self._configuration,
            "provision": self._provision,
            "unprovision": self._unprovision,
            "provision-services": self._provision_services,
            "unprovision-services": self._unprovision_services,
            **{f"balancer-{verb}": partial(self._balancer, verb) for verb in _BALANCER_DEEDS},
        }

    def start(self) -> None:
        """See `Room`."""

    def reload(self, settings: Settings) -> None:
        """See `Room`."""
        self._settings = settings

    def stop(self) -> None:
        """See `Room`."""

    def _services(self, request: Request) -> Reply:
        """Machines and processes, as they are now."""
        cluster = self._cluster(request.cluster)
        hands = orchestrator_of(cluster)
        if hands is None:
            return Reply("refused", why_none(cluster), "no-orchestrator")
        return Reply("done", document=[asdict(host) for host in hands.hosts(_LOOK_SECONDS)])

    def _configuration(self, request: Request) -> Reply:
        """The generated configuration of one server or balancer, text by file name."""
        cluster = self._cluster(request.cluster)
        hands = orchestrator_of(cluster)
        if hands is not None:
            return Reply("done", document=hands.configuration(request.server))
        if request.server in cluster.policy.addresses:
            return Reply(
                "done", document=package_configuration(request.server, cluster.policy.server(request.server).port)
            )
        return Reply("refused", why_none(cluster), "no-orchestrator")

    def _provision(self, request: Request) -> Reply:
        method = request.arguments.get("method") or ReseedMethod.LOGICAL_MASTER
        return self._act(request, lambda site: servers.provision(site, request.server, method))

    def _unprovision(self, request: Request) -> Reply:
        force = self._forced(request)
        return self._act(request, lambda site: servers.unprovision(site, request.server, force))

    def _provision_services(self, request: Request) -> Reply:
        method = request.arguments.get("method") or ReseedMethod.LOGICAL_MASTER
        replicate = request.arguments.get("replicate") != "false"
        return self._act(request, lambda site: services.provision(site, method, replicate))

    def _unprovision_services(self, request: Request) -> Reply:
        force = self._forced(request)
        return self._act(request, lambda site: services.unprovision(site, force))

    def _balancer(self, verb: str, request: Request) -> Reply:
        deed = _BALANCER_DEEDS[verb]

        def do(site: Site) -> Reply:
            if not site.hands.controls_balancer(request.server):
                return Reply(
                    "refused", f"{request.server} is no balancer of the cluster's orchestrator", "not-controlled"
                )
            deed(site.hands, request.server)
            return Reply("done", f"the balancer at {request.server} is {_BALANCER_WORDS[verb]}")

        return self._act(request, do)

    def _act(self, request: Request, deed: Callable[[Site], Reply]) -> Reply:
        cluster = self._cluster(request.cluster)
        hands = orchestrator_of(cluster)
        if hands is None:
            return Reply("refused", why_none(cluster), "no-orchestrator")
        with self._alone(request) as other:
            if other:
                return Reply("refused", f"{request.cluster} is busy with: {other}; wait until that ends", "busy")
            try:
                return deed(Site(self._around(cluster), hands, self._reseed, request.user))
            except MonitorDown as error:
                return Reply("failed", str(error), "monitor-down")

    @contextmanager
    def _alone(self, request: Request) -> Iterator[str]:
        """Gives what else goes on there, which must end first; empty: nothing, and now this one does.

        No job begins on the server meanwhile: its end would take a hold away that is still needed.
        """
        what = f"{request.name} {request.server}".strip()
        with self._lock:
            other = self._busy.get(request.cluster, "")
            if not other:
                self._busy[request.cluster] = what
        if other:
            yield other
            return
        try:
            with self._claim(request.cluster, request.server, what) as job:
                yield job
        finally:
            with self._lock:
                del self._busy[request.cluster]

    def _forced(self, request: Request) -> bool:
        return request.arguments.get("force") == "true" or self._cluster(request.cluster).test

    def _around(self, cluster: ClusterSettings) -> Surroundings:
        service, name = self._settings.service, cluster.policy.name
        return Surroundings(
            cluster,
            service.datadir,
            Catalogue(service.datadir),
            partial(self._reader.get, name),
            partial(bus.ask, service.monitor_socket),
        )

    def _cluster(self, name: str) -> ClusterSettings:
        found = self._settings.cluster(name)
        if found is None:
            raise RepmanError(f"No cluster is called {name!r}.")
        return found


def _provision_balancer(hands: Provisioner, address: str) -> None:
    hands.provision_balancer(address, DEED_SECONDS)
    hands.start_balancer(address, _BALANCER_SECONDS)


_BALANCER_DEEDS: Mapping[str, Callable[[Provisioner, str], None]] = {
    "start": lambda hands, address: hands.start_balancer(address, _BALANCER_SECONDS),
    "stop": lambda hands, address: hands.stop_balancer(address, _BALANCER_SECONDS),
    "provision": _provision_balancer,
    "unprovision": lambda hands, address: hands.unprovision_balancer(address, _BALANCER_SECONDS),
}
_BALANCER_WORDS = {
    "start": "started",
    "stop": "stopped",
    "provision": "provisioned and started",
    "unprovision": "stopped, and its configuration is removed",
}
