"""One member as the monitor watches it: kept connections, and the driver's own stream of its state.

Between looks, PyMongo's monitor holds an awaitable ``hello`` open (``topologyVersion``, ``maxAwaitTimeMS``), which the
server answers at once when its state changes, and which breaks when the server dies: that is how a `wait` ends early.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pymongo
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError, ServerSelectionTimeoutError
from pymongo.monitoring import (
    ServerHeartbeatFailedEvent,
    ServerHeartbeatListener,
    ServerHeartbeatStartedEvent,
    ServerHeartbeatSucceededEvent,
)

from repman.engines.mongodb_reach import dial, reach_of, words_of
from repman.engines.mongodb_read import Answer, Document, Figures, figures_of, rollback_of, version_of
from repman.model.observation import Reach
from repman.model.replica_set import Oplog, RollbackSeen
from repman.model.version import ServerVersion

Client = MongoClient[dict[str, Any]]
Look = Answer | tuple[Reach, str]
"""An answer, or how the attempt ended, with the words for it."""

_NOT_IN_A_SET = frozenset({76, 94})
"""NoReplicationEnabled, NotYetInitialized."""
_REMOVED = 93
"""InvalidReplicaSetConfig: the configuration that it got does not name it."""
_QUIET = (
    "metrics",
    "wiredTiger",
    "tcmalloc",
    "locks",
    "opLatencies",
    "transactions",
    "sharding",
    "network",
    "logicalSessionRecordCache",
)
"""Parts of ``serverStatus`` that cost time and are not used."""


_OF_ACCOUNTS = frozenset({"username", "password", "authSource", "authMechanism", "authMechanismProperties"})
_ASK_AGAIN = 10.0
"""Seconds before a member that rejects us is asked again whether it is an arbiter."""
_FAREWELL = 0.2
"""Seconds for the last words to a server."""
_ESSENCE = ("isWritablePrimary", "secondary", "arbiterOnly", "primary", "setVersion", "electionId")
"""Parts of ``hello`` that say what a member is."""


class _Changes(ServerHeartbeatListener):
    """Calls back when a member's role changes, or its connection breaks.  (Events of topologies come a second late.)"""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._known: tuple[object, ...] = ()

    def started(self, event: ServerHeartbeatStartedEvent) -> None:
        """Nothing has changed yet."""

    def succeeded(self, event: ServerHeartbeatSucceededEvent) -> None:
        """Called by the monitor's thread of PyMongo, with an answer to ``hello``."""
        told = event.reply.document
        self._note(tuple(str(told.get(name)) for name in _ESSENCE))

    def failed(self, event: ServerHeartbeatFailedEvent) -> None:
        """Called by that thread, too."""
        self._note(())

    def _note(self, told: tuple[object, ...]) -> None:
        if told != self._known:
            self._known = told
            self._changed()


class Watch:
    """The connections to one member.  `look` and `read_figures` may block as long as they were told, not longer."""

    def __init__(
        self, address: str, host: str, port: int, options: Document, connect_timeout: float, changed: Callable[[], None]
    ) -> None:
        """Connects at the first look.  `options`: of PyMongo, account and TLS among them."""
        self.address = address
        self._place = (host, port)
        self._connect_timeout = connect_timeout
        self._options: dict[str, Any] = dict(
            options,
            host=host,
            port=port,
            directConnection=True,
            appname="repman",
            connect=False,
            retryReads=False,
            retryWrites=False,
            maxPoolSize=8,
            serverMonitoringMode="stream",
            connectTimeoutMS=int(connect_timeout * 1000),
            serverSelectionTimeoutMS=int(connect_timeout * 1000),
            event_listeners=[_Changes(changed)],
        )
        self._client: Client | None = None
        self._stranger: Client | None = None
        """Without an account; only for arbiters."""
        self._no_arbiter_until = 0.0
        self._version: tuple[str, ServerVersion, str] | None = None
        self._config: tuple[tuple[object, ...], Document] | None = None
        self._figures = Figures()
        self._rollback: tuple[object, RollbackSeen | None] | None = None

    @property
    def client(self) -> Client:
        """The client whose connections are kept."""
        if self._client is None:
            self._client = MongoClient(**self._options)
        return self._client

    @contextmanager
    def within(self, seconds: float) -> Iterator[Client]:
        """The client, whose calls end within so many seconds."""
        with pymongo.timeout(max(0.001, seconds)):
            yield self.client

    def look(self, timeout: float) -> Look:
        """Ask the member what it is; never raises for its trouble."""
        ends = time.monotonic() + timeout
        if self._stranger is not None and (arbiter := self._arbiter(ends)):
            return arbiter
        if not self._known() and (failure := dial(*self._place, min(timeout, self._connect_timeout))):
            return failure
        try:
            with self.within(ends - time.monotonic()) as client:
                return self._ask(client)
        except PyMongoError as error:
            return self._failed(self._cause(error), ends)

    def _cause(self, error: PyMongoError) -> PyMongoError:
        """Why a server could not be selected, when its own connection has told so: our account is rejected."""
        if isinstance(error, ServerSelectionTimeoutError):
            for one in self.client.topology_description.server_descriptions().values():
                if isinstance(one.error, OperationFailure):
                    return one.error
        return error

    def _failed(self, error: PyMongoError, ends: float) -> Look:
        reach, left = reach_of(error), max(0.05, ends - time.monotonic())
        if reach is Reach.DENIED and (arbiter := self._arbiter(ends)):
            return arbiter
        failure = dial(*self._place, min(left, self._connect_timeout)) if reach is Reach.CLOSED else None
        return failure or (reach, words_of(error))

    def _arbiter(self, ends: float) -> Answer | None:
        """An arbiter has no accounts, so it rejects ours; what it is, it tells whoever asks."""
        if "username" not in self._options or (self._stranger is None and time.monotonic() < self._no_arbiter_until):
            return None
        if self._stranger is None:
            kept = {name: value for name, value in self._options.items() if name not in _OF_ACCOUNTS}
            self._stranger = MongoClient(**kept)
        try:
            with pymongo.timeout(max(0.05, ends - time.monotonic())):
                hello = self._stranger.admin.command("hello")
        except PyMongoError:
            hello = {}
        if hello.get("arbiterOnly"):
            return Answer(time.monotonic(), hello, {"myState": 7, "set": hello.get("setName", "")})
        self._no_arbiter_until = time.monotonic() + _ASK_AGAIN
        _close(self._stranger)
        self._stranger = None
        return None

    def read_figures(self, timeout: float) -> None:
        """Read what is not needed at each look; what cannot be read stays as it was."""
        try:
            with self.within(timeout) as client:
                status = client.admin.command({"serverStatus": 1, **dict.fromkeys(_QUIET, 0)})
                self._figures = figures_of(status, self._figures.oplog)
                self._figures = figures_of(status, _oplog(client))
        except PyMongoError:
            return  # the next look tells what is wrong with it

    def close(self) -> None:
        """Give up all connections."""
        for client in (self._client, self._stranger):
            if client is not None:
                _close(client)
        self._client = self._stranger = None

    def _known(self) -> bool:
        """Whether PyMongo's monitor has a live connection to it."""
        if self._client is None:
            return False
        described = self._client.topology_description.server_descriptions()
        return any(one.is_server_type_known for one in described.values())

    def _ask(self, client: Client) -> Answer:
        hello = client.admin.command("hello")
        at = time.monotonic()
        version, role = self._release(client, str(hello.get("topologyVersion", {}).get("processId", "")))
        try:
            status = client.admin.command("replSetGetStatus")
        except OperationFailure as error:
            if error.code not in (*_NOT_IN_A_SET, _REMOVED):
                raise
            return Answer(at, hello, removed=error.code == _REMOVED, version=version, role=role, figures=self._figures)
        config, rollback = self._settings(client, status), self._rolled_back(client, hello)
        return Answer(at, hello, status, False, config, rollback, version, role, self._figures)

    def _rolled_back(self, client: Client, hello: Document) -> RollbackSeen | None:
        """The latest rollback in its log, read again when its state has changed: a rollback is a change of state.

        The counter of rollbacks (``replSetGetRBID``) is for members only where there are accounts.
        """
        version = hello.get("topologyVersion", {})
        key = (version.get("processId"), version.get("counter"))
        if self._rollback is None or self._rollback[0] != key:
            lines = _if_allowed(client, "getLog", "global").get("log", ())
            self._rollback = (key, rollback_of(lines))
        return self._rollback[1]

    def _release(self, client: Client, process: str) -> tuple[ServerVersion, str]:
        """Its release and its role in a sharded cluster, read once in the life of a process."""
        if self._version is None or self._version[0] != process:
            version = version_of(client.admin.command("buildInfo")["version"])
            started = _if_allowed(client, "getCmdLineOpts").get("parsed", {})
            self._version = (process, version, str(started.get("sharding", {}).get("clusterRole", "")))
        return self._version[1:]

    def _settings(self, client: Client, status: Document) -> Document:
        """The set's configuration, read again when it has changed."""
        own: Document = next((one for one in status.get("members", ()) if one.get("self")), {})
        key = (own.get("configVersion"), own.get("configTerm"))
        if self._config is None or self._config[0] != key:
            self._config = (key, _if_allowed(client, "replSetGetConfig").get("config", {}))
        return self._config[1]


def _close(client: Client) -> None:
    with pymongo.timeout(_FAREWELL):  # it tells the server which sessions end, if there still is one
        client.close()


def _if_allowed(client: Client, *command: Any) -> Document:
    """The answer to what is good to know; empty where the account may not ask it."""
    try:
        told: Document = client.admin.command(*command)
    except OperationFailure as error:
        if reach_of(error) is not Reach.DENIED:
            raise
        return {}
    return told


def _oplog(client: Client) -> Oplog | None:
    """First and last entry and the size of the oplog; None where there is none, or it may not be read."""
    local = client["local"]
    try:
        ends = [
            next(iter(local["oplog.rs"].find({}, {"ts": 1}).sort("$natural", way).limit(1)), None) for way in (1, -1)
        ]
        size = local.command("collStats", "oplog.rs")
    except OperationFailure:
        return None
    if ends[0] is None or ends[1] is None:
        return None
    first, last = (float(entry["ts"].time) for entry in ends if entry is not None)
    return Oplog(first, last, int(size.get("size", 0)), int(size.get("maxSize", 0)))
