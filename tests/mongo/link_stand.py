"""A link in this process behind its HTTP API, and the comparison of the two clusters that it is between."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from enum import Enum
from typing import Any

import requests
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from mongo_stand import ReplicaSet, wait_until
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.write_concern import WriteConcern

from repman.link import serving
from repman.link.link import Link
from repman.link.options import LinkOptions
from repman.link.percona.app import application
from repman.link.percona.flavour import PLACE
from repman.link.reset import reset
from repman.mongo.raw import RAW, elements

Data = Database[dict[str, Any]]
Status = dict[str, Any]
LONG = os.environ.get("REPMAN_LONG") == "1"
"""Full sizes: `scripts/test long`."""
PATIENCE = 60.0
"""Seconds: ten times what it takes on a machine that does nothing else."""
NOT_OF_USERS = {"admin", "config", "local", PLACE.database}


class Phase(Enum):
    """When the writes of a test happen."""

    CLONE = "clone"
    """Before the link is started."""
    OVERLAP = "overlap"
    """While it copies: what is copied is of no single moment."""
    APPLY = "apply"
    """Once everything is copied."""


class LinkStand:
    """One link and its server; spoken to over HTTP."""

    def __init__(self, source: ReplicaSet, target: ReplicaSet) -> None:
        self.source, self.target = self.sides = source, target
        self._serve()

    def _serve(self) -> None:
        self.link = Link(self.source.uri, self.target.uri, PLACE)
        self.link.open()
        listener = serving.Listener()
        self._server = serving.server(application(self.link, listener), listener, threads=4)
        self._url = f"http://127.0.0.1:{self._server.effective_port}"
        self._thread = threading.Thread(target=self._server.run, name="http")
        self._thread.start()

    def close(self) -> None:
        """End server and link, in order."""
        # In its own thread, which would otherwise notice within a second.
        self._server.trigger.pull_trigger(self._server.close)
        self._thread.join()
        self.link.close()

    def again(self, from_time: Timestamp | None = None) -> None:
        """A new process takes over; with a time, from a checkpoint of then, as after a crash."""
        self.close()
        if from_time is not None:
            kept = self.target.client[PLACE.database].checkpoints
            rewound = {"data.repl.lastOpTS": from_time, "data.repl.token": b""}
            assert kept.update_one({"_id": PLACE.id}, {"$set": rewound}).matched_count == 1
        self._serve()

    def started_at(self) -> Timestamp:
        """The source's time from which on its changes are read."""
        kept = self.target.client[PLACE.database].checkpoints.find_one({"_id": PLACE.id})
        assert kept is not None
        moment: Timestamp = kept["data"]["clone"]["startTS"]
        return moment

    def post(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """What it answers."""
        answer = requests.post(f"{self._url}/{path}", json=body, timeout=30)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def act(self, path: str, **body: Any) -> None:
        """Ask for something that is not refused."""
        assert self.post(path, body) == {"ok": True}

    def status(self) -> Status:
        """What it tells of itself."""
        answer = requests.get(f"{self._url}/status", timeout=30)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def until(self, condition: Callable[[Status], Any], what: str, seconds: float = PATIENCE) -> Status:
        """The first status for which a condition holds; the link must not have failed before."""

        def found() -> Status | None:
            status = self.status()
            assert status["ok"], status
            return status if condition(status) else None

        return dict(wait_until(found, seconds, what))

    def start(self, options: LinkOptions | None = None, **body: Any) -> None:
        """Begin a run; `options` are for what this API does not offer."""
        if options is None:
            self.act("start", **body)
        else:
            self.link.start(options)

    def cloned(self, seconds: float = PATIENCE) -> Status:
        """Once everything is copied."""
        return self.until(lambda status: status["initialSync"]["cloneCompleted"], "the clone", seconds)

    def in_sync(self) -> Status:
        """Once the target is consistent."""
        return self.until(lambda status: status["initialSync"]["completed"], "the initial sync")

    def caught_up(self) -> Timestamp:
        """Once everything that the source has now is applied; the source's time of that."""
        note = self.source.client.admin.command("appendOplogNote", 1, data={"msg": "here"})
        moment: Timestamp = note["$clusterTime"]["clusterTime"]

        def reached(status: Status) -> bool:
            return operation_time(status) >= (moment.time, moment.inc)

        self.until(reached, "everything to be applied")
        return moment

    def finalized(self, seconds: float = PATIENCE) -> Status:
        """Finalize, and wait for the end of it."""
        self.act("finalize")
        return self.until(lambda status: status["state"] == "finalized", "the end of finalization", seconds)


def operation_time(status: Status) -> tuple[int, int]:
    """Up to where everything is applied."""
    seconds, number = status.get("lastReplicatedOpTime", {"ts": "0.0"})["ts"].split(".")
    return int(seconds), int(number)


@contextmanager
def linked(source: ReplicaSet, target: ReplicaSet) -> Iterator[LinkStand]:
    """A link that knows nothing yet."""
    reset(target.uri, PLACE)
    stand = LinkStand(source, target)
    try:
        yield stand
    finally:
        stand.close()


def replicated(stand: LinkStand, phase: Phase, change: Callable[[], object], **body: Any) -> Status:
    """A whole run in which `change` happens in that phase; the last status."""
    if phase is Phase.CLONE:
        change()
        stand.start(pauseOnInitialSync=True, **body)
        stand.until(lambda status: status["state"] == "paused", "the pause after the initial sync")
        stand.act("resume")
    else:
        stand.start(**body)
        if phase is Phase.APPLY:
            stand.cloned()
        change()
    stand.in_sync()
    stand.caught_up()
    return stand.finalized()


def databases(client: MongoClient[dict[str, Any]]) -> set[str]:
    """Those of users."""
    return set(client.list_database_names()) - NOT_OF_USERS


def empty(cluster: ReplicaSet) -> None:
    """Drop the databases of users, also where there are hundreds."""

    def drop(name: str) -> None:
        cluster.client.get_database(name, write_concern=WriteConcern(1)).command("dropDatabase")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(drop, databases(cluster.client)))


def differences(source: ReplicaSet, target: ReplicaSet) -> list[str]:
    """Every way in which two clusters are not alike, in words."""
    here, there = databases(source.client), databases(target.client)
    found = [f"only on the {'source' if name in here else 'target'}: {name}" for name in here ^ there]
    for name in sorted(here & there):
        found += database_differences(source.client[name], target.client[name])
    return found


def database_differences(here: Data, there: Data) -> list[str]:
    """Every way in which two databases are not alike, in words."""
    sides = [_collections(here), _collections(there)]
    found = [
        f"{name} is only on the {'source' if name in sides[0] else 'target'}"
        for name in sorted(set(sides[0]) ^ set(sides[1]))
    ]
    for name in sorted(set(sides[0]) & set(sides[1])):
        kinds = [side[name]["type"] for side in sides]
        options = [side[name].get("options", {}) for side in sides]
        if kinds[0] != kinds[1] or options[0] != options[1]:
            found.append(f"{name}: {kinds[0]} {options[0]} became {kinds[1]} {options[1]}")
        elif kinds[0] == "collection":
            found += _content_differences(here, there, name, natural=bool(options[0].get("capped")))
    return found


def _collections(database: Data) -> dict[str, dict[str, Any]]:
    return {each["name"]: dict(each) for each in database.list_collections() if not each["name"].startswith("system.")}


def _content_differences(here: Data, there: Data, name: str, natural: bool) -> list[str]:
    found = []
    indexes = [side[name].index_information() for side in (here, there)]
    if indexes[0] != indexes[1]:
        found.append(f"{name}: indexes {indexes[0]} became {indexes[1]}")
    counts = [side[name].count_documents({}) for side in (here, there)]
    if counts[0] != counts[1]:
        found.append(f"{name}: {counts[0]} documents became {counts[1]}")
    elif digest(here, name, natural) != digest(there, name, natural):
        pairs = zip(_documents(here, name, natural), _documents(there, name, natural), strict=True)
        first = next(pair for pair in pairs if pair[0].raw != pair[1].raw)
        found.append(f"{name}: {_difference(*first)}")
    return found


def digest(database: Data, name: str, natural: bool = False) -> str:
    """Of the bytes of all documents: types, order of fields and all."""
    found = hashlib.md5(usedforsecurity=False)
    for document in _documents(database, name, natural):
        found.update(document.raw)
    return found.hexdigest()


def _documents(database: Data, name: str, natural: bool) -> Iterator[RawBSONDocument]:
    collection = database.get_collection(name, codec_options=RAW)
    return iter(collection.find(hint={"$natural": 1}) if natural else collection.find(sort=[("_id", 1)]))


def _difference(here: RawBSONDocument, there: RawBSONDocument) -> str:
    """What became of a document: fields with other bytes, or another order of them."""
    mine, other = elements(here.raw), elements(there.raw)
    changed = [key.decode() for key in {**mine, **other} if mine.get(key) != other.get(key)]
    if not changed:
        return f"{here.get('_id')!r}: {list(here)} became {list(there)}"
    pairs = [f"{key}: {str(here.get(key))[:300]} became {str(there.get(key))[:300]}" for key in changed]
    return f"{here.get('_id')!r}: {'; '.join(pairs)}"
