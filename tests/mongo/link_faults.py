"""What goes wrong while a link works, and the writes that go on meanwhile."""

from __future__ import annotations

import contextlib
import os
import random
import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bson import ObjectId, Timestamp
from link_stand import differences
from mongo_stand import Member, ReplicaSet, free_port, wait_until
from percona_program import Program
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import PyMongoError

from repman.link.link import Link
from repman.link.options import LinkOptions
from repman.link.percona.flavour import PLACE
from repman.link.reset import reset

ROUNDS = int(os.environ.get("REPMAN_ROUNDS", "3"))
SEED = int(os.environ.get("REPMAN_CHAOS_SEED", "20261125"))
KEPT = PLACE.database
PATIENCE = 90.0
Data = Database[dict[str, Any]]


def dice(*about: object) -> random.Random:
    """The same numbers for the same test, and others for each round."""
    return random.Random(f"{SEED} {about}")


def fill(client: MongoClient[dict[str, Any]], documents: int = 20_000, body: int = 300) -> None:
    """Something to copy: one larger collection, and a few of other kinds."""
    shop = client["shop"]
    for first in range(0, documents, 10_000):
        some = range(first, min(documents, first + 10_000))
        shop["orders"].insert_many([{"_id": number, "body": "x" * body, "n": 0} for number in some])
    shop["orders"].create_index([("n", 1), ("body", -1)], name="by_n")
    shop["people"].insert_many([{"_id": f"p{number}", "mail": f"{number}@x", "tags": []} for number in range(500)])
    shop["people"].create_index("mail", unique=True)
    shop.create_collection("recent", capped=True, size=1 << 20)
    shop["recent"].insert_many([{"_id": number, "said": "y" * 50} for number in range(100)])
    shop.create_collection("cheap", viewOn="orders", pipeline=[{"$match": {"n": 0}}])


class Writers:
    """Threads that write to a cluster until they are ended, whatever happens to it."""

    def __init__(
        self, uri: str, seed: object, acts: Acts | None = None, threads: int = 2, pause: float = 0.002
    ) -> None:
        """`acts` are what they do, everything if nothing is said; each rests for `pause` seconds after every act."""
        self._pause = pause
        self._client: MongoClient[dict[str, Any]] = MongoClient(
            uri, w="majority", serverSelectionTimeoutMS=2000, socketTimeoutMS=10_000
        )
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self.done = 0
        """Operations that were carried out."""
        self._threads = [
            threading.Thread(
                target=self._work, args=(number, dice(seed, number), acts or EVERYTHING), name=f"writer-{number}"
            )
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Writers:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Returns when nothing more is written."""
        self._ending.set()
        for thread in self._threads:
            thread.join()
        self._client.close()

    def go_on(self, operations: int) -> None:
        """Wait until so many more operations were carried out."""
        aim = self.done + operations
        wait_until(lambda: self.done >= aim, PATIENCE, "writes that go on")

    def _work(self, number: int, chance: random.Random, chosen: Acts) -> None:
        hand = Hand(self._client["shop"], number, chance)
        acts, weights = zip(*chosen, strict=True)
        while not self._ending.wait(self._pause):
            (act,) = chance.choices(acts, weights)
            # What is refused, or lost with its primary, was not done; what was done nevertheless is in the oplog.
            with contextlib.suppress(PyMongoError):
                act(hand)
                with self._lock:
                    self.done += 1


class Hand:
    """What one thread of writers does, one thing at a time."""

    def __init__(self, shop: Data, number: int, chance: random.Random) -> None:
        self.shop, self.number, self.chance = shop, number, chance
        self._made = 0

    def fresh(self) -> str:
        """A name that nothing has had so far."""
        self._made += 1
        return f"made_{self.number}_{self._made}"

    def place(self) -> Any:
        """A collection."""
        return self.shop[self.chance.choice(("orders", "people", "live_0", "live_1", "live_2"))]

    def identity(self) -> Any:
        """An ``_id``, often one that is there."""
        number = self.chance.randrange(400)
        return self.chance.choice((number, number, f"p{number}", {"a": number}, float(number) + 0.5))

    def document(self) -> dict[str, Any]:
        """The rest of a document."""
        names = self.chance.sample("abcdefgh", self.chance.randint(1, 5))
        return {name: self.chance.randrange(100) for name in names} | {"list": [1, 2, 3], "sub": {"x": 1, "y": 2}}

    def insert(self) -> None:
        """Some documents, some of them with a key of their own."""
        some = [{"_id": self.identity(), **self.document()} for _ in range(self.chance.randint(1, 4))]
        some += [{"_id": ObjectId(), "n": self.number, **self.document()} for _ in range(self.chance.randint(1, 8))]
        self.place().insert_many(some, ordered=False)

    def update(self) -> None:
        """Fields, nested fields and arrays."""
        field = self.chance.choice("abcdefgh")
        change = self.chance.choice(
            (
                {"$set": {field: self.chance.randrange(1000)}},
                {"$inc": {"n": 1, "sub.x": 1}},
                {"$push": {"list": {"$each": [self.chance.randrange(9)], "$slice": -5}}},
                {"$set": {f"sub.{field}": [1, {"z": 2}], "list.1": 7}},
                [{"$set": {"list": {"$slice": ["$list", 2]}}}],
            )
        )
        self.place().update_one({"_id": self.identity()}, change, upsert=self.chance.random() < 0.2)

    def update_many(self) -> None:
        """One statement, many events."""
        low = self.chance.randrange(400)
        self.place().update_many({"_id": {"$gte": low, "$lt": low + 20}}, {"$inc": {"n": 1}})

    def replace(self) -> None:
        """A whole document."""
        self.place().replace_one({"_id": self.identity()}, self.document(), upsert=True)

    def delete(self) -> None:
        """One, or several."""
        if self.chance.random() < 0.7:
            self.place().delete_one({"_id": self.identity()})
        else:
            low = self.chance.randrange(400)
            self.place().delete_many({"_id": {"$gte": low, "$lt": low + 5}})

    def transact(self) -> None:
        """Something is moved from one collection to another."""
        with self.shop.client.start_session() as session, session.start_transaction():
            identity = ObjectId()
            self.shop.live_0.insert_one({"_id": identity, "moved": 1}, session=session)
            self.shop.people.update_one({"_id": f"p{self.chance.randrange(400)}"}, {"$inc": {"n": 1}}, session=session)
            self.shop.live_1.insert_one({"_id": identity, "moved": 2}, session=session)
            if self.chance.random() < 0.3:
                self.shop.live_0.delete_one({"_id": identity}, session=session)

    def append(self) -> None:
        """To a capped collection: one thread, as the server keeps what comes at once in another order than it logs it."""
        if self.number:
            return
        self.shop.recent.insert_many([{"said": self.chance.randrange(1000)} for _ in range(3)])

    def create(self) -> None:
        """A collection with options, an index and documents."""
        name = self.fresh()
        self.shop.create_collection(name, validator={"n": {"$gte": 0}}, collation={"locale": "de"})
        self.shop[name].create_index("n", name="by_n")
        self.shop[name].insert_many([{"_id": number, "n": number} for number in range(20)])

    def drop(self) -> None:
        """One of the collections, which others go on to write to."""
        self.shop[self.chance.choice(("live_0", "live_1", "live_2", f"made_{self.number}_{self._made}"))].drop()

    def rename(self) -> None:
        """To a new name, or in the place of another one."""
        there = self.chance.choice((self.fresh(), "live_2"))
        self.shop[self.chance.choice(("live_0", "live_1"))].rename(there, dropTarget=True)

    def index(self) -> None:
        """Made, or taken away."""
        collection, field = self.place(), self.chance.choice("abcd")
        if self.chance.random() < 0.6:
            collection.create_index(field, name=f"by_{field}", sparse=self.chance.random() < 0.3)
        else:
            collection.drop_index(f"by_{field}")

    def modify(self) -> None:
        """Options of a collection."""
        level = self.chance.choice(("off", "moderate", "strict"))
        self.shop.command("collMod", "people", validationLevel=level, validator={"mail": {"$ne": self.chance.random()}})


Acts = list[tuple[Callable[["Hand"], None], float]]
WRITES: Acts = [
    (Hand.insert, 20),
    (Hand.update, 40),
    (Hand.update_many, 4),
    (Hand.replace, 10),
    (Hand.delete, 10),
    (Hand.transact, 6),
    (Hand.append, 5),
]
DEFINITIONS: Acts = [(Hand.create, 1), (Hand.drop, 1), (Hand.rename, 1), (Hand.modify, 1)]
EVERYTHING: Acts = [*WRITES, *DEFINITIONS, (Hand.index, 2)]


class Faulty:
    """A link as a process of its own, between two clusters."""

    def __init__(self, directory: Path, source: str, target: str, *words: str) -> None:
        directory.mkdir(exist_ok=True)
        self._directory, self._source, self._target, self._words = directory, source, target, words
        self.program: Program | None = None

    @property
    def process(self) -> Program:
        """The process; only once it was begun."""
        assert self.program is not None
        return self.program

    def begin(self, options: LinkOptions | None = None) -> None:
        """Start a replication; with options that its own API does not offer, or takes no so small numbers for."""
        reset(self._target, PLACE)
        if options is not None:
            link = Link(self._source, self._target, PLACE)
            link.open()
            link.start(options)
            link.close()
        self.program = self.another("link")
        self.answers()
        if options is None:
            assert self.process.post("start") == {"ok": True}

    def another(self, name: str) -> Program:
        """One more process for the same link."""
        return Program(self._directory / name, "--source", self._source, "--target", self._target, *self._words)

    def answers(self) -> None:
        """Once it does."""
        self.process.until(lambda status: True, "an answer", PATIENCE)

    def kill(self) -> None:
        """``kill -9``, and nothing is left of it."""
        self.process.process.kill()
        self.process.process.wait(10)

    def restart(self) -> None:
        """The process is started again, and not told anything."""
        self.process.again()
        self.answers()

    def until(self, condition: Callable[[dict[str, Any]], Any], what: str) -> dict[str, Any]:
        """The first status for which a condition holds; the link must never have failed."""

        def holds(status: dict[str, Any]) -> Any:
            assert status["ok"], f"{status}\n{self.process.told()[-3000:]}"
            return condition(status)

        return self.process.until(holds, what, PATIENCE)

    def copied(self, part: float) -> None:
        """Once that part of all documents is copied, or everything."""

        def enough(status: dict[str, Any]) -> bool:
            clone = status["initialSync"]
            bytes_copied, bytes_in_all = clone.get("clonedSizeBytes", 0), clone.get("estimatedCloneSizeBytes", 1)
            return bool(clone["cloneCompleted"] or bytes_copied >= part * bytes_in_all)

        self.until(enough, "a part of the clone")

    def cloned(self) -> dict[str, Any]:
        """Once everything is copied."""
        return self.until(lambda status: status["initialSync"]["cloneCompleted"], "the end of the clone")

    def in_sync(self) -> dict[str, Any]:
        """Once the target is consistent."""
        return self.until(lambda status: status["initialSync"]["completed"], "the initial sync")

    def caught_up(self, client: MongoClient[dict[str, Any]]) -> None:
        """Once everything that the source has now is applied."""
        note = client.admin.command("appendOplogNote", 1, data={"msg": "here"})
        self.reached(note["$clusterTime"]["clusterTime"])

    def reached(self, moment: Timestamp) -> None:
        """Once everything up to that time of the source is applied."""

        def applied(status: dict[str, Any]) -> bool:
            seconds, number = status.get("lastReplicatedOpTime", {"ts": "0.0"})["ts"].split(".")
            return (int(seconds), int(number)) >= (moment.time, moment.inc)

        self.until(applied, "everything to be applied")

    def finalize(self) -> None:
        """Ask for the end, as often as that takes; a process that was killed may not have heard of it."""

        def accepted() -> bool:
            answer = self.process.post("finalize")
            assert answer["ok"] or "initial sync" in answer["error"], answer
            return bool(answer["ok"])

        wait_until(accepted, PATIENCE, "finalize to be accepted")

    def finalized(self) -> None:
        """Once everything has its final form."""
        self.until(lambda status: status["state"] == "finalized", "the end of finalization")

    def remove(self) -> None:
        if self.program is not None:
            self.program.remove()


@contextlib.contextmanager
def faulty(directory: Path, source: str, target: str, *words: str) -> Iterator[Faulty]:
    """A link that knows nothing yet."""
    made = Faulty(directory, source, target, *words)
    try:
        yield made
    finally:
        made.remove()


def alike(source: ReplicaSet, target: ReplicaSet) -> None:
    """Source and target are the same: collections, options, indexes, and the bytes of all documents in their order."""
    found = differences(source, target)
    assert not found, "\n".join(found)


def kept(target: ReplicaSet, what: str) -> Any:
    """A collection of what the link keeps on its target."""
    return target.client[KEPT][f"{what}.{PLACE.id}" if what in ("collections", "segments") else what]


class Forwarder:
    """A port that leads to another one, until the line is cut."""

    def __init__(self, port: int) -> None:
        """Begins at once; `port` is where it leads."""
        self._to = ("127.0.0.1", port)
        self.port = free_port()
        self._lock = threading.Lock()
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._listener: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._selector = selectors.DefaultSelector()
        self._silent = threading.Event()
        self._cut = threading.Event()
        self._ending = threading.Event()
        self._asked, self._answered = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="forwarder")
        self._thread.start()
        self.mend()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def cut(self) -> None:
        """All connections break, and nobody can connect."""
        self._cut.set()
        self._change()

    def silence(self) -> None:
        """Nothing gets through any more, and nobody is told: as when a cable is pulled."""
        self._silent.set()
        self._change()

    def mend(self) -> None:
        """As before; what was sent into silence arrives now."""
        self._cut.clear()
        self._silent.clear()
        self._change()

    def end(self) -> None:
        self._ending.set()
        assert self._thread is not None
        self._thread.join()

    def _change(self) -> None:
        """Wait until the thread has seen what it is to do from now on."""
        self._answered.clear()
        self._asked.set()
        assert self._answered.wait(10)

    def _work(self) -> None:
        while not self._ending.is_set():
            if self._asked.is_set():
                self._asked.clear()
                self._obey()
                self._answered.set()
            if self._silent.is_set() or not self._selector.get_map():
                self._asked.wait(0.01)
                continue
            for key, _ in self._selector.select(0.01):
                if key.fileobj is self._listener:
                    self._accept()
                else:
                    assert isinstance(key.fileobj, socket.socket)
                    self._pass_on(key.fileobj)
        self._close()
        self._selector.close()

    def _obey(self) -> None:
        if self._cut.is_set():
            self._close()
        elif self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self._selector.register(self._listener, selectors.EVENT_READ)

    def _accept(self) -> None:
        assert self._listener is not None
        near, _ = self._listener.accept()
        try:
            far = socket.create_connection(self._to, 5)
        except OSError:
            near.close()
            return
        for one, other in ((near, far), (far, near)):
            self._pairs[one] = other
            self._selector.register(one, selectors.EVENT_READ)

    def _pass_on(self, one: socket.socket) -> None:
        other = self._pairs.get(one)
        if other is None:
            return  # its other end was closed in the same turn
        try:
            data = one.recv(1 << 16)
            if data:
                other.sendall(data)
                return
        except OSError:
            pass
        self._part(one)

    def _part(self, one: socket.socket) -> None:
        for end in (one, self._pairs[one]):
            del self._pairs[end]
            self._selector.unregister(end)
            end.close()

    def _close(self) -> None:
        while self._pairs:
            self._part(next(iter(self._pairs)))
        if self._listener is not None:
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None


@contextlib.contextmanager
def set_of_one(directory: Path, name: str, *parameters: str) -> Iterator[ReplicaSet]:
    """A set of one member with those server parameters."""
    made = ReplicaSet(directory, name, options=tuple(word for each in parameters for word in ("--setParameter", each)))
    try:
        yield made
    finally:
        made.stop()


APPLICATION = "pcsm"
"""By which a cluster knows the connections of a link."""
Times = int | None


class Failing:
    """A command of the link that a cluster, started with ``enableTestCommands``, does not carry out as it should."""

    def __init__(self, cluster: ReplicaSet, *commands: str, times: Times = 1, **how: Any) -> None:
        """So often, or with None until it is ended; `how` is the server's own: ``errorCode``, ``closeConnection`` ..."""
        self._admin = cluster.client.admin
        mode: Any = "alwaysOn" if times is None else {"times": times}
        data = {"failCommands": list(commands), "appName": APPLICATION, **how}
        self._entered = int(self._set(mode, data)["count"])

    def __enter__(self) -> Failing:
        return self

    def __exit__(self, *_: object) -> None:
        self._set("off")

    def met(self, times: int = 1) -> None:
        """Once the link has met it so often."""
        self._admin.command(
            "waitForFailPoint", "failCommand", timesEntered=self._entered + times, maxTimeMS=int(PATIENCE * 1000)
        )

    def _set(self, mode: Any, data: dict[str, Any] | None = None) -> dict[str, Any]:
        return self._admin.command("configureFailPoint", "failCommand", mode=mode, **({"data": data} if data else {}))


def under_way(cluster: ReplicaSet) -> list[dict[str, Any]]:
    """What the cluster does on behalf of links, and the transactions that they have left open."""
    look = [{"$currentOp": {"idleSessions": True}}, {"$match": {"appName": APPLICATION}}]
    return [
        each
        for each in cluster.client.admin.aggregate(look)
        if "transaction" in each or {"insert", "update", "delete"} & set(each.get("command", {}))
    ]


@contextlib.contextmanager
def behind_forwarder(cluster: ReplicaSet) -> Iterator[Forwarder]:
    """A set of one member whose clients are sent through a forwarder; only its own goes to the member directly."""
    (member,) = cluster.members
    forwarder = Forwarder(member.port)
    readdress(member, forwarder.address)
    cluster.client.close()
    cluster.client = member.client()
    try:
        yield forwarder
    finally:
        forwarder.end()


def directly(cluster: ReplicaSet) -> str:
    """The address of its one member, which no forwarder is in front of."""
    (member,) = cluster.members
    return f"mongodb://{member.address}/?directConnection=true"


def readdress(member: Member, address: str) -> None:
    """From now on its set calls the member by that address."""
    with member.client() as client:
        config = client.admin.command("replSetGetConfig")["config"]
        config["version"] += 1
        config["members"][0]["host"] = address
        client.admin.command("replSetReconfig", config)
        wait_until(lambda: client.admin.command("hello").get("isWritablePrimary"), what="a primary")
