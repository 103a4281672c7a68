"""HTTP for a link: who may ask, answers in JSON whatever goes wrong, and the server itself.

The clients of both APIs expect no authentication on this machine.  A browser on this machine is not such a client:
a page of anybody's could send requests here, so the Host header must name this machine and an Origin is refused.
Bound to any other address, a link asks for a token.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field

from flask import Flask, Response, jsonify, request
from waitress.server import BaseWSGIServer, MultiSocketServer, create_server
from werkzeug.exceptions import HTTPException

from repman.errors import ConfigError

MOST_BYTES = 1 << 20
"""Of a request's body."""
_LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})


@dataclass(frozen=True, slots=True)
class Listener:
    """Where a link listens."""

    host: str = "127.0.0.1"
    port: int = 0
    token: str = field(default="", repr=False)
    """Asked for as ``Authorization: Bearer``; empty: nobody is asked."""
    names: tuple[str, ...] = ()
    """Names of this machine beside ``localhost`` that requests may be addressed to."""

    def __post_init__(self) -> None:
        """Raises ConfigError where everybody could come in."""
        if not self.token and not self.loopback:
            raise ConfigError([f"{self.host} can be reached from other machines: give a token, or bind to localhost"])

    @property
    def loopback(self) -> bool:
        """Whether only this machine can come in."""
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return self.host == "localhost"


Refuse = Callable[[int, str], Response]
"""Makes a dialect's answer of a status and a sentence."""


def guard(app: Flask, listener: Listener, refuse: Refuse) -> None:
    """Turn away who may not ask, and answer every error in the dialect's form."""
    app.config["MAX_CONTENT_LENGTH"] = MOST_BYTES

    @app.before_request
    def admitted() -> Response | None:
        if listener.token:
            given = request.headers.get("Authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(given.encode(), listener.token.encode()):
                answer = refuse(401, "a token is needed: send it as 'Authorization: Bearer TOKEN'")
                answer.headers["WWW-Authenticate"] = "Bearer"
                return answer
            return None
        host = request.host.rsplit(":", 1)[0] if not request.host.endswith("]") else request.host
        if host.lower() not in _LOCAL | {name.lower() for name in listener.names}:
            return refuse(403, f"requests for {host} are not answered here: address them to localhost")
        if "Origin" in request.headers:
            return refuse(403, "requests of web pages are not answered here")
        return None

    @app.errorhandler(HTTPException)
    def failed(error: HTTPException) -> Response:
        answer = refuse(error.code or 500, error.description or error.name)
        for name, value in error.get_headers():
            if name.lower() in ("allow", "retry-after"):
                answer.headers[name] = value
        return answer


def document(body: object, status: int = 200) -> Response:
    """A JSON answer."""
    answer = jsonify(body)
    answer.status_code = status
    return answer


def server(app: Flask, listener: Listener, threads: int = 8) -> MultiSocketServer | BaseWSGIServer:
    """A server whose socket listens already; `run()` answers until `close()`.

    Waitress, as the link's own threads and its answers belong in one process, which gunicorn's forking does not
    allow.  Raises OSError when the address cannot be used.
    """
    made: MultiSocketServer | BaseWSGIServer = create_server(
        app,
        host=listener.host,
        port=listener.port,
        threads=threads,
        ident=None,
        max_request_body_size=2 * MOST_BYTES,
        channel_timeout=30,
        expose_tracebacks=False,
    )
    return made
