"""Primaries are killed and step down on either side: what an election takes back, the link writes again."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from link_faults import PATIENCE, ROUNDS, SMALL, Faulty, alike, dice, faulty, fill
from link_writers import Writers
from mongo_stand import Member, ReplicaSet, wait_until

from repman.link.options import LinkOptions


@pytest.fixture(scope="module")
def kept_trio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    made = ReplicaSet(
        tmp_path_factory.mktemp("trio"), "rs5", members=3, options=("--setParameter", "enableTestCommands=1")
    )
    yield made
    made.stop()


@pytest.fixture
def trio(kept_trio: ReplicaSet) -> ReplicaSet:
    """A set of three members, all of them up, and empty."""
    for member in kept_trio.members:
        if member.process is None or member.process.poll() is not None:
            member.start()
    whole(kept_trio)
    kept_trio.empty()
    return kept_trio


def whole(trio: ReplicaSet) -> None:
    """Once a primary leads, and all others follow it."""

    def healthy() -> bool:
        with trio.until_primary().client() as client:
            members = client.admin.command("replSetGetStatus")["members"]
        return sorted(each["stateStr"] for each in members) == ["PRIMARY", "SECONDARY", "SECONDARY"]

    wait_until(healthy, PATIENCE, "three members that work")


def kill(trio: ReplicaSet) -> None:
    """The primary dies, and comes back once another one leads."""
    primary = trio.until_primary()
    primary.kill()
    trio.until_primary(other_than=primary)
    primary.start()


def sides(trio: ReplicaSet, source: ReplicaSet, target: ReplicaSet, side: str) -> tuple[ReplicaSet, ReplicaSet]:
    return (trio, target) if side == "source" else (source, trio)


def ended(link: Faulty, source: ReplicaSet, target: ReplicaSet) -> None:
    link.in_sync()
    link.caught_up(source.client)
    link.finalize()
    link.finalized()
    alike(source, target)


class Late:
    """The secondaries of a set get nothing new from their primary, whose writes are its own until then."""

    def __init__(self, trio: ReplicaSet) -> None:
        self.primary = trio.until_primary()
        self.secondaries = [member for member in trio.members if member is not self.primary]
        self._set("alwaysOn")

    def __enter__(self) -> Late:
        return self

    def __exit__(self, *_: object) -> None:
        self._set("off")

    def lose(self) -> None:
        """The primary dies, and only what the others have remains."""
        self.primary.kill()
        self._set("off")

    def back(self, trio: ReplicaSet) -> None:
        """What has died follows the new primary, and forgets what only itself had."""
        trio.until_primary(other_than=self.primary)
        self.primary.start()

    def _set(self, mode: str) -> None:
        for member in self.secondaries:
            with member.client() as client:
                client.admin.command("configureFailPoint", "stopReplProducer", mode=mode)


def count(member: Member, name: str) -> int:
    """What one member has of a collection of the shop, whatever the others have."""
    with member.client(readPreference="secondaryPreferred") as client:
        return client.shop[name].count_documents({})


def looks(member: Member) -> int:
    """How often it was asked for the indexes of a collection."""
    with member.client() as client:
        commands = client.admin.command("serverStatus")["metrics"]["commands"]
    return int(commands["listIndexes"]["total"])


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("side", ["source", "target"])
def test_elections_in_every_phase(
    trio: ReplicaSet, source: ReplicaSet, target: ReplicaSet, tmp_path: Path, side: str
) -> None:
    here, there = sides(trio, source, target, side)
    faults: list[Callable[[], None]] = [lambda: kill(trio), trio.step_down]
    for number in range(ROUNDS):
        chance = dice("elections", side, number)
        here.empty()
        there.empty()
        fill(here.client)
        with (
            faulty(tmp_path / str(number), here.uri, there.uri) as link,
            Writers(here.uri, ("elections", side, number), pause=0.01) as writers,
        ):
            link.begin(SMALL)
            link.copied(chance.random() * 0.8)
            shaken(trio, faults[number % 2], writers, chance)
            link.cloned()
            shaken(trio, faults[1 - number % 2], writers, chance)
            writers.end()
            ended(link, here, there)


def shaken(trio: ReplicaSet, fault: Callable[[], None], writers: Writers, chance: random.Random) -> None:
    fault()
    trio.until_primary()
    writers.go_on(chance.randrange(20, 200))
    whole(trio)


def test_a_member_of_the_target_that_stays_away(trio: ReplicaSet, source: ReplicaSet, tmp_path: Path) -> None:
    """Two of three are a majority: nothing waits for the third one, indexes included."""
    fill(source.client, 1000)
    primary = trio.until_primary()
    next(member for member in trio.members if member is not primary).kill()
    with faulty(tmp_path, source.uri, trio.uri) as link:
        link.begin()
        wait_until(lambda: link.process.status()["initialSync"]["completed"], 30, "the initial sync")
        source.client.shop.people.create_index("tags", name="by_tags")
        ended(link, source, trio)


def test_replicated_documents_that_only_the_old_primary_had(
    trio: ReplicaSet, source: ReplicaSet, tmp_path: Path
) -> None:
    fill(source.client, 1000)
    with faulty(tmp_path, source.uri, trio.uri) as link:
        link.begin()
        link.in_sync()
        link.caught_up(source.client)
        with Late(trio) as late:
            source.client.shop.orders.insert_many([{"_id": 10_000 + number, "n": 1} for number in range(500)])
            source.client.shop.orders.update_many({"_id": {"$lt": 100}}, {"$set": {"n": 9}})
            link.caught_up(source.client)
            assert count(late.primary, "orders") == 1500
            assert [count(each, "orders") for each in late.secondaries] == [1000, 1000]
            late.lose()
            late.back(trio)
        link.caught_up(source.client)
        ended(link, source, trio)


def test_the_order_of_a_capped_collection_of_which_only_the_old_primary_had_a_part(
    trio: ReplicaSet, source: ReplicaSet, tmp_path: Path
) -> None:
    """What came later must not be written to the new primary before what was lost."""
    fill(source.client, 100)
    recent = source.client.shop.recent
    with faulty(tmp_path, source.uri, trio.uri) as link:
        link.begin()
        link.in_sync()
        link.caught_up(source.client)
        with Late(trio) as late:
            for first in range(1000, 1300, 50):
                recent.insert_many([{"_id": number} for number in range(first, first + 50)])
                source.client.admin.command("appendOplogNote", 1, data={"msg": "a batch of its own"})
            wait_until(lambda: count(late.primary, "recent") > 100, what="documents that only one member has")
            late.lose()
            recent.insert_many([{"_id": number} for number in range(2000, 2010)])
            late.back(trio)
        ended(link, source, trio)


def test_cloned_documents_that_only_the_old_primary_had(trio: ReplicaSet, source: ReplicaSet, tmp_path: Path) -> None:
    fill(source.client, 30_000)
    with faulty(tmp_path, source.uri, trio.uri) as link:
        # Collections are made by majority, documents are not: there must be some before the others are late.
        link.begin(LinkOptions(segment_bytes=64 << 20, read_batch_bytes=64 << 10))
        wait_until(lambda: count(trio.until_primary(), "orders"), PATIENCE, "the first documents")
        with Late(trio) as late:
            wait_until(
                lambda: count(late.primary, "orders") > max(count(each, "orders") for each in late.secondaries) + 500,
                PATIENCE,
                "documents that only one member has",
            )
            late.lose()
            late.back(trio)
        ended(link, source, trio)


def test_an_end_whose_last_writes_only_the_old_primary_had(
    trio: ReplicaSet, source: ReplicaSet, tmp_path: Path
) -> None:
    """The link was told to end, and has applied everything, when its last writes are lost."""
    fill(source.client, 1000)
    answers = []
    with faulty(tmp_path, source.uri, trio.uri) as link:
        link.begin()
        link.in_sync()
        link.caught_up(source.client)

        def finalize() -> None:
            answers.append(link.process.post("finalize"))

        with Late(trio) as late:
            source.client.shop.orders.insert_many([{"_id": 10_000 + number, "n": 1} for number in range(500)])
            link.caught_up(source.client)
            here = source.client.admin.command("appendOplogNote", 1, data={"msg": "here"})["operationTime"]
            asking = threading.Thread(target=finalize)
            asking.start()
            end = {"o.msg": "repman:commit", "ts": {"$gt": here}}
            note = wait_until(lambda: source.client.local["oplog.rs"].find_one(end), what="the moment of the end")
            link.reached(note["ts"])
            late.lose()
            late.back(trio)
        asking.join()
        assert answers == [{"ok": True}]
        link.finalized()
        alike(source, trio)


def test_definitions_that_only_the_old_primary_had(trio: ReplicaSet, source: ReplicaSet, tmp_path: Path) -> None:
    shop = source.client.shop
    shop.live.insert_many([{"_id": number} for number in range(100)])
    shop.unwanted.insert_one({"_id": 1})
    with faulty(tmp_path, source.uri, trio.uri) as link:
        link.begin()
        link.in_sync()
        link.caught_up(source.client)
        with Late(trio) as late:
            shop.unwanted.drop()
            shop.live.rename("moved")
            shop.moved.insert_one({"_id": "after"})
            shop.live.create_index("n")
            with late.primary.client() as client:
                wait_until(lambda: "unwanted" not in client.shop.list_collection_names(), what="the drop")
            late.lose()
            late.back(trio)
        ended(link, source, trio)


def test_documents_that_a_majority_of_the_source_has_later(
    trio: ReplicaSet, target: ReplicaSet, tmp_path: Path
) -> None:
    """What was written before the start is neither in what is read by majority nor in what is replicated afterwards."""
    shop = trio.client.shop
    shop.orders.insert_one({"_id": 0})
    with faulty(tmp_path, trio.uri, target.uri) as link:
        with Late(trio) as late:
            with late.primary.client(w=1) as client:
                client.shop.orders.insert_many([{"_id": number} for number in range(1, 100)])
            before = looks(late.primary)
            link.begin()
            wait_until(lambda: looks(late.primary) > before, what="a look at the collections")
        ended(link, trio, target)
        assert target.client.shop.orders.count_documents({}) == 100


def test_a_collection_that_the_source_forgets(trio: ReplicaSet, target: ReplicaSet, tmp_path: Path) -> None:
    """It is there when the link lists what there is, and an election takes it back."""
    trio.client.shop.orders.insert_one({"_id": 0})
    with faulty(tmp_path, trio.uri, target.uri) as link:
        with Late(trio) as late:
            with late.primary.client(w=1) as client:
                client.shop.ghost.insert_one({"_id": 1})
            before = looks(late.primary)
            link.begin()
            wait_until(lambda: looks(late.primary) >= before + 2, what="a look at both collections")
            late.lose()
            late.back(trio)
        ended(link, trio, target)
        assert "ghost" not in target.client.shop.list_collection_names()
