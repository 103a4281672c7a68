"""What is stored, as the JSON of the API."""

from __future__ import annotations

from typing import Any

from repman.streams.api.statistics import NANOSECONDS, lag_of, moment
from repman.streams.api.view import StreamView
from repman.streams.comparing import Result
from repman.streams.configs import ends_of_document
from repman.streams.connections import MASK, Connection
from repman.streams.job import Family
from repman.streams.registry import Config, Stream
from repman.streams.settings import mode_of, read

TYPES = {400: "validation", 401: "auth", 403: "auth", 404: "not_found", 409: "conflict"}
CODES = {
    400: "INVALID_REQUEST",
    401: "INVALID_API_KEY",
    403: "INVALID_API_KEY",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    409: "CONFLICT",
    413: "TOO_LARGE",
    500: "INTERNAL",
    501: "NOT_SUPPORTED",
    503: "UNREACHABLE",
}


def connection_document(connection: Connection) -> dict[str, Any]:
    """A connection, without its secrets: a mask says that there is one."""
    place = {
        "host": connection.host,
        "port": connection.port,
        "username": connection.username,
        "password": _masked(connection.secrets.password),
        "database": connection.database,
    }
    document: dict[str, Any] = {
        "id": connection.id,
        "name": connection.name,
        "type": connection.type,
        **place,
        "created": connection.created,
        "ssl": {
            "mode": connection.ssl_mode,
            "ca": connection.ssl_ca,
            "client_cert": connection.ssl_certificate,
            "client_key": _masked(connection.secrets.client_key),
        },
        "spec": {"database": place},
    }
    if connection.family is Family.POSTGRESQL:
        document["schema"] = connection.schema
    if connection.cloud_provider:
        document["cloud_provider"] = connection.cloud_provider
    return document


def config_document(config: Config) -> dict[str, Any]:
    """A configuration: id and name first, then everything that was given or filled in."""
    rest = {name: value for name, value in config.document.items() if name not in ("id", "name", "created")}
    return {"id": config.id, "name": config.name, "created": config.created, **rest}


def stream_document(stream: Stream, view: StreamView) -> dict[str, Any]:
    """One stream in a list."""
    source, target = ends_of_document(stream.document)
    return {
        "id": stream.id,
        "configID": stream.config,
        "status": stream.status.value,
        "mode": mode_of(read(stream.document)).value,
        "created": stream.created,
        "started": moment(stream.started),
        "ended": None if stream.ended is None else moment(stream.ended),
        "source": source,
        "target": target,
        "counter": view.progress.target.rows,
        "sumDataSize": view.progress.target.bytes,
        "failedCounter": view.progress.failed,
        "lagSeconds": lag_of(stream, view),
        "error": stream.error or view.trying,
        "reason": stream.code,
    }


def run_document(stream: Stream, view: StreamView) -> dict[str, Any]:
    """One stream in the history of its configuration."""
    return {
        "id": stream.id,
        "configId": stream.config,
        "streamId": stream.id,
        "timestamp": stream.created,
        "durationMs": round(view.spent * 1000),
        "duration": round(view.spent * NANOSECONDS),
        "status": stream.status.value,
        "dataSize": view.progress.target.bytes,
        "rowsInserted": view.progress.target.rows,
        "rowsSkipped": view.progress.failed,
        "errorMessage": stream.error,
    }


def moved_document(stream: Stream) -> dict[str, Any]:
    """What pause, resume and stop answer."""
    return {"id": stream.id, "status": stream.status.value}


def verification_document(stream: str, found: Result) -> dict[str, Any]:
    """What is known of a comparison."""
    return {
        "id": stream,
        "status": found.outcome.value,
        "started": moment(found.asked),
        "ended": None if found.ended is None else moment(found.ended),
        "differences": list(found.differences),
        "repairedRows": found.repaired_rows,
        "error": found.error,
    }


def error_document(status: int, sentence: str, code: str = "", details: dict[str, Any] | None = None) -> dict[str, Any]:
    """An error, with the keys that every generation of clients looks for."""
    document: dict[str, Any] = {
        "error": sentence,
        "message": sentence,
        "status": "error",
        "type": TYPES.get(status, "internal"),
        "code": code or CODES.get(status, "INVALID_REQUEST" if status < 500 else "INTERNAL"),
    }
    if details:
        document["details"] = details
    return document


def _masked(secret: str) -> str:
    return MASK if secret else ""
