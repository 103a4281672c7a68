"""Servers and balancers made, unmade, started, stopped and shown."""

from __future__ import annotations

from repman.web.call import View
from repman.web.routes import wishes
from repman.web.routes.route import CLUSTER, PROXY, SERVER, Answer, Parameter, Route, unknown_cluster
from repman.web.shapes import services as shapes
from repman.web.shapes.common import ERROR
from repman.web.views import provisioning
from repman.web.views.orchestrated import action, read

_PROOF = "tests/integration/test_provisioning.py::test_"
_PAGE = "/api/clusters/{clusterName}"
_METHOD = Parameter(
    "method",
    "how a new server of a cluster that has data is filled: `logicalmaster` (without the parameter), `physicalmaster`, "
    "`logicalbackup` or `physicalbackup` as a reseed does it; `none` leaves it empty and held",
)
_ENDED = Answer(200, "`done`; or `started`, and reseeds (`job`, `jobs`) go on.", schema=shapes.TOLD)
_UNKNOWN_METHOD = Answer(400, "There is no such method; nothing was changed.", schema=shapes.REFUSED)
_REFUSED = Answer(409, "Refused, with every reason; nothing was changed.", schema=shapes.REFUSED)
_FAILED = Answer(500, "It was begun and failed; the sentence says where things stand.", schema=shapes.REFUSED)
_NO_SERVER = Answer(500, "`Server Not Found`: the cluster has no such server or balancer.", "text/plain")
_DOWN = Answer(503, "The worker does not run, or the monitor is silent; nothing was done.", schema=ERROR)
_ACTED = (_ENDED, _REFUSED, _FAILED, wishes.NO_ORCHESTRATOR, _DOWN)


def _act(
    path: str,
    view: View,
    grant: str,
    summary: str,
    proof: str,
    parameters: tuple[Parameter, ...] = (),
    answers: tuple[Answer, ...] = (),
    page: str = "",
) -> Route:
    return Route(
        path,
        action(view),
        grant,
        safe=False,
        summary=summary,
        parameters=parameters,
        answers=(*_ACTED, *answers),
        page=page and f"{_PAGE}/{page}",
        proof=_PROOF + proof,
    )


_ALL = "Makes and starts every server and balancer that is missing, then has replication built."
_MADE = "Makes and starts every server and balancer that is missing, and builds no replication."
_GONE = "everything_is_unprovisioned_and_provisioned_again"
_AGAIN = "a_replica_is_unprovisioned_and_provisioned_again"
_BALANCED = "the_balancer_is_unprovisioned_and_provisioned_again"
_SHOWN = "services_are_shown_as_they_are"
_AGENTS = (
    Answer(
        200,
        "The machines, each with its services; or `available` false and the reason where no orchestrator can tell.",
        schema=shapes.AGENTS,
    ),
    _FAILED,
    _DOWN,
)
_SERVICES = (
    "The machines of the cluster with their processes, as they are now: state, pid, memory, processor time, disk."
)

ROUTES: tuple[Route, ...] = (
    Route(
        f"{CLUSTER}/actions/services",
        read(provisioning.services),
        "cluster-show-agents",
        summary=_SERVICES,
        answers=_AGENTS,
        page=f"{_PAGE}/actions/services",
        proof=_PROOF + _SHOWN,
    ),
    Route(
        f"{CLUSTER}/services",
        read(provisioning.services),
        "cluster-show-agents",
        no_cluster=unknown_cluster,
        summary=_SERVICES,
        answers=_AGENTS,
        proof=_PROOF + _SHOWN,
    ),
    _act(
        f"{CLUSTER}/actions/services/provision",
        provisioning.provision_services,
        "prov-cluster",
        _ALL,
        _GONE,
        (_METHOD,),
        (_UNKNOWN_METHOD,),
        "actions/services/provision",
    ),
    _act(
        f"{CLUSTER}/services/actions/provision",
        provisioning.provision_services,
        "prov-cluster",
        _ALL,
        _GONE,
        (_METHOD,),
        (_UNKNOWN_METHOD,),
    ),
    _act(
        f"{CLUSTER}/actions/services/bootstrap",
        provisioning.make_services,
        "prov-cluster",
        _MADE,
        _GONE,
        (_METHOD,),
        (_UNKNOWN_METHOD,),
        "actions/services/bootstrap",
    ),
    _act(
        f"{CLUSTER}/services/actions/bootstrap",
        provisioning.make_services,
        "prov-cluster",
        _MADE,
        _GONE,
        (_METHOD,),
        (_UNKNOWN_METHOD,),
    ),
    _act(
        f"{CLUSTER}/services/actions/unprovision",
        provisioning.unprovision_services,
        "prov-cluster-unprovision",
        "Stops every server and balancer and removes all data; refused without `force` or the option `test`.",
        _GONE,
        (wishes.FORCE,),
    ),
    _act(
        f"{SERVER}/actions/provision",
        provisioning.provision,
        "prov-db-provision",
        "Makes a server that has no data, starts it, and has it reseeded from the writer; it is held until that has "
        "ended well.",
        _AGAIN,
        (_METHOD,),
        (_UNKNOWN_METHOD, _NO_SERVER),
        "servers/{serverName}/actions/provision",
    ),
    _act(
        f"{SERVER}/actions/unprovision",
        provisioning.unprovision,
        "prov-db-unprovision",
        "Stops a server and removes its data; the writer, the last replica and the only copy are refused without `force`.",
        _AGAIN,
        (wishes.FORCE,),
        (_NO_SERVER,),
        "servers/{serverName}/actions/unprovision",
    ),
    _act(
        f"{PROXY}/actions/provision",
        provisioning.balancer("provision"),
        "prov-proxy-provision",
        "Writes the configuration of a balancer that has none and starts it; it lets nobody through before repman has "
        "spoken.",
        _BALANCED,
        answers=(_NO_SERVER,),
        page="proxies/{proxyName}/actions/provision",
    ),
    _act(
        f"{PROXY}/actions/unprovision",
        provisioning.balancer("unprovision"),
        "prov-proxy-unprovision",
        "Stops a balancer and removes its configuration.",
        _BALANCED,
        answers=(_NO_SERVER,),
        page="proxies/{proxyName}/actions/unprovision",
    ),
    _act(
        f"{PROXY}/actions/start",
        provisioning.balancer("start"),
        "proxy-start",
        "Starts a balancer.",
        "the_balancer_is_stopped_and_started",
        answers=(_NO_SERVER,),
    ),
    _act(
        f"{PROXY}/actions/stop",
        provisioning.balancer("stop"),
        "proxy-stop",
        "Stops a balancer; its sessions end.",
        "the_balancer_is_stopped_and_started",
        answers=(_NO_SERVER,),
    ),
    Route(
        f"{CLUSTER}/servers/<host>/<port>/config",
        provisioning.configuration,
        "proxy-config-flag",
        opened=lambda cluster: not cluster.secure_config,
        summary="The generated configuration of a server or balancer.",
        answers=(
            Answer(200, "A tar archive, compressed with gzip.", "application/gzip"),
            _REFUSED,
            Answer(500, "`No server`: nobody of the cluster has that host and port.", "text/plain"),
            _DOWN,
        ),
        proof=_PROOF + "the_configuration_of_a_server_is_downloaded",
    ),
)
