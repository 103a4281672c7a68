"""Threads that write to the source of a link: everything that an application does, at random."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable
from typing import Any

from bson import ObjectId
from link_faults import PATIENCE, Data, dice
from mongo_stand import wait_until
from pymongo import MongoClient
from pymongo.errors import PyMongoError


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
