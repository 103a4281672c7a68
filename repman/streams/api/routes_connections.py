"""Connections over HTTP: kept, shown, changed, cloned and tried; and what their databases hold."""

from __future__ import annotations

import time
from dataclasses import replace

from flask import Flask, Response, request

from repman.errors import StreamRefused, StreamUnreachable
from repman.streams.api import looking
from repman.streams.api.bodies import BadField, line_of_text
from repman.streams.api.render import connection_document, error_document
from repman.streams.api.render_structure import structure_document
from repman.streams.api.service import PREFIX, Service, answer, body, flag, listed, nothing
from repman.streams.configs import ends_of_document
from repman.streams.connections import Connection, connection_of
from repman.streams.ids import CONNECTION, new_id
from repman.streams.job import Endpoint
from repman.streams.registry import Config
from repman.streams.settings import read
from repman.streams.structure import structure
from repman.streams.structure.mapping import place_of


def register(app: Flask, service: Service) -> None:
    """Add the routes."""
    calls = _Calls(service)
    base, one = f"{PREFIX}/connections", f"{PREFIX}/connections/<identifier>"
    app.post(base)(calls.create)
    app.get(base)(calls.list)
    app.delete(base)(calls.delete_all)
    app.post(f"{base}/test")(calls.test)
    app.get(one)(calls.show)
    app.put(one)(calls.update)
    app.delete(one)(calls.delete)
    app.route(f"{one}/clone", methods=["PUT", "POST"])(calls.clone)
    app.route(f"{one}/ping", methods=["POST", "GET"])(calls.ping)
    app.get(f"{one}/databases")(calls.databases)
    app.post(f"{one}/databases")(calls.create_database)
    app.get(f"{one}/schemas")(calls.schemas)
    app.post(f"{one}/schemas")(calls.create_schema)
    app.get(f"{one}/databases/<database>/schemas")(calls.schemas)
    app.post(f"{one}/databases/<database>/schemas")(calls.create_schema)
    for what, call in (("tables", calls.tables), ("views", calls.views), ("meta", calls.meta)):
        app.get(f"{one}/{what}", endpoint=f"{what}_of_connection")(call)
        app.get(f"{one}/databases/<database>/{what}", endpoint=f"{what}_of_database")(call)


class _Calls:
    def __init__(self, service: Service) -> None:
        self._service = service

    def create(self) -> Response:
        return answer(self._kept(connection_of(body())))

    def list(self) -> Response:
        return listed([connection_document(each) for each in self._service.registry.connections()])

    def show(self, identifier: str) -> Response:
        return answer(connection_document(self._service.connection(identifier)))

    def update(self, identifier: str) -> Response:
        document = body()
        with self._service.changing:
            changed = connection_of(document, self._service.connection(identifier))
            self._service.life.no_stream_with(identifier)
            self._service.registry.put_connection(changed)
        return answer(connection_document(changed))

    def delete(self, identifier: str) -> Response:
        with self._service.changing:
            self._service.connection(identifier)
            _not_used(identifier, self._service.registry.configs())
            self._service.life.no_stream_with(identifier)
            self._service.registry.drop_connections([identifier])
        return nothing()

    def delete_all(self) -> Response:
        with self._service.changing:
            known = self._service.registry.connections()
            for each in known:
                _not_used(each.id, self._service.registry.configs())
            self._service.registry.drop_connections([each.id for each in known])
        return nothing()

    def clone(self, identifier: str) -> Response:
        known = self._service.connection(identifier)
        kept = self._kept(replace(known, name=_copy_of(known.name)))
        return answer(connection_document(self._service.connection(str(kept["id"]))))

    def test(self) -> Response:
        return _pinged(connection_of(body()).endpoint())

    def ping(self, identifier: str) -> Response:
        return _pinged(self._service.connection(identifier).endpoint())

    def databases(self, identifier: str) -> Response:
        found = looking.databases(self._service.connection(identifier).endpoint())
        return answer(
            [{"name": each.name, **({"schemas": [*each.schemas]} if each.has_schemas else {})} for each in found]
        )

    def create_database(self, identifier: str) -> Response:
        connection = self._service.connection(identifier)
        looking.create_database(connection.endpoint(), _name())
        return answer({"status": "success"})

    def schemas(self, identifier: str, database: str = "") -> Response:
        return answer([*looking.schemas(self._endpoint(identifier, database))])

    def create_schema(self, identifier: str, database: str = "") -> Response:
        looking.create_schema(self._endpoint(identifier, database), _name())
        return answer({"status": "success"})

    def tables(self, identifier: str, database: str = "") -> Response:
        return answer([*looking.tables(self._endpoint(identifier, database), _schemas(), flag("include_system"))])

    def views(self, identifier: str, database: str = "") -> Response:
        return answer([*looking.views(self._endpoint(identifier, database), _schemas())])

    def meta(self, identifier: str, database: str = "") -> Response:
        endpoint = self._endpoint(identifier, database)
        places = [place_of(endpoint, name) for name in looking.tables(endpoint, _schemas())]
        return answer(structure_document(structure.places(endpoint, places), endpoint.database))

    def _endpoint(self, identifier: str, database: str) -> Endpoint:
        wanted = database or request.args.get("database", "")
        if wanted:
            line_of_text("database", wanted, 64)
        return self._service.connection(identifier).endpoint(wanted)

    def _kept(self, connection: Connection) -> dict[str, object]:
        moment = int(time.time())
        made = replace(connection, id=new_id(CONNECTION, moment), created=moment)
        self._service.registry.put_connection(made)
        return {"created": made.created, "id": made.id}


def _not_used(identifier: str, configs: tuple[Config, ...]) -> None:
    """Raises StreamRefused when a configuration names that connection."""
    using = [
        config.name
        for config in configs
        if identifier in (*ends_of_document(config.document), *read(config.document).source_members)
    ]
    if using:
        told = ", ".join(using[:5])
        raise StreamRefused(f"the connection is used by the stream configuration {told}: delete that first", "IN_USE")


def _pinged(endpoint: Endpoint) -> Response:
    try:
        looking.ping(endpoint)
    except StreamUnreachable as error:
        return answer({"ping": "failed", **error_document(503, str(error))}, 503)
    return answer({"ping": "ok"})


def _name() -> str:
    """The name in a body of plain text; raises BadField."""
    try:
        text = request.get_data().decode()
    except UnicodeDecodeError:
        raise BadField("name", "must be text in UTF-8") from None
    return line_of_text("name", text.strip(), 63)


def _schemas() -> tuple[str, ...]:
    return tuple(line_of_text("schemas", each, 63) for each in request.args.getlist("schemas"))


def _copy_of(name: str) -> str:
    return f"{name[:248]} (copy)"
