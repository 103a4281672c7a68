"""How an attempt to talk to a ``mongod`` ended, in the words of the model."""

from __future__ import annotations

import errno
import re
import socket

from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    ExecutionTimeout,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from repman.model.observation import Reach

_DENIED = frozenset({13, 18, 8000})
"""Unauthorized, AuthenticationFailed, AtlasError."""
_NO_WAY = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN})


def dial(host: str, port: int, timeout: float) -> tuple[Reach, str] | None:
    """Try to open a connection, and close it again: why it could not be opened, or None when somebody listens."""
    try:
        socket.create_connection((host, port), timeout).close()
    except OSError as error:
        return reach_of_network(error), f"{host}:{port}: {error}"
    return None


def reach_of_network(error: OSError) -> Reach:
    """What an error of the network says about a server."""
    if isinstance(error, ConnectionRefusedError):
        return Reach.REFUSED
    if isinstance(error, socket.gaierror):
        return Reach.UNRESOLVED
    if isinstance(error, TimeoutError):
        return Reach.SILENT
    return Reach.UNREACHABLE if error.errno in _NO_WAY else Reach.CLOSED


def reach_of(error: PyMongoError) -> Reach:
    """What an error of the driver says about a server."""
    if isinstance(error, ServerSelectionTimeoutError | NetworkTimeout | ExecutionTimeout):
        return Reach.SILENT
    if isinstance(error, OperationFailure):
        return Reach.DENIED if error.code in _DENIED else Reach.BUSY
    if isinstance(error, AutoReconnect):
        cause = error.__cause__
        return reach_of_network(cause) if isinstance(cause, OSError) else Reach.CLOSED
    return Reach.DENIED if isinstance(error, ConfigurationError) else Reach.BUSY


def words_of(error: PyMongoError) -> str:
    """An error for people: what the server said, without the whole command and the signs that go with it."""
    told = error.details.get("errmsg") if isinstance(error, OperationFailure) and error.details else None
    text = str(told or error)
    return re.sub(r"(, lsid: .*\})|(, full error: .*)|(, Timeout: .*)|(\(configured timeouts: [^)]*\))", "", text)
