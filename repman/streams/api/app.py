"""The HTTP API as a whole: who may ask, how mistakes are answered, and all routes."""

from __future__ import annotations

import logging
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from repman.errors import RepmanError, StreamFailed, StreamRefused, StreamUnreachable, UnknownStream
from repman.streams.api import routes_configs, routes_connections, routes_service, routes_streams
from repman.streams.api.bodies import MOST_BYTES, BadField
from repman.streams.api.render import error_document
from repman.streams.api.routes_service import OPEN, STREAMED
from repman.streams.api.service import Service, answer

LOG = logging.getLogger(__name__)

_KEY = "X-API-Key"
_HEADERS = f"{_KEY}, Content-Type, Authorization, X-Install-ID, X-Confirm-Delete, Idempotency-Key, X-Request-ID"
_READS = frozenset({"GET", "HEAD"})


def application(service: Service) -> Flask:
    """The API of one service."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MOST_BYTES
    # Keys have the order of the page.
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.url_map.strict_slashes = False
    _admit(app, service)
    _answer_mistakes(app)
    for routes in (routes_service, routes_connections, routes_configs, routes_streams):
        routes.register(app, service)
    return app


def _admit(app: Flask, service: Service) -> None:
    @app.before_request
    def admitted() -> Response | None:
        if request.method == "OPTIONS":
            # A browser asks whether it may ask; it does so without a key.
            return Response(status=204)
        if (request.content_length or 0) > MOST_BYTES:
            return answer(error_document(413, f"the body must not be longer than {MOST_BYTES} bytes"), 413)
        if request.path in OPEN:
            return None
        role = "read" if request.method in _READS else "write"
        if service.gate.admits(_shown(), role):
            return None
        status = service.refused_with
        told = f"a valid API key is needed: send it as {_KEY}; `repman ctl api-keys create --for streams` makes one"
        return answer(error_document(status, told), status)

    @app.after_request
    def shared(response: Response) -> Response:
        # Any page may ask, as no browser adds the key by itself.
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Access-Control-Allow-Headers"] = _HEADERS
        response.headers["Access-Control-Allow-Methods"] = "GET, POST, PUT, PATCH, DELETE, OPTIONS"
        response.headers["Cache-Control"] = response.headers.get("Cache-Control", "no-store")
        if given := request.headers.get("X-Request-ID", ""):
            response.headers["X-Request-ID"] = given[:128]
        return response


def _shown() -> str:
    """The key that was shown; Prometheus can send it as a bearer, a browser's log only in the URL."""
    if key := request.headers.get(_KEY, ""):
        return key
    if request.path == STREAMED:
        return request.args.get("api_key", "")
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _answer_mistakes(app: Flask) -> None:
    @app.errorhandler(BadField)
    def bad(error: BadField) -> Response:
        details: dict[str, Any] = {"field": error.field}
        if error.value is not None:
            details["value"] = error.value
        return answer(error_document(400, str(error), "VALIDATION_ERROR", details), 400)

    @app.errorhandler(StreamRefused)
    def refused(error: StreamRefused) -> Response:
        details = {"field": error.code.lower(), "value": list(error.blocking)} if error.blocking else None
        return answer(error_document(409, str(error), error.code.upper(), details), 409)

    @app.errorhandler(RepmanError)
    def failed(error: RepmanError) -> Response:
        if isinstance(error, UnknownStream):
            status = 404
        elif isinstance(error, StreamUnreachable):
            status = 503
        else:
            # What a database refused is the request's fault as far as we can tell; the rest is ours.
            status = 400 if isinstance(error, StreamFailed) else 500
        if status == 500:
            LOG.error("%s %s: %s", request.method, request.path, error)
        return answer(error_document(status, str(error)), status)

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> Response:
        status = error.code or 500
        made = answer(error_document(status, error.description or error.name), status)
        for name, value in error.get_headers():
            if name.lower() in ("allow", "retry-after"):
                made.headers[name] = value
        return made

    @app.errorhandler(Exception)
    def unforeseen(error: Exception) -> Response:
        LOG.exception("%s %s", request.method, request.path)
        told = "something went wrong here: the log of the service says what"
        return answer(error_document(500, told), 500)
