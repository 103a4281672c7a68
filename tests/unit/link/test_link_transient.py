"""Which errors pass by themselves."""

from __future__ import annotations

import threading

import pytest
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    CursorNotFound,
    DocumentTooLarge,
    InvalidOperation,
    InvalidURI,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WriteConcernError,
)

from repman.link.checkpoint import LeaseExpired
from repman.mongo.patience import is_transient, patiently
from repman.mongo.stopping import Stopped


def labelled(label: str) -> OperationFailure:
    return OperationFailure("as the server says", 8000, {"errorLabels": [label]})


PASSING: list[PyMongoError] = [
    AutoReconnect("connection closed"),
    NetworkTimeout("timed out"),
    NotPrimaryError("not primary"),
    ServerSelectionTimeoutError("no primary"),
    WaitQueueTimeoutError("no connection"),
    ConnectionFailure("refused"),
    LeaseExpired("not renewed yet"),
    CursorNotFound("gone with its primary", 43),
    WriteConcernError("stepped down", 189),
    labelled("RetryableWriteError"),
    labelled("TransientTransactionError"),
    labelled("ResumableChangeStreamError"),
    *(
        OperationFailure("in a reply that was sent nevertheless", code)
        for code in (6, 7, 64, 89, 91, 112, 134, 189, 202, 262, 9001, 10058, 10107, 11600, 11601, 11602, 13435, 13436)
    ),
    BulkWriteError({"writeErrors": [], "writeConcernErrors": [{"code": 91}]}),
    BulkWriteError({"writeErrors": [{"code": 11602}, {"code": 189}], "writeConcernErrors": []}),
]
STAYING: list[Exception] = [
    InvalidURI("no port"),
    ConfigurationError("unknown option"),
    InvalidOperation("closed"),
    DocumentTooLarge("17 MB"),
    OperationFailure("unauthorized", 13),
    OperationFailure("no such command", 59),
    OperationFailure("duplicate key", 11000),
    OperationFailure("history lost", 286),
    OperationFailure("user writes blocked", 371),
    BulkWriteError({"writeErrors": [{"code": 11602}, {"code": 11000}], "writeConcernErrors": []}),
    BulkWriteError({"writeErrors": [], "writeConcernErrors": []}),
    ValueError("a mistake of ours"),
]


def named(error: Exception) -> str:
    return f"{type(error).__name__}-{getattr(error, 'code', '')}"


@pytest.mark.parametrize("error", PASSING, ids=named)
def test_what_passes(error: PyMongoError) -> None:
    assert is_transient(error)


@pytest.mark.parametrize("error", STAYING, ids=named)
def test_what_stays_is_told_at_once(error: Exception) -> None:
    assert not is_transient(error)

    def call() -> None:
        raise error

    with pytest.raises(type(error)):
        patiently(call, threading.Event())


def test_what_passes_is_waited_out() -> None:
    left = [AutoReconnect("away"), AutoReconnect("still away")]

    def call() -> str:
        if left:
            raise left.pop()
        return "done"

    assert patiently(call, threading.Event()) == "done"


def test_who_is_told_to_end_waits_no_longer() -> None:
    stop = threading.Event()

    def call() -> None:
        stop.set()
        raise AutoReconnect("still away")

    with pytest.raises(Stopped):
        patiently(call, stop)


def test_patience_ends() -> None:
    def call() -> None:
        raise AutoReconnect("away for good")

    with pytest.raises(AutoReconnect, match="for good"):
        patiently(call, threading.Event(), 0.0)
