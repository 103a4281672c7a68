"""The store of the streams service: connections, stream configurations, and streams with their states.

One process writes it, the service; the processes of streams read it.  Secrets are encrypted before they come here, with
a key that lies elsewhere.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Engine,
    Float,
    MetaData,
    Row,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy import Connection as Database

from repman.errors import StateError
from repman.state.database import DATABASE_ERRORS, Lazily, explain
from repman.state.schema import Schema
from repman.streams.connections import Connection, Secrets
from repman.streams.states import State

T = TypeVar("T")

FILE = "streams.db"
"""Below the data directory."""
_TABLES = MetaData()
_CONNECTIONS = Table(
    "connections",
    _TABLES,
    Column("id", String(64), primary_key=True),
    Column("created", BigInteger, nullable=False),
    Column("document", Text, nullable=False),
    Column("sealed", Text, nullable=False),
)
_CONFIGS = Table(
    "stream_configs",
    _TABLES,
    Column("id", String(64), primary_key=True),
    Column("created", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("document", Text, nullable=False),
)
_STREAMS = Table(
    "streams",
    _TABLES,
    Column("id", String(64), primary_key=True),
    Column("config", String(64), nullable=False, index=True),
    Column("created", BigInteger, nullable=False),
    Column("status", String(16), nullable=False, index=True),
    Column("document", Text, nullable=False),
    Column("source_node", String(64), nullable=False),
    Column("target_node", String(64), nullable=False),
    Column("started", Float(53), nullable=False),
    Column("ended", Float(53), nullable=True),
    Column("error", Text, nullable=False),
    Column("code", String(64), nullable=False),
    Column("holding", Boolean, nullable=False),
)
SCHEMA = Schema("streams", "0001", _TABLES)


@dataclass(frozen=True, slots=True)
class Sealing:
    """How secrets are encrypted, and read again."""

    seal: Callable[[str], str] = field(repr=False)
    unseal: Callable[[str], str] = field(repr=False)
    """Raises ValueError with a sentence that does not show the secret."""


@dataclass(frozen=True, slots=True)
class Config:
    """One stream configuration."""

    id: str
    created: int
    """Unix seconds."""
    name: str
    """With its suffix."""
    document: dict[str, Any]
    """As `repman.streams.settings` keeps it."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream: one run of a configuration, over all its pauses."""

    id: str
    config: str
    created: int
    """Unix seconds."""
    status: State
    document: dict[str, Any]
    """The configuration's, as it was at the start."""
    source_node: str
    target_node: str
    started: float
    """Unix seconds."""
    ended: float | None = None
    error: str = ""
    """Why it failed."""
    code: str = ""
    """A word for programs: why it failed, or was finished early."""
    holding: bool = True
    """Whether it still has something to give back in source and target."""


class Registry:
    """The store; usable from several threads.  Raises StateError when its database cannot be used."""

    def __init__(self, directory: Path, sealing: Sealing) -> None:
        """Nothing is opened before it is needed."""
        self._url = f"sqlite:///{directory / FILE}"
        self._sealing = sealing
        # A state that was answered must not be another one after a power failure.
        self._database = Lazily(self._url, SCHEMA, "synchronous=FULL")
        self._writing = threading.Lock()

    def connections(self) -> tuple[Connection, ...]:
        """All connections, oldest first."""
        rows = self._read(
            lambda database: database.execute(select(_CONNECTIONS).order_by(_CONNECTIONS.c.created, _CONNECTIONS.c.id))
        )
        return tuple(self._connection(row) for row in rows)

    def connection(self, identifier: str) -> Connection | None:
        """The connection of that id."""
        rows = self._read(lambda database: database.execute(select(_CONNECTIONS).filter_by(id=identifier)))
        return self._connection(rows[0]) if rows else None

    def put_connection(self, connection: Connection) -> None:
        """Keep a connection, in the place of the one of its id."""
        document = msgspec.to_builtins(connection)
        secrets = document.pop("secrets")
        values = {
            "created": connection.created,
            "document": _text(document),
            "sealed": self._sealing.seal(_text(secrets)),
        }
        self._put(_CONNECTIONS, connection.id, values)

    def drop_connections(self, identifiers: Iterable[str]) -> None:
        """Forget connections."""
        self._drop(_CONNECTIONS, identifiers)

    def configs(self) -> tuple[Config, ...]:
        """All stream configurations, oldest first."""
        rows = self._read(
            lambda database: database.execute(select(_CONFIGS).order_by(_CONFIGS.c.created, _CONFIGS.c.id))
        )
        return tuple(_config(row) for row in rows)

    def config(self, identifier: str) -> Config | None:
        """The configuration of that id."""
        rows = self._read(lambda database: database.execute(select(_CONFIGS).filter_by(id=identifier)))
        return _config(rows[0]) if rows else None

    def put_config(self, config: Config) -> None:
        """Keep a configuration, in the place of the one of its id."""
        values = {"created": config.created, "name": config.name, "document": _text(config.document)}
        self._put(_CONFIGS, config.id, values)

    def drop_configs(self, identifiers: Iterable[str]) -> None:
        """Forget configurations."""
        self._drop(_CONFIGS, identifiers)

    def streams(self, config: str = "") -> tuple[Stream, ...]:
        """All streams, or those of one configuration, oldest first."""
        wanted = select(_STREAMS).order_by(_STREAMS.c.started, _STREAMS.c.id)
        if config:
            wanted = wanted.where(_STREAMS.c.config == config)
        return tuple(_stream(row) for row in self._read(lambda database: database.execute(wanted)))

    def stream(self, identifier: str) -> Stream | None:
        """The stream of that id."""
        rows = self._read(lambda database: database.execute(select(_STREAMS).filter_by(id=identifier)))
        return _stream(rows[0]) if rows else None

    def add_stream(self, stream: Stream) -> None:
        """Keep a new stream."""
        values = _values(stream)
        self._write(lambda database: database.execute(insert(_STREAMS).values(**values)))

    def move(self, stream: Stream, status: State, **also: object) -> bool:
        """Give a stream another state, if it is still in the one that was seen; says whether it was."""
        mine = (_STREAMS.c.id == stream.id) & (_STREAMS.c.status == stream.status.value)
        done = self._write(
            lambda database: database.execute(update(_STREAMS).where(mine).values(status=status.value, **also))
        )
        return bool(done.rowcount == 1)

    def release(self, identifier: str) -> None:
        """Note that a stream holds nothing any more in source and target."""
        self._write(
            lambda database: database.execute(update(_STREAMS).where(_STREAMS.c.id == identifier).values(holding=False))
        )

    def drop_streams(self, identifiers: Iterable[str]) -> None:
        """Forget streams."""
        self._drop(_STREAMS, identifiers)

    def close(self) -> None:
        """Give up all connections to the database."""
        self._database.close()

    def _connection(self, row: Row[Any]) -> Connection:
        try:
            secrets = msgspec.json.decode(self._sealing.unseal(row.sealed), type=Secrets)
        except ValueError as error:
            raise StateError(f"The connection {row.id} cannot be read: {error}; bring back the key file") from None
        return msgspec.convert({**msgspec.json.decode(row.document), "secrets": secrets}, Connection)

    def _put(self, table: Table, identifier: str, values: dict[str, object]) -> None:
        def work(database: Database) -> None:
            done = database.execute(update(table).where(table.c.id == identifier).values(**values))
            if done.rowcount == 0:
                database.execute(insert(table).values(id=identifier, **values))

        self._write(work)

    def _drop(self, table: Table, identifiers: Iterable[str]) -> None:
        wanted = list(identifiers)
        self._write(lambda database: database.execute(delete(table).where(table.c.id.in_(wanted))))

    def _read(self, work: Callable[[Database], Iterable[Row[Any]]]) -> list[Row[Any]]:
        return self._do(lambda engine: engine.connect(), lambda database: list(work(database)))

    def _write(self, work: Callable[[Database], T]) -> T:
        with self._writing:
            return self._do(lambda engine: engine.begin(), work)

    def _do(self, begin: Callable[[Engine], AbstractContextManager[Database]], work: Callable[[Database], T]) -> T:
        try:
            with begin(self._database.engine()) as database:
                return work(database)
        except DATABASE_ERRORS as error:
            raise StateError(explain("The store of streams", self._url, error)) from error


def _text(document: object) -> str:
    return msgspec.json.encode(document).decode()


def _config(row: Row[Any]) -> Config:
    return Config(row.id, row.created, row.name, msgspec.json.decode(row.document))


def _values(stream: Stream) -> dict[str, object]:
    return {**msgspec.to_builtins(stream), "document": _text(stream.document)}


def _stream(row: Row[Any]) -> Stream:
    return Stream(
        id=row.id,
        config=row.config,
        created=row.created,
        status=State(row.status),
        document=msgspec.json.decode(row.document),
        source_node=row.source_node,
        target_node=row.target_node,
        started=row.started,
        ended=row.ended,
        error=row.error,
        code=row.code,
        holding=row.holding,
    )
