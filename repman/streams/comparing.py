"""Source and target of a stream compared on demand, and what differs repaired: asked for by the service, done by a
process of its own.

The request and the result are files in the stream's directory, each with one writer.  A request is open until there is a
result of it, so that a process that was killed is followed by another one.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import msgspec
import psycopg
import pymysql

from repman.errors import StateError, StreamFailed
from repman.state.publication import replace_file
from repman.streams import connection
from repman.streams.api.view import STREAMS, directory_of
from repman.streams.job import StreamSettings
from repman.streams.verify import demand as verify_demand

_REQUEST = "verify.json"
_RESULT = "verification.json"
MOST_SENTENCES = 1000
MOST_ATTEMPTS = 3
"""So many processes may die over one request."""


class Outcome(StrEnum):
    """How a comparison ended, or that it has not."""

    RUNNING = "running"
    EQUAL = "equal"
    DIFFERENT = "different"
    REPAIRED = "repaired"
    """What differed was copied once more; compare again to see that it is equal now."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody wants to know whether source and target are equal."""

    asked: float
    """Unix seconds."""
    repair: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What a comparison has found."""

    asked: float
    """The request's."""
    outcome: Outcome = Outcome.RUNNING
    differences: tuple[str, ...] = ()
    repaired_rows: int = 0
    error: str = ""
    ended: float | None = None
    """Unix seconds."""
    attempts: int = 1
    """Processes that have tried it."""


def ask(data: Path, stream: str, repair: bool) -> Request:
    """Leave a request; raises StateError."""
    made = Request(time.time(), repair)
    _write(directory_of(data, stream), _REQUEST, made)
    return made


def cancel(data: Path, stream: str) -> None:
    """Take a request back."""
    (directory_of(data, stream) / _REQUEST).unlink(missing_ok=True)


def request(data: Path, stream: str) -> Request | None:
    """The request that is open."""
    directory = directory_of(data, stream)
    try:
        asked = msgspec.json.decode((directory / _REQUEST).read_bytes(), type=Request)
    except (OSError, msgspec.MsgspecError):
        return None
    found = result(data, stream)
    return None if found is not None and found.asked >= asked.asked and found.ended is not None else asked


def result(data: Path, stream: str) -> Result | None:
    """The newest result, or what is known of a comparison that runs."""
    try:
        return msgspec.json.decode((directory_of(data, stream) / _RESULT).read_bytes(), type=Result)
    except (OSError, msgspec.MsgspecError):
        return None


def asked_for(data: Path) -> set[str]:
    """The streams with an open request."""
    return {
        path.parent.name
        for path in (data / STREAMS).glob(f"*/{_REQUEST}")
        if request(data, path.parent.name) is not None
    }


def carry_out(data: Path, settings: StreamSettings, wanted: Request, stop: threading.Event) -> None:
    """Compare, repair where it is wanted, and leave the result; without one when `stop` is set.  Raises StateError."""
    directory = directory_of(data, settings.stream)
    before = result(data, settings.stream)
    attempts = before.attempts + 1 if before is not None and before.asked == wanted.asked else 1
    if attempts > MOST_ATTEMPTS:
        fail(data, settings.stream, wanted, f"its process died {MOST_ATTEMPTS} times; the log of the service says why")
        return
    found = Result(wanted.asked, attempts=attempts)
    _write(directory, _RESULT, found)
    try:
        for each, rows in verify_demand.differences(settings, stop, repair=wanted.repair):
            told = (*found.differences, each.sentence())[:MOST_SENTENCES]
            found = replace(found, differences=told, repaired_rows=found.repaired_rows + rows)
            _write(directory, _RESULT, found)
    except StreamFailed as error:
        found = replace(found, outcome=Outcome.FAILED, error=str(error))
    except (pymysql.Error, psycopg.Error, OSError) as error:
        found = replace(found, outcome=Outcome.FAILED, error=connection.reason(error))
    else:
        outcome = Outcome.EQUAL if not found.differences else Outcome.DIFFERENT
        found = replace(found, outcome=Outcome.REPAIRED if found.repaired_rows else outcome)
    if not stop.is_set():
        _write(directory, _RESULT, replace(found, ended=time.time()))


def fail(data: Path, stream: str, wanted: Request, reason: str) -> None:
    """Leave the result that it could not be done; raises StateError."""
    made = Result(wanted.asked, Outcome.FAILED, error=reason, ended=time.time())
    _write(directory_of(data, stream), _RESULT, made)


def _write(directory: Path, name: str, document: Request | Result) -> None:
    try:
        directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        replace_file(str(directory / name), str(directory / f".{name}"), msgspec.json.encode(document))
    except OSError as error:
        raise StateError(f"{directory} cannot be written: {error.strerror}; check its owner and its space") from error
