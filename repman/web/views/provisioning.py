"""Servers and balancers made, unmade, started, stopped and shown: asked of the worker."""

from __future__ import annotations

from typing import Any

from flask import Response

from repman.model.work import Reply, Request
from repman.web import replies
from repman.web.call import Call, View
from repman.web.parameters import flag, parameters
from repman.web.render.archive import pack
from repman.web.render.proxy import proxy_id
from repman.web.render.services import render_agents
from repman.web.views.orchestrated import unavailable

_QUICK = 15.0
_SERVER = 300.0
_SERVICES = 1800.0
"""Seconds that replication-manager's clients wait for a whole cluster."""
_STATUS = {"unknown-method": 400, "refused": 409, "monitor-down": 503}


def provision(call: Call) -> Response:
    """Make the server in the path, and have it filled."""
    return _told(_ask(call, "provision", _server(call), _given("method"), _SERVER))


def unprovision(call: Call) -> Response:
    """Stop the server in the path and remove its data."""
    return _told(_ask(call, "unprovision", _server(call), _forced(), _SERVER))


def provision_services(call: Call) -> Response:
    """Make and start what is missing, then have replication built."""
    return _told(_ask(call, "provision-services", "", _given("method"), _SERVICES))


def make_services(call: Call) -> Response:
    """Make and start what is missing."""
    arguments = {**_given("method"), "replicate": "false"}
    return _told(_ask(call, "provision-services", "", arguments, _SERVICES))


def unprovision_services(call: Call) -> Response:
    """Stop everything and remove all data."""
    return _told(_ask(call, "unprovision-services", "", _forced(), _SERVICES))


def balancer(verb: str) -> View:
    """A view that does that with the balancer in the path."""

    def view(call: Call) -> Response:
        return _told(_ask(call, f"balancer-{verb}", _balancer(call), {}, _SERVER))

    return view


def services(call: Call) -> Response:
    """Machines and processes, as they are now."""
    reply = _ask(call, "services", "", {}, _QUICK)
    if reply.code == "no-orchestrator":
        return unavailable(reply.sentence, 200)
    if reply.status != "done":
        return _told(reply)
    found: Any = reply.document
    return replies.document(render_agents(found))


def configuration(call: Call) -> Response:
    """The generated configuration of the server or balancer at that host and port, as an archive."""
    policy, wanted = call.cluster.policy, f"{call.arguments['host']}:{call.arguments['port']}"
    known = {*policy.addresses, *(f"{one.host}:{one.write_port}" for one in call.cluster.haproxies)}
    if wanted not in known:
        return replies.text("No server", 500)
    user = call.caller.name if call.caller else ""
    reply = call.house.ask_worker(Request("configuration", policy.name, wanted, user=user), _QUICK)
    if reply.status != "done":
        return _told(reply)
    texts: Any = reply.document
    answer = Response(pack(texts), 200, content_type="application/gzip")
    answer.headers["Content-Disposition"] = "attachment; filename=config.tar.gz"
    return answer


def _told(reply: Reply) -> Response:
    document = reply.document if isinstance(reply.document, dict) else {}
    if reply.status in ("done", "started"):
        return replies.document({"status": reply.status, "sentence": reply.sentence, "job": reply.job, **document})
    status = _STATUS.get(reply.code) or _STATUS.get(reply.status, 500)
    return replies.error(status, reply.sentence, code=reply.code, **document)


def _ask(call: Call, name: str, server: str, arguments: dict[str, str], timeout: float) -> Reply:
    request = Request(name, call.cluster.policy.name, server, arguments, call.user.name)
    return call.house.ask_worker(request, timeout)


def _given(name: str) -> dict[str, str]:
    value = parameters().get(name, "")
    return {name: value} if value else {}


def _forced() -> dict[str, str]:
    return {"force": "true"} if flag("force") else {}


def _server(call: Call) -> str:
    """Address of the server in the path.  Ends the request in the page's words when the cluster has no such one."""
    server = call.cluster.policy.find(call.arguments["server"])
    if server is None:
        replies.stop(replies.text("Server Not Found", 500))
    return server.address


def _balancer(call: Call) -> str:
    """Where the balancer in the path takes writes; it is named by its id, its name or that address."""
    wanted, name = call.arguments["proxy"], call.cluster.policy.name
    for one in call.cluster.haproxies:
        address = f"{one.host}:{one.write_port}"
        if wanted in (proxy_id(name, one), one.name, address):
            return address
    replies.stop(replies.text("Server Not Found", 500))
