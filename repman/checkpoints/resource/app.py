"""The resource over HTTP: who may ask, every answer in its form, whatever goes wrong."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import cast

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from repman.checkpoints.resource import digest, downloads, paging, render
from repman.checkpoints.resource.asking import BadBody
from repman.checkpoints.resource.paging import BadParameter
from repman.checkpoints.resource.routes import PREFIX, ROUTES, Route
from repman.checkpoints.resource.service import Answer, Call, Problem, Service, version, written
from repman.errors import CheckpointRefused, RepmanError, StateError

LOG = logging.getLogger(__name__)

MOST_BYTES = 1 << 20
"""Of a request's body."""
_WORTH_PACKING = 1024
"""Bytes."""


def application(service: Service) -> Flask:
    """The whole of it."""
    app = Flask("repman.checkpoints", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MOST_BYTES
    app.url_map.strict_slashes = False
    app.before_request(partial(_admit, service))
    for route in ROUTES:
        _add(app, service, route)
    download = partial(_download, service)
    for rule in downloads.RULES:
        app.add_url_rule(rule, "download", download, methods=["GET"], provide_automatic_options=False)
    told = version()
    app.after_request(partial(_finished, told))
    app.register_error_handler(Problem, _problem)
    app.register_error_handler(HTTPException, _refused)
    app.register_error_handler(Exception, _failed)
    return app


def _add(app: Flask, service: Service, route: Route) -> None:
    def view(group: str, cluster: str, **rest: str) -> Response:
        call = Call(service, g.key, request.args.to_dict(), request.get_data(), _url(service), _base(service))
        shape = paging.shape(call.given)
        found = call.cluster(group, cluster)
        call.may(route.role)
        return written(route.answer(call, found, **rest), shape)

    name = f"{route.method} {route.rule}"
    app.add_url_rule(PREFIX + route.rule, name, view, methods=[route.method], provide_automatic_options=False)


def _admit(service: Service) -> Response | None:
    """Nobody comes in without a key, but to a download, whose address is one."""
    if request.path.startswith(f"{downloads.PREFIX}/"):
        return None
    key, stale = service.admitted(request.headers.get("Authorization", ""), request.method, _target())
    if key is None:
        return _unauthorized(service, stale)
    g.key = key
    if "Origin" in request.headers:
        # A browser that knows a key sends it along with what any page asks it to.
        sentence = "requests of web pages are not answered here"
        raise Problem(HTTPStatus.FORBIDDEN, "USER_ACCESS_DENIED", sentence)
    if request.content_length and not request.is_json:
        sentence = "send the body as Content-Type: application/json"
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", sentence)
    return None


def _unauthorized(service: Service, stale: bool) -> Response:
    sentence = "You are not authorized for this resource."
    told = Problem(HTTPStatus.UNAUTHORIZED, "USER_UNAUTHORIZED", sentence)
    made = Response(render.text(told.document()), status=HTTPStatus.UNAUTHORIZED)
    made.headers["Content-Type"] = "application/json;charset=ISO-8859-1"
    made.headers["WWW-Authenticate"] = digest.challenge(service.nonces.make(service.now()), stale)
    return made


def _download(service: Service, job: str, signature: str, file: str = "") -> Response:
    desk = service.desk
    found = downloads.answer(
        desk.catalogue, desk.datadir, service.secret, service.moment(), job, signature, file, _base(service)
    )
    if found is None:
        sentence = "there is nothing here (any more): look at the restore for its address, or restore again"
        raise Problem(HTTPStatus.NOT_FOUND, "RESOURCE_NOT_FOUND", sentence)
    return found


def _finished(told: str, answer: Response) -> Response:
    if answer.status_code == HTTPStatus.UNAUTHORIZED:
        return answer
    answer.headers["Strict-Transport-Security"] = "max-age=300"
    answer.headers["X-MongoDB-Service-Version"] = told
    answer.headers["Vary"] = "Accept-Encoding"
    if answer.direct_passthrough or not answer.is_json or not request.accept_encodings["gzip"]:
        return answer
    content = answer.get_data()
    if len(content) >= _WORTH_PACKING:
        answer.set_data(gzip.compress(content, mtime=0))
        answer.headers["Content-Encoding"] = "gzip"
    return answer


def _problem(problem: Problem, shape: paging.Shape | None = None) -> Response:
    return written(Answer(problem.document(), problem.status), shape or _shape())


def _refused(error: HTTPException) -> Response:
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    code = {
        HTTPStatus.NOT_FOUND: "RESOURCE_NOT_FOUND",
        HTTPStatus.METHOD_NOT_ALLOWED: "METHOD_NOT_ALLOWED",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "REQUEST_TOO_LARGE",
    }.get(status, "INVALID_REQUEST" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "UNEXPECTED_ERROR")
    told = _SENTENCES.get(status, error.description or error.name)
    answer = _problem(Problem(status, code, told))
    for name, value in error.get_headers():
        if name.lower() in ("allow", "retry-after"):
            answer.headers[name] = ", ".join(sorted(value.split(", "))) if name.lower() == "allow" else value
    return answer


def _failed(error: Exception) -> Response:
    for kind, made in _PROBLEMS:
        if isinstance(error, kind):
            return _problem(made(error))
    LOG.exception("%s %s", request.method, request.path, exc_info=error)
    sentence = "something unexpected went wrong; the log of the service has it"
    return _problem(Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "UNEXPECTED_ERROR", sentence))


def _of_parameter(error: BadParameter) -> Problem:
    return Problem(HTTPStatus.BAD_REQUEST, "INVALID_QUERY_PARAMETER", str(error), error.name)


def _of_body(error: BadBody) -> Problem:
    parameters = [error.name] if error.name else []
    return Problem(HTTPStatus.BAD_REQUEST, error.code, str(error), *parameters)


def _of_refusal(error: CheckpointRefused) -> Problem:
    return Problem(HTTPStatus.CONFLICT, error.code.upper(), str(error))


def _of_store(error: StateError) -> Problem:
    LOG.error("%s %s: %s", request.method, request.path, error)
    sentence = "the store of the service cannot be used; its log says why"
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "UNEXPECTED_ERROR", sentence)


def _of_failure(error: RepmanError) -> Problem:
    LOG.warning("%s %s: %s", request.method, request.path, error)
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "UNEXPECTED_ERROR", str(error))


_PROBLEMS = cast(
    "tuple[tuple[type[Exception], Callable[[Exception], Problem]], ...]",
    (
        (BadParameter, _of_parameter),
        (BadBody, _of_body),
        (CheckpointRefused, _of_refusal),
        (StateError, _of_store),
        (RepmanError, _of_failure),
    ),
)
_SENTENCES = {
    HTTPStatus.NOT_FOUND: "there is no such address",
    HTTPStatus.METHOD_NOT_ALLOWED: "the address does not take this method; the header Allow has those it takes",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: f"a body has at most {MOST_BYTES} bytes",
}


def _shape() -> paging.Shape:
    """The form that was asked for, as far as it can be known."""
    try:
        return paging.shape(request.args.to_dict())
    except BadParameter:
        return paging.Shape()


def _target() -> str:
    """The request's target as it was sent."""
    return str(request.environ.get("REQUEST_URI") or request.full_path.rstrip("?"))


def _base(service: Service) -> str:
    return service.public_url or request.host_url.rstrip("/")


def _url(service: Service) -> str:
    return f"{_base(service)}{request.path}"
