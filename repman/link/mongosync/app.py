"""The HTTP layer: which path is which call, and nothing else."""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec
from flask import Flask, Response, request

from repman.errors import LinkFailed, LinkRefused
from repman.link.mongosync import answers
from repman.link.mongosync.answers import BAD_BODY, ApiError
from repman.link.mongosync.body import nothing_in, start_of
from repman.link.mongosync.names import BASE, DEFAULT_ID
from repman.link.mongosync.pair import Pair
from repman.link.mongosync.render import progress
from repman.link.options import LinkOptions
from repman.link.serving import Listener, guard
from repman.link.status import State

DEFAULTS = LinkOptions(verify=True)

_log = logging.getLogger(__name__)


def application(pair: Pair, listener: Listener, identity: str = DEFAULT_ID, base: LinkOptions = DEFAULTS) -> Flask:
    """The API of a pair; `base` is what starts leave open, `identity` what the progress calls this process."""
    app = Flask(__name__, static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    guard(app, listener, answers.http_refusal)

    @app.get(f"{BASE}/progress")
    def tell() -> Response:
        status = pair.status()
        if status.state is State.FAILED:
            raise answers.failure(status)
        return answers.progressing(progress(status, identity))

    def start(body: object) -> None:
        pair.start(start_of(body, base))

    _add_call(app, "start", start)
    _add_call(app, "pause", _without_fields(pair.pause))
    _add_call(app, "resume", _without_fields(pair.resume))
    _add_call(app, "commit", _without_fields(pair.commit))
    _add_call(app, "reverse", _without_fields(pair.reverse))

    @app.errorhandler(ApiError)
    def refused(error: ApiError) -> Response:
        _log.warning("%s %s refused: %s: %s", request.method, request.path, error.name, error)
        return answers.refused(error)

    @app.errorhandler(LinkRefused)
    @app.errorhandler(LinkFailed)
    def refused_by_link(error: LinkRefused | LinkFailed) -> Response:
        return refused(answers.named(error))

    return app


def _add_call(app: Flask, name: str, call: Callable[[object], None]) -> None:
    def answer() -> Response:
        call(_body())
        _log.info("POST %s done", request.path)
        return answers.accepted()

    app.add_url_rule(f"{BASE}/{name}", name, answer, methods=["POST"])


def _without_fields(call: Callable[[], None]) -> Callable[[object], None]:
    def checked(body: object) -> None:
        nothing_in(body)
        call()

    return checked


def _body() -> object:
    """The JSON of the request, whatever its content type says: curl says form, and people use curl."""
    try:
        body: object = msgspec.json.decode(request.get_data())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ApiError(BAD_BODY, f"the body is not JSON ({error}): send a JSON object, at least {{}}") from error
    return body
