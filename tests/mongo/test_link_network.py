"""The network between a link and its clusters breaks, or falls silent: nobody has to do anything.

A set of one member asks itself over the network whether an index may be committed, so none is built meanwhile.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from link_faults import (
    PATIENCE,
    ROUNDS,
    SMALL,
    Data,
    Failing,
    Faulty,
    alike,
    dice,
    faulty,
    fill,
    kept,
    set_of_one,
    under_way,
)
from link_lines import Forwarder, behind_forwarder, directly
from link_writers import DEFINITIONS, WRITES, Writers
from mongo_stand import ReplicaSet, wait_until

from repman.link.checkpoint import STALE

SIDES = ["source", "target"]
Line = tuple[ReplicaSet, ReplicaSet, dict[str, Forwarder]]


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    """Two sets of one member, each behind a forwarder."""
    directory = tmp_path_factory.mktemp("lines")
    with (
        set_of_one(directory, "rs2", "enableTestCommands=1") as source,
        set_of_one(directory, "rs3", "enableTestCommands=1", "transactionLifetimeLimitSeconds=3600") as target,
        behind_forwarder(source) as to_source,
        behind_forwarder(target) as to_target,
    ):
        yield source, target, {"source": to_source, "target": to_target}


@pytest.fixture
def line(lines: Line) -> Line:
    for forwarder in lines[2].values():
        forwarder.mend()
    for cluster in lines[:2]:
        cluster.empty()
    return lines


def through(line: Line, directory: Path) -> Any:
    """A link that reaches both clusters through the forwarders only."""
    source, target, forwarders = line
    return faulty(directory, *(f"mongodb://{forwarders[side].address}/?replicaSet={cluster.name}"
                               for side, cluster in zip(SIDES, (source, target), strict=True)))  # fmt: skip


def disturbed(forwarder: Forwarder, writers: Writers, chance: random.Random) -> None:
    for _ in range(3):
        fault = chance.choice((forwarder.cut, forwarder.silence))
        fault()
        writers.go_on(chance.randrange(10, 300))
        forwarder.mend()
        writers.go_on(chance.randrange(10, 100))


def ended(link: Faulty, source: ReplicaSet, target: ReplicaSet, writers: Writers) -> None:
    writers.end()
    link.in_sync()
    link.caught_up(source.client)
    link.finalize()
    link.finalized()
    alike(source, target)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("side", SIDES)
def test_broken_and_silent_lines_in_every_phase(line: Line, tmp_path: Path, side: str) -> None:
    source, target, forwarders = line
    for number in range(ROUNDS):
        chance = dice("network", side, number)
        source.empty()
        target.empty()
        fill(source.client)
        forwarder = forwarders[side]
        with (
            through(line, tmp_path / str(number)) as link,
            Writers(directly(source), ("network", side, number), [*WRITES, *DEFINITIONS]) as writers,
        ):
            link.begin(SMALL)
            link.copied(chance.random() * 0.8)
            disturbed(forwarder, writers, chance)
            link.cloned()
            disturbed(forwarder, writers, chance)
            ended(link, source, target, writers)


def test_a_target_that_is_silent_for_longer_than_the_lease(line: Line, tmp_path: Path) -> None:
    """The lease cannot be renewed, and nobody else takes it: the link waits, and goes on by itself."""
    source, target, forwarders = line
    fill(source.client, 1000)
    with through(line, tmp_path) as link, Writers(directly(source), "lease", WRITES) as writers:
        link.begin()
        link.in_sync()
        forwarders["target"].silence()
        beat = kept(target, "heartbeats").find_one()["beat"]

        def stale() -> bool:
            now = target.client.admin.command("hello")["localTime"]
            return bool((now - beat).total_seconds() > STALE + 1)

        wait_until(stale, PATIENCE, "a heartbeat that is too old")
        assert kept(target, "heartbeats").find_one()["beat"] == beat
        writers.go_on(50)
        forwarders["target"].mend()
        writers.go_on(50)
        ended(link, source, target, writers)


def test_a_write_whose_answer_was_lost_undoes_nothing(line: Line, tmp_path: Path) -> None:
    """The target is slow, the line breaks meanwhile, and the same is sent again: then more comes, and then the slow one."""
    source, target, forwarders = line
    source.client.shop.one.insert_one({"_id": 1, "n": 0})
    with through(line, tmp_path) as link:
        link.begin()
        link.in_sync()
        link.caught_up(source.client)
        with Failing(target, "update", blockConnection=True, blockTimeMS=3000, namespace="shop.one") as slow:
            source.client.shop.one.update_one({"_id": 1}, {"$set": {"n": 1}})
            slow.met()
            forwarders["target"].cut()
            assert under_way(target)
            forwarders["target"].mend()
            source.client.shop.one.update_one({"_id": 1}, {"$set": {"n": 2}})
            link.caught_up(source.client)
            wait_until(lambda: not under_way(target), what="the slow write to be carried out")
        assert target.client.shop.one.find_one() == {"_id": 1, "n": 2}


LOST: dict[str, Callable[[Data], object]] = {
    "create": lambda shop: shop.create_collection("late", collation={"locale": "de"}),
    "drop": lambda shop: shop.unwanted.drop(),
    "createIndexes": lambda shop: shop.live.create_index("n", name="by_n"),
    "dropIndexes": lambda shop: shop.live.drop_index("by_m"),
    "collMod": lambda shop: shop.command("collMod", "live", validationLevel="off"),
    "renameCollection": lambda shop: shop.live.rename("moved"),
}


@pytest.mark.parametrize(
    "commands",
    [
        pytest.param([name for name in LOST if name != "renameCollection"], id="most"),
        pytest.param(["renameCollection"], id="rename"),
    ],
)
def test_definitions_that_the_target_has_obeyed_without_saying_so(
    line: Line, tmp_path: Path, commands: list[str]
) -> None:
    source, target, _ = line
    shop = source.client.shop
    shop.create_collection("live", validator={"n": {"$gte": 0}})
    shop.live.create_index("m", name="by_m")
    shop.live.insert_many([{"_id": number, "n": number} for number in range(20)])
    shop.unwanted.insert_one({"_id": 1})
    with through(line, tmp_path) as link:
        link.begin()
        link.in_sync()
        for command in commands:
            with Failing(target, command, writeConcernError={"code": 91, "errmsg": "shutting down"}) as failing:
                LOST[command](shop)
                failing.met()
                shop.live.insert_one({"n": 1, "after": command})
                link.caught_up(source.client)
        link.finalize()
        link.finalized()
        alike(source, target)


def test_a_note_that_cannot_be_written(line: Line, tmp_path: Path) -> None:
    source, target, _ = line
    source.client.shop.one.insert_one({"_id": 1})
    with through(line, tmp_path) as link, Failing(source, "appendOplogNote", closeConnection=True) as failing:
        link.begin()
        failing.met()
        link.in_sync()
        alike(source, target)


@pytest.mark.parametrize(
    ("side", "command"), [("source", "getMore"), ("target", "insert"), ("target", "renameCollection")]
)
def test_a_collection_is_converted_although_one_side_fails_meanwhile(
    line: Line, tmp_path: Path, side: str, command: str
) -> None:
    source, target, _ = line
    shop = source.client.shop
    shop.log.insert_many([{"_id": number, "said": "x"} for number in range(100)])
    with through(line, tmp_path) as link:
        link.begin()
        link.in_sync()
        link.caught_up(source.client)
        # The driver itself tries some of them a second time.
        with Failing(source if side == "source" else target, command, closeConnection=True, times=2) as failing:
            shop.command("convertToCapped", "log", size=1 << 20)
            failing.met(2)
        link.caught_up(source.client)
        link.finalize()
        link.finalized()
        alike(source, target)


def test_a_transaction_whose_commit_was_lost_holds_nobody_up(line: Line, tmp_path: Path) -> None:
    source, target, _ = line
    shop = source.client.shop
    shop.many.insert_many([{"_id": number, "n": 0} for number in range(100)])
    with through(line, tmp_path) as link:
        link.begin()
        link.in_sync()
        link.caught_up(source.client)
        # The driver itself tries to commit a second time.
        with Failing(target, "commitTransaction", closeConnection=True, times=2) as failing:
            shop.many.update_many({}, {"$set": {"n": 1}})
            failing.met(2)
        wait_until(lambda: target.client.shop.many.count_documents({"n": 1}) == 100, 15, "the repetition")
