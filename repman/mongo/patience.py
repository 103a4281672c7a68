"""Errors of MongoDB that pass by themselves, and waiting for that."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import TypeVar

from pymongo.errors import BulkWriteError, ConnectionFailure, OperationFailure, PyMongoError
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_exponential

from repman.mongo.stopping import Stopped

T = TypeVar("T")

_NETWORK = frozenset({6, 7, 64, 83, 89, 202, 317, 9001})
"""HostUnreachable, HostNotFound, WriteConcernFailed, RemoteResultsUnavailable, NetworkTimeout,
NetworkInterfaceExceededTimeLimit, ConnectionPoolExpired, SocketException."""
_ELECTION = frozenset({91, 133, 134, 189, 211, 216, 10058, 10107, 11600, 11602, 13435, 13436})
"""ShutdownInProgress, FailedToSatisfyReadPreference, ReadConcernMajorityNotAvailableYet, PrimarySteppedDown,
KeyNotFound (of cluster times, just after a start), ElectionInProgress, LegacyNotPrimary, NotWritablePrimary,
InterruptedAtShutdown, InterruptedDueToReplStateChange, NotPrimaryNoSecondaryOk, NotPrimaryOrSecondary."""
_CURSOR = frozenset({43, 175, 234, 237})
"""CursorNotFound, QueryPlanKilled, RetryChangeStream, CursorKilled."""
_BUSY = frozenset({24, 46, 112, 117, 251, 262, 264, 267, 285, 290, 355, 363, 365, 11601})
"""LockTimeout, LockBusy, WriteConflict, ConflictingOperationInProgress, NoSuchTransaction, ExceededTimeLimit,
TooManyFilesOpen, PreparedTransactionInProgress, IndexBuildAlreadyInProgress, TransactionExceededLifetimeLimitSeconds,
InterruptedDueToStorageChange, RetryableTransactionInProgress, TemporarilyUnavailable, Interrupted."""
_SHARDS = frozenset({150, 272, 13388})
"""StaleEpoch, MigrationConflict, StaleConfig."""
_PASSING = _NETWORK | _ELECTION | _CURSOR | _BUSY | _SHARDS
_LABELS = ("RetryableWriteError", "TransientTransactionError", "ResumableChangeStreamError")


def is_transient(error: BaseException) -> bool:
    """Whether the same call may succeed a little later, without anybody doing anything."""
    if isinstance(error, BulkWriteError):
        # Its own code says nothing; that of each statement does.
        kinds = ("writeErrors", "writeConcernErrors")
        codes = [each.get("code") for kind in kinds for each in error.details.get(kind, ())]
        return bool(codes) and all(code in _PASSING for code in codes)
    if isinstance(error, OperationFailure):
        return error.code in _PASSING or any(error.has_error_label(label) for label in _LABELS)
    # Networks that fail, servers that cannot be selected.  What else the driver raises is wrong for good.
    return isinstance(error, ConnectionFailure)


def patiently(call: Callable[[], T], stop: threading.Event, seconds: float = float("inf")) -> T:
    """What `call` returns; errors that pass are waited out.

    Raises Stopped when told to end, and after `seconds` of nothing but errors the last of them.
    """

    def passes(error: BaseException) -> bool:
        return is_transient(error) and not stop.is_set()

    def pause(seconds: float | None) -> None:
        stop.wait(seconds)

    attempts = Retrying(
        retry=retry_if_exception(passes),
        stop=stop_after_delay(seconds),
        wait=wait_exponential(multiplier=0.1, max=2.0),
        sleep=pause,
        reraise=True,
    )
    try:
        return attempts(call)
    except PyMongoError as error:
        if stop.is_set() and is_transient(error):
            raise Stopped from error
        raise


def without_credentials(text: str) -> str:
    """A text, mostly of an error, in which the credentials of addresses are covered."""
    return re.sub(r"//[^@/\s]*@", "//***@", text)
