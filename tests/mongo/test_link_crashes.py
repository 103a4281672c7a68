"""The process of a link is killed at any moment: nothing is lost, nothing is copied twice, nobody has to do anything."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from bson import decode
from link_faults import ROUNDS, SMALL, Data, Failing, Faulty, alike, dice, faulty, fill, kept, set_of_one, under_way
from link_writers import Writers
from mongo_stand import ReplicaSet, wait_until


def a_moment(chance: random.Random, longest: float) -> None:
    """When a fault comes is drawn by lot."""
    threading.Event().wait(chance.uniform(0, longest))


def killed_in_the_clone(link: Faulty, chance: random.Random) -> None:
    link.copied(chance.random())
    a_moment(chance, 0.1)
    link.kill()
    link.restart()


def killed_in_replication(link: Faulty, writers: Writers, chance: random.Random) -> None:
    link.cloned()
    writers.go_on(chance.randrange(50, 300))
    a_moment(chance, 0.3)
    link.kill()
    writers.go_on(chance.randrange(1, 100))
    link.restart()


def killed_in_finalization(link: Faulty, chance: random.Random) -> None:
    def ask() -> None:
        with contextlib.suppress(requests.RequestException, AssertionError):
            link.finalize()

    link.in_sync()
    asking = threading.Thread(target=ask)
    asking.start()
    a_moment(chance, 0.6)
    link.kill()
    asking.join()
    link.restart()
    found = link.process.status()
    if found["state"] == "running":
        link.finalize()
    link.finalized()


Act = Callable[[Data], object]


def rename(shop: Data) -> None:
    shop.live.rename("moved")


def rename_in_the_place_of_another(shop: Data) -> None:
    shop.live.rename("other", dropTarget=True)


def create(shop: Data) -> None:
    shop.create_collection("late", collation={"locale": "de"})


def drop(shop: Data) -> None:
    shop.live.drop()


def make_an_index(shop: Data) -> None:
    shop.live.create_index("n", name="by_n")


def drop_an_index(shop: Data) -> None:
    shop.live.drop_index("by_m")


def modify(shop: Data) -> None:
    shop.command("collMod", "live", validationLevel="off")


RENAMED = {rename: "moved", rename_in_the_place_of_another: "other"}


@pytest.mark.parametrize(
    "acts",
    [
        pytest.param((create, drop, make_an_index, drop_an_index, modify), id="most"),
        pytest.param((rename, rename_in_the_place_of_another), id="renames"),
    ],
)
def test_definitions_that_were_carried_out_but_not_noted(
    source: ReplicaSet, target: ReplicaSet, tmp_path: Path, acts: tuple[Act, ...]
) -> None:
    """The crash comes after the target has obeyed, and before the link has noted it; each in a database of its own."""
    for act in acts:
        shop = source.client[act.__name__]
        shop.create_collection("live", validator={"n": {"$gte": 0}})
        shop.live.create_index("m", name="by_m")
        for name in ("live", "other"):
            shop[name].insert_many([{"_id": number, "n": number, "in": name} for number in range(50)])
    with faulty(tmp_path / "link", source.uri, target.uri) as link:
        link.begin()
        link.in_sync()
        link.caught_up(source.client)
        link.kill()
        for act in acts:
            source.client[act.__name__].live.insert_one({"_id": 99, "n": 0, "in": "what is applied again before it"})
            act(source.client[act.__name__])
            act(target.client[act.__name__])
            if act in RENAMED:
                # A rename is noted before it is carried out, and again when it was.
                noted = {"renaming": [act.__name__, RENAMED[act]]}
                kept(target, "collections").update_one({"database": act.__name__, "name": "live"}, {"$set": noted})
            after = [{"_id": 100 + number, "n": number, "in": "the new one"} for number in range(10)]
            source.client[act.__name__].live.insert_many(after)
        link.restart()
        link.caught_up(source.client)
        link.finalize()
        link.finalized()
        alike(source, target)


@pytest.fixture(scope="module")
def kept_obedient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    parameters = ("enableTestCommands=1", "transactionLifetimeLimitSeconds=3600")
    with set_of_one(tmp_path_factory.mktemp("obedient"), "rs4", *parameters) as made:
        yield made


@pytest.fixture
def obedient(kept_obedient: ReplicaSet) -> ReplicaSet:
    """A target that fails on command, and that ends no transactions that were left open."""
    kept_obedient.empty()
    return kept_obedient


def test_what_a_killed_process_has_sent_undoes_nothing(
    source: ReplicaSet, obedient: ReplicaSet, tmp_path: Path
) -> None:
    """The target is slow with its last write; the next process must not be overtaken by it."""
    source.client.shop.one.insert_one({"_id": 1, "n": 0})
    with faulty(tmp_path / "link", source.uri, obedient.uri) as link:
        link.begin()
        link.in_sync()
        link.caught_up(source.client)
        with Failing(obedient, "update", blockConnection=True, blockTimeMS=4000, namespace="shop.one") as slow:
            source.client.shop.one.update_one({"_id": 1}, {"$set": {"n": 1}})
            slow.met()
            link.kill()
            assert under_way(obedient)
            source.client.shop.one.update_one({"_id": 1}, {"$set": {"n": 2}})
            link.restart()
            link.caught_up(source.client)
            wait_until(lambda: not under_way(obedient), what="the slow write to be carried out")
        assert obedient.client.shop.one.find_one() == {"_id": 1, "n": 2}


def test_a_transaction_that_a_killed_process_has_left_open_holds_nobody_up(
    source: ReplicaSet, obedient: ReplicaSet, tmp_path: Path
) -> None:
    source.client.shop.many.insert_many([{"_id": number, "n": 0} for number in range(100)])
    with faulty(tmp_path / "link", source.uri, obedient.uri) as link:
        link.begin()
        link.in_sync()
        link.caught_up(source.client)
        with Failing(obedient, "commitTransaction", closeConnection=True, times=None) as broken:
            source.client.shop.many.update_many({}, {"$set": {"n": 1}})
            broken.met()
            link.kill()
        wait_until(lambda: any("transaction" in each for each in under_way(obedient)), what="an open transaction")
        link.restart()
        link.caught_up(source.client)
        assert obedient.client.shop.many.count_documents({"n": 1}) == 100


@pytest.mark.parametrize("forgotten", ["nothing", "one note", "all notes"])
def test_no_segment_that_was_finished_is_copied_again(
    source: ReplicaSet, target: ReplicaSet, tmp_path: Path, forgotten: str
) -> None:
    """A document is taken away from a finished segment: only who copies the segment again brings it back.

    With the notes on segments taken away, too, it does come back: that is how it would be seen.  One note may be missing
    when several threads begin segments, and the crash comes in between.
    """
    fill(source.client, 100_000)
    with faulty(tmp_path / "link", source.uri, target.uri) as link:
        link.begin(SMALL)
        link.copied(0.2)
        link.kill()
        assert kept(target, "checkpoints").find_one()["data"]["clone"]["finishTS"] is None, "it was killed too late"
        segments = kept(target, "segments")
        done = segments.find_one({"done": True, "number": {"$gt": 0}}, sort=[("number", 1)])
        inside = decode(done["start"])["_id"] + 5
        assert target.client.shop.orders.delete_one({"_id": inside}).deleted_count == 1
        if forgotten != "nothing":
            segments.delete_many({"_id": done["_id"]} if forgotten == "one note" else {})
        link.restart()
        link.in_sync()
        there = target.client.shop.orders
        missing = 1 if forgotten == "nothing" else 0
        assert there.count_documents({"_id": inside}) == 1 - missing
        assert there.count_documents({}) == 100_000 - missing


def test_updates_that_are_applied_again_keep_the_order_of_fields(
    source: ReplicaSet, target: ReplicaSet, tmp_path: Path
) -> None:
    one = source.client.shop.one
    one.insert_one({"_id": 1, "a": 1, "b": 1})
    with faulty(tmp_path / "link", source.uri, target.uri) as link:
        link.begin()
        link.in_sync()
        before = source.client.admin.command("appendOplogNote", 1, data={"msg": "here"})["operationTime"]
        one.update_one({"_id": 1}, {"$unset": {"b": 1}})
        one.update_one({"_id": 1}, {"$set": {"b": 2}})
        one.update_one({"_id": 1}, {"$set": {"c": 2}})
        link.caught_up(source.client)
        link.kill()
        # The checkpoint of a moment ago, as if the crash had come before the next one.
        older = {"data.repl.lastOpTS": before, "data.repl.token": b""}
        assert kept(target, "checkpoints").update_one({}, {"$set": older}).modified_count == 1
        link.restart()
        link.caught_up(source.client)
        assert list(target.client.shop.one.find_one()) == list(one.find_one()) == ["_id", "a", "b", "c"]


@pytest.mark.parametrize("harm", ["a document", "an order", "an index", "an option"])
def test_the_comparison_sees_what_is_wrong(source: ReplicaSet, target: ReplicaSet, harm: str) -> None:
    """Without this, all that is found alike above would say nothing."""
    for side in (source, target):
        fill(side.client, 100)
    alike(source, target)
    shop = target.client.shop
    match harm:
        case "a document":
            shop.orders.update_one({"_id": 50}, {"$set": {"n": 0.0}})
        case "an order":
            shop.orders.replace_one({"_id": 50}, {"n": 0, "body": "x" * 300})
        case "an index":
            shop.people.drop_index("mail_1")
            shop.people.create_index("mail")
        case "an option":
            shop.command("collMod", "people", validationLevel="moderate")
    with pytest.raises(AssertionError, match="became"):
        alike(source, target)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_killed_at_any_moment_with_writes_going_on(source: ReplicaSet, target: ReplicaSet, tmp_path: Path) -> None:
    for number in range(ROUNDS):
        chance = dice("killed", number)
        source.empty()
        target.empty()
        fill(source.client)
        with (
            faulty(tmp_path / str(number), source.uri, target.uri) as link,
            Writers(source.uri, ("killed", number)) as writers,
        ):
            writers.go_on(20)
            link.begin(SMALL)
            for _ in range(chance.randint(1, 2)):
                killed_in_the_clone(link, chance)
            for _ in range(chance.randint(1, 3)):
                killed_in_replication(link, writers, chance)
            writers.go_on(100)
            writers.end()
            killed_in_finalization(link, chance)
            alike(source, target)
