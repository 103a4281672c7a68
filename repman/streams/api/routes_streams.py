"""Streams over HTTP: start, pause, resume, stop, and how far they are."""

from __future__ import annotations

from flask import Flask, Response, request

from repman.errors import UnknownStream
from repman.streams import comparing, rejected
from repman.streams.api.bodies import one_of
from repman.streams.api.logs import LEVELS, MOST_ENTRIES, newest
from repman.streams.api.render import moved_document, stream_document, verification_document
from repman.streams.api.service import PREFIX, Service, answer, flag, listed, nothing, number
from repman.streams.api.statistics import aggregate, statistics
from repman.streams.configs import settings_of
from repman.streams.registry import Stream
from repman.streams.states import LIVING, TERMINAL


def register(app: Flask, service: Service) -> None:
    """Add the routes."""
    calls = _Calls(service)
    base, one = f"{PREFIX}/streams", f"{PREFIX}/streams/<identifier>"
    app.get(base)(calls.list_streams)
    app.delete(base)(calls.forget_all)
    app.get(f"{base}/current/stats")(calls.current)
    app.get(f"{base}/stat")(calls.stat)
    app.get(one)(calls.show_stream)
    app.delete(one)(calls.forget)
    app.post(f"{one}/start")(calls.start)
    app.post(f"{one}/pause")(calls.pause)
    app.post(f"{one}/resume")(calls.resume)
    app.post(f"{one}/stop")(calls.stop)
    app.get(f"{one}/stats")(calls.stats)
    app.get(f"{one}/logs")(calls.logs)
    app.get(f"{one}/deadletters")(calls.dead_letters)
    app.post(f"{one}/verify")(calls.verify)
    app.get(f"{one}/verification")(calls.verification)


class _Calls:
    def __init__(self, service: Service) -> None:
        self._service = service
        self._life = service.life

    def list_streams(self) -> Response:
        found = reversed(self._life.streams())
        return listed([stream_document(each, self._service.view(each)) for each in found], "configID")

    def forget_all(self) -> Response:
        """Those that are over; one that lives is stopped first, by its own call."""
        for each in self._life.streams():
            if each.status in TERMINAL:
                self._life.forget(each.id)
        return nothing()

    def show_stream(self, identifier: str) -> Response:
        stream = self._life.stream(identifier)
        return answer(stream_document(stream, self._service.view(stream)))

    def forget(self, identifier: str) -> Response:
        self._life.forget(identifier)
        return nothing()

    def start(self, identifier: str) -> Response:
        """Takes the id of a configuration."""
        return answer({"id": self._life.start(identifier).id})

    def pause(self, identifier: str) -> Response:
        return answer(moved_document(self._life.pause(identifier)))

    def resume(self, identifier: str) -> Response:
        return answer(moved_document(self._life.resume(identifier)))

    def stop(self, identifier: str) -> Response:
        return answer(moved_document(self._life.stop(identifier, flag("force"))))

    def stats(self, identifier: str) -> Response:
        stream = self._life.stream(identifier)
        return answer(statistics(stream, self._service.view(stream)))

    def current(self) -> Response:
        stream = self._newest()
        if stream is None:
            raise UnknownStream("there is no stream yet: start a configuration")
        return answer(statistics(stream, self._service.view(stream)))

    def stat(self) -> Response:
        stream = self._newest()
        if stream is None:
            raise UnknownStream("there is no stream yet: start a configuration")
        return answer(aggregate(stream, self._service.view(stream)))

    def logs(self, identifier: str) -> Response:
        stream = self._life.stream(identifier)
        level = request.args.get("level", "")
        if level:
            one_of("level", level, LEVELS)
        limit = min(number("limit", MOST_ENTRIES), MOST_ENTRIES)
        return answer(newest(self._service.data, stream.id, level, limit) if limit else [])

    def dead_letters(self, identifier: str) -> Response:
        stream = self._life.stream(identifier)
        told = settings_of(stream, self._service.data, self._life.connection)
        return answer(rejected.newest(told.target, told.mode, stream.id, number("limit", rejected.MOST)))

    def verify(self, identifier: str) -> Response:
        asked = self._life.compare(identifier, flag("repair"))
        return answer(verification_document(identifier, comparing.Result(asked.asked)))

    def verification(self, identifier: str) -> Response:
        stream = self._life.stream(identifier)
        found = comparing.result(self._service.data, stream.id)
        wanted = comparing.request(self._service.data, stream.id)
        if wanted is not None and (found is None or found.asked < wanted.asked):
            found = comparing.Result(wanted.asked)
        if found is None:
            raise UnknownStream("source and target of the stream were not compared yet: POST /verify")
        return answer(verification_document(stream.id, found))

    def _newest(self) -> Stream | None:
        streams = self._life.streams()
        chosen = [each for each in streams if each.status in LIVING] or list(streams)
        return chosen[-1] if chosen else None
