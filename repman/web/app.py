"""The application: the route table behind one door that authorises, finds the cluster, and answers errors."""

from __future__ import annotations

import logging
import math
import secrets
from datetime import timedelta
from functools import partial

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from repman.config.live import Live
from repman.config.settings import ClusterSettings, ServiceSettings, Settings
from repman.errors import MonitorDown, RepmanError, StateError, WorkerDown
from repman.model.command import Receipt
from repman.model.link import LinkCommand
from repman.state import bus
from repman.state.accounts import EVERYWHERE, AccountStore
from repman.state.audit import AuditTrail
from repman.state.history import History
from repman.state.links import LinkReader
from repman.state.snapshots import ProbeReader, SnapshotReader
from repman.web import limits, replies, tokens, trail
from repman.web.acl import PUBLIC, User, users_of
from repman.web.call import Call, House
from repman.web.directory import Directory
from repman.web.routes import ROUTES, Route
from repman.web.throttle import LoginThrottle

LOG = logging.getLogger(__name__)

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_SENTENCES = {
    400: "The request cannot be read; see docs/api.md for the form it must have.",
    404: "There is nothing at this path; docs/api.md lists all paths (none ends with a slash).",
    405: "This path does not take this method; the Allow header names those it takes.",
    413: f"The body is too long; {limits.BODY // 1024} KiB are the most.",
}


def create_app(settings: Settings) -> Flask:
    """The application for those settings; reads work without a monitor, commands then answer 503."""
    service = settings.service
    live = Live(settings)
    house = House(
        live=live,
        directory=Directory(users_of(service), AccountStore(service.accounts_url), service.rundir / "accounts.changes"),
        audit=AuditTrail(service.audit_url),
        key=tokens.signing_key(service.datadir),
        reader=SnapshotReader(service.rundir),
        probe_reader=ProbeReader(service.rundir),
        history=History(service.history_url),
        ask=partial(bus.ask, service.monitor_socket),
        ask_worker=partial(bus.ask_worker, service.worker_socket),
        links=LinkReader(service.rundir),
        ask_link=partial(_ask_link, service),
        throttle=LoginThrottle(service.rundir / "logins.json"),
    )
    app = Flask("repman", static_folder=None, template_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = limits.BODY
    app.url_map.merge_slashes = False
    app.extensions["repman"] = house
    tokens.configure(app, house.key, service.token_hours)
    live.on_change(partial(_adopt, app, house))
    for route in ROUTES:
        _add(app, house, route)
    app.before_request(limits.check)
    app.after_request(_finish)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(RepmanError, _repman_error)
    app.register_error_handler(Exception, _mistake)
    return app


def _ask_link(service: ServiceSettings, command: LinkCommand, timeout: float) -> Receipt:
    return bus.ask_link(service.link_socket(command.link), command, timeout)


def _adopt(app: Flask, house: House, settings: Settings) -> None:
    """What is kept outside of the settings follows them."""
    service = settings.service
    house.directory.configure(users_of(service))
    app.config["JWT_ACCESS_TOKEN_EXPIRES"] = timedelta(hours=service.token_hours)
    logging.getLogger().setLevel(service.log_level)


def _add(app: Flask, house: House, route: Route) -> None:
    def enter(**arguments: str) -> Response:
        return _enter(house, route, arguments)

    app.add_url_rule(route.path, route.name, enter, methods=list(route.methods), provide_automatic_options=False)


def _enter(house: House, route: Route, arguments: dict[str, str]) -> Response:
    """Let the request in; one that wants to act is noted with its outcome, let in or not."""
    g.cross_origin = route.cross_origin
    if route.safe:
        return _admit(house, route, arguments)
    declared = {parameter.name for parameter in route.parameters}
    return trail.recorded(house.audit, route.path, declared, arguments, partial(_admit, house, route, arguments))


def _admit(house: House, route: Route, arguments: dict[str, str]) -> Response:
    """Authorise, find the cluster, and let the view answer."""
    # Public reads, probes above all, do not wait for a changed configuration to be read.
    settings = house.live.known if route.grant == PUBLIC and route.safe else house.settings
    if request.method == "HEAD" and not route.safe:
        return replies.error(405, "This path acts; it takes GET and POST, never HEAD.")
    if settings.service.https_only and route.grant != PUBLIC and not request.is_secure:
        return _on_https_only(settings)
    caller = None if route.grant == PUBLIC or _opened(settings, route, arguments) else _caller(house, route)
    if caller is not None and not caller.may(route.grant, arguments.get("cluster", EVERYWHERE)):
        return replies.missing_grant(caller.name, route.grant)
    cluster = _cluster(settings, route, arguments)
    return route.view(Call(house, arguments, caller, cluster))


def _on_https_only(settings: Settings) -> Response:
    service = settings.service
    there = f"https, port {service.api_port}" if service.api_server else "https, which api-server switches on"
    return replies.error(403, f"Protected paths are served over {there}, only (api-https-bind).")


def _caller(house: House, route: Route) -> User:
    try:
        user = tokens.holder(request.headers.get("Authorization"), house.directory, house.key)
        trail.claim(user.name, proven=True)
        return user
    except tokens.TokenRefused as reason:
        trail.claim(reason.user)
        words = "Unauthenticated resource" if route.plain_401 else "Unauthorised access to this resource"
        answer = replies.text(f"{words}: {reason}", 401)
        answer.headers["WWW-Authenticate"] = "Bearer"
        replies.stop(answer)


def _opened(settings: Settings, route: Route, arguments: dict[str, str]) -> bool:
    """Whether the cluster's own settings open that route to everybody."""
    cluster = settings.cluster(arguments.get("cluster", ""))
    return route.opened is not None and cluster is not None and route.opened(cluster)


def _cluster(settings: Settings, route: Route, arguments: dict[str, str]) -> ClusterSettings | None:
    name = arguments.get("cluster")
    if name is None:
        return None
    cluster = settings.cluster(name)
    if cluster is None:
        replies.stop(route.no_cluster(name))
    return cluster


def _finish(answer: Response) -> Response:
    """The headers that every answer has."""
    headers = answer.headers
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Content-Security-Policy"] = _POLICY
    headers["Referrer-Policy"] = "no-referrer"
    headers["X-Frame-Options"] = "DENY"
    headers.setdefault("Cache-Control", "no-store")
    if g.get("cross_origin", False):
        headers["Access-Control-Allow-Origin"] = "*"
    age = g.get("snapshot_age")
    if age is not None:
        headers["X-Repman-Age"] = f"{age:.3f}" if math.isfinite(age) else "unknown"
    return answer


def _http_error(error: HTTPException) -> Response:
    if error.response is not None:
        assert isinstance(error.response, Response)
        return error.response
    status = error.code or 500
    answer = replies.error(status, _SENTENCES.get(status, error.description or "The request cannot be answered."))
    for name, value in error.get_headers():
        if name.lower() in ("allow", "retry-after"):
            answer.headers[name] = value
    return answer


def _repman_error(error: RepmanError) -> Response:
    if isinstance(error, MonitorDown | WorkerDown | StateError):
        return replies.error(503, str(error))
    return _mistake(error)


def _mistake(error: Exception) -> Response:
    """Our own fault: the details go to the log, under a number that the client is told."""
    incident = secrets.token_hex(4)
    path = trail.shown_path(request.url_rule.rule, request.view_args or {}) if request.url_rule else request.path
    LOG.error("incident %s: %s %r", incident, request.method, path, exc_info=error)
    return replies.error(
        500, f"repman made a mistake; its log has the details under incident {incident}.", incident=incident
    )
