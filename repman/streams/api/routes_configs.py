"""Stream configurations over HTTP."""

from __future__ import annotations

import time
from typing import Any

from flask import Flask, Response

from repman.streams.api.render import config_document, run_document
from repman.streams.api.service import PREFIX, Service, answer, body, listed, nothing
from repman.streams.configs import base_name, check_ends, name_of
from repman.streams.ids import CONFIG, new_id
from repman.streams.registry import Config
from repman.streams.settings import config_of, read
from repman.streams.states import LIVING, TERMINAL


def register(app: Flask, service: Service) -> None:
    """Add the routes."""
    calls = _Calls(service)
    base, one = f"{PREFIX}/stream-configs", f"{PREFIX}/stream-configs/<identifier>"
    app.post(base)(calls.create_config)
    app.get(base)(calls.list_configs)
    app.get(one)(calls.show_config)
    app.put(one)(calls.update_config)
    app.delete(one)(calls.delete_config)
    app.route(f"{one}/clone", methods=["PUT", "POST"])(calls.clone_config)
    app.post(f"{one}/start")(calls.start_config)
    app.get(f"{one}/history")(calls.history)
    app.delete(f"{one}/runs")(calls.delete_runs)
    app.delete(f"{one}/runs/<run>")(calls.delete_runs)


class _Calls:
    def __init__(self, service: Service) -> None:
        self._service = service

    def create_config(self) -> Response:
        document = body()
        with self._service.changing:
            moment = int(time.time())
            made = self._made(document, new_id(CONFIG, moment), moment)
            self._service.registry.put_config(made)
        return answer(config_document(made))

    def list_configs(self) -> Response:
        return listed([config_document(each) for each in self._service.registry.configs()])

    def show_config(self, identifier: str) -> Response:
        return answer(config_document(self._service.config(identifier)))

    def update_config(self, identifier: str) -> Response:
        document = body()
        with self._service.changing:
            known = self._service.config(identifier)
            changed = self._made(document, known.id, known.created)
            self._service.life.no_stream_of(identifier, LIVING)
            self._service.registry.put_config(changed)
        return answer(config_document(changed))

    def delete_config(self, identifier: str) -> Response:
        with self._service.changing:
            self._service.config(identifier)
            self._service.life.forget_config(identifier)
        return nothing()

    def clone_config(self, identifier: str) -> Response:
        with self._service.changing:
            known = self._service.config(identifier)
            moment = int(time.time())
            named = {**known.document, "name": base_name(known.name, known.id)}
            made = self._made(named, new_id(CONFIG, moment), moment)
            self._service.registry.put_config(made)
        return answer(config_document(made))

    def start_config(self, identifier: str) -> Response:
        return answer({"id": self._service.life.start(identifier).id})

    def history(self, identifier: str) -> Response:
        self._service.config(identifier)
        streams = self._service.life.streams(identifier)
        return answer([run_document(each, self._service.view(each)) for each in reversed(streams)])

    def delete_runs(self, identifier: str, run: str = "") -> Response:
        self._service.config(identifier)
        if run:
            self._service.life.forget(run)
            return nothing()
        for each in self._service.life.streams(identifier):
            if each.status in TERMINAL:
                self._service.life.forget(each.id)
        return nothing()

    def _made(self, document: dict[str, Any], identifier: str, created: int) -> Config:
        """The configuration that a body describes; raises BadField, and UnknownStream for its connections."""
        kept, said = config_of(document)
        source, target = check_ends(said, self._service.life.connection)
        name = name_of(said.name, identifier, read(kept), source, target)
        return Config(identifier, created, name, kept)
