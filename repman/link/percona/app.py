"""The HTTP API.  Each call is one call of the link; its words are in `words`, its answers in `render`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

import msgspec
from flask import Flask, Response, abort, request
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from repman.errors import LinkFailed, LinkRefused
from repman.link import serving
from repman.link.link import Link
from repman.link.percona import metrics, words
from repman.link.percona.flavour import Flavour
from repman.link.percona.render import status_document
from repman.link.percona.starting import BadOption, StartRequest, options_of, unused

_log = logging.getLogger(__name__)
_HTTP = {"s": "http"}
T = TypeVar("T")


class ResumeRequest(msgspec.Struct, frozen=True, rename="camel"):
    """The body of a resume."""

    from_failure: bool | None = None
    """Go on although it failed."""


def application(
    link: Link,
    listener: serving.Listener,
    flavour: Flavour = Flavour.PCSM,
    defaults: StartRequest | None = None,
    changed: Callable[[], None] = lambda: None,
) -> Flask:
    """The API of one link.

    `defaults` are what a start's request does not say.  `changed` is called after each call that moved the link.
    """
    app = Flask(__name__, static_folder=None)
    # The keys of an index have an order.
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.before_request(_log_request)
    serving.guard(app, listener, _http_error)
    app.before_request(_require_size)
    calls = _Calls(link, flavour, defaults or StartRequest(), changed)
    app.post("/start")(calls.start)
    app.post("/pause")(calls.pause)
    app.post("/resume")(calls.resume)
    app.post("/finalize")(calls.finalize)
    app.get("/status")(calls.status)
    app.get("/metrics")(calls.metrics)
    return app


class _Calls:
    def __init__(self, link: Link, flavour: Flavour, defaults: StartRequest, changed: Callable[[], None]) -> None:
        self._link, self._flavour, self._defaults, self._changed = link, flavour, defaults, changed
        self._registry = metrics.registry(link.status, lambda: link.figures, flavour)

    def start(self) -> Response:
        asked = _body(StartRequest).over(self._defaults)

        def act() -> None:
            self._link.start(options_of(asked))
            _tell(asked)

        return self._moved("start", act)

    def pause(self) -> Response:
        return self._moved("pause", lambda: self._link.pause(while_cloning=False))

    def resume(self) -> Response:
        from_failure = bool(_body(ResumeRequest).from_failure)
        return self._moved("resume", lambda: self._link.resume(from_failure))

    def finalize(self) -> Response:
        return self._moved("finalize", self._link.finalize)

    def status(self) -> Response:
        return serving.document(status_document(self._link.status(), self._flavour))

    def metrics(self) -> Response:
        return Response(generate_latest(self._registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)

    def _moved(self, call: str, act: Callable[[], None]) -> Response:
        try:
            act()
        except LinkRefused as refusal:
            return _refused(refusal.code, words.refusal_text(call, refusal, self._link.status().error))
        except LinkFailed as failure:
            return _refused("failed", str(failure))
        except BadOption as mistake:
            return _refused("invalid-option", str(mistake))
        self._changed()
        return serving.document({"ok": True})


def _log_request() -> None:
    level = logging.DEBUG if request.path == "/metrics" else logging.INFO
    _log.log(level, "%s %s", request.method, request.path, extra=_HTTP)


def _require_size() -> None:
    """Also where the body is not read."""
    if (request.content_length or 0) > serving.MOST_BYTES:
        abort(413)


def _body(kind: type[T]) -> T:
    """The request's body, whatever its content type; an empty one says nothing.  Answers 400 when it is not JSON."""
    try:
        return msgspec.json.decode(request.get_data().strip() or b"{}", type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        abort(400, str(error))


def _refused(code: str, text: str, status: int = 200) -> Response:
    return serving.document({"ok": False, "error": text, "code": code}, status)


def _http_error(status: int, sentence: str) -> Response:
    code, text = words.http_error(status, sentence)
    return _refused(code, text, status)


def _tell(asked: StartRequest) -> None:
    """The settings of a run, for the log."""
    for name, value in (
        ("NumParallelCollections", asked.clone_num_parallel_collections),
        ("NumReadWorkers", asked.clone_num_read_workers),
        ("NumInsertWorkers", asked.clone_num_insert_workers),
        ("NumWorkers", asked.repl_num_workers),
        ("ChangeStreamBatchSize", asked.repl_change_stream_batch_size),
        ("BulkOpsSize", asked.repl_bulk_ops_size),
    ):
        if value:
            _log.info("Config: %s: %d", name, value, extra={"s": "config"})
    if asked.use_collection_bulk_write:
        _log.info("Use collection-level bulk write", extra={"s": "config"})
    for key in unused(asked):
        _log.info("%s is accepted and has no effect: there is no such queue here", key, extra={"s": "config"})
