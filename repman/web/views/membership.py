"""Servers are added to a cluster, and taken out of it."""

from __future__ import annotations

from flask import Response

from repman.config.servers import address_of
from repman.errors import ConfigError, Refused
from repman.web import changing, replies
from repman.web.call import Call
from repman.web.membership import forbidden, one_less, one_more
from repman.web.parameters import flag, parameters

DATABASES = ("mariadb", "mysql", "percona")
"""Types that mean a database server; the others of replication-manager are balancers."""


def add(call: Call) -> Response:
    """Watch one more server."""
    host, port = call.arguments["host"], call.arguments["port"]
    kind = _database(call)
    cluster = call.cluster.policy.name
    try:
        wishes = one_more(cluster, _address(call), parameters().get("name", ""))
        done = changing.carry_out(call, wishes)
    except ValueError as error:
        return _told(400, f"{error}; nothing was changed")
    except Refused:
        return _told(409, f"Error adding new {kind} monitor of {host}:{port}: Server already exists")
    except ConfigError as error:
        return _told(400, "; ".join(error.mistakes), mistakes=list(error.mistakes))
    return _done(call, "Monitor added", done, "add it to")


def drop(call: Call) -> Response:
    """Watch a server no more."""
    _database(call)
    cluster = call.cluster
    server = cluster.policy.find(_address(call))
    if server is None:
        known = [each.address for each in cluster.policy.servers]
        return _told(404, f"{cluster.policy.name} has no server {_address(call)}", known=known)
    reasons = forbidden(call.snapshot(), server, cluster.policy.semi_sync, flag("force"))
    if reasons:
        told = [replies.reason(reason) for reason in reasons]
        return _told(409, "; ".join(reason.sentence for reason in reasons), reasons=told)
    try:
        done = changing.carry_out(call, one_less(cluster.policy.name, server.address))
    except (ConfigError, ValueError) as error:
        return _told(400, str(error))
    return _done(call, "Monitor dropped", done, "take it out of")


def _address(call: Call) -> str:
    host, port = call.arguments["host"].strip("[]"), call.arguments["port"]
    return address_of(host, int(port)) if port.isascii() and port.isdigit() and len(port) < 6 else f"{host}:{port}"


def _database(call: Call) -> str:
    """The wished type; ends the request with 400 unless it is a database server."""
    kind = call.arguments.get("type", DATABASES[0])
    if kind not in DATABASES:
        replies.stop(
            _told(
                400,
                f"{kind!r} is no type of server that can be added or dropped here: {', '.join(DATABASES)}. "
                "Balancers are given by the options haproxy and haproxy-servers.",
            )
        )
    return kind


def _done(call: Call, told: str, done: changing.Done, order: str) -> Response:
    backends = [
        f"HAProxy {haproxy.name} knows nothing of this: {order} its backends {haproxy.write_backend} and "
        f"{haproxy.read_backend}"
        for haproxy in call.cluster.haproxies
    ]
    return _told(200, told, monitor=done.monitor, warnings=[*done.changed.warnings, *backends])


def _told(status: int, sentence: str, **more: object) -> Response:
    """The contract's form: ``msg``."""
    return replies.document({"msg": sentence, **more}, status)
