"""The life of a link on real servers: every state, pauses in every phase, verification, the way back, lost history."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from bson import MaxKey, MinKey, encode
from mongo_stand import ReplicaSet, wait_until

from repman.errors import LinkFailed, LinkRefused, LinkTaken
from repman.link.link import Link, Place
from repman.link.namespaces import Remap
from repman.link.options import LinkOptions, TargetData, WriteBlocking
from repman.link.status import Phase, State, Status

PLACE = Place("percona_clustersync_mongodb", "pcsm")


class Linked:
    """A link, and what a test asks of it."""

    def __init__(self, source: ReplicaSet, target: ReplicaSet) -> None:
        self.source, self.target = source, target
        self.link = Link(source.uri, target.uri, PLACE)
        self.link.open()

    def until(self, condition: Callable[[Status], bool], what: str = "the link", seconds: float = 40) -> Status:
        def holds() -> Status | None:
            found = self.link.status()
            assert found.state is not State.FAILED, found.error
            return found if condition(found) else None

        found: Status = wait_until(holds, seconds, f"{what}: {self.link.status()}")
        return found

    def state(self, state: State) -> Status:
        found: Status = wait_until(
            lambda: found if (found := self.link.status()).state is state else None,
            40,
            f"{state}: {self.link.status()}",
        )
        return found

    def replicating(self) -> None:
        self.until(lambda found: found.phase is Phase.REPLICATING, "a consistent target")

    def caught_up(self, cluster: ReplicaSet | None = None) -> None:
        reply = (cluster or self.source).client.admin.command("appendOplogNote", 1, data={"test": 1})
        moment = reply["$clusterTime"]["clusterTime"]
        self.until(lambda found: found.last_applied is not None and found.last_applied >= moment, "everything applied")

    def again(self) -> None:
        """The process ends and another one begins."""
        self.link.close()
        self.link = Link(self.source.uri, self.target.uri, PLACE)
        self.link.open()


@pytest.fixture
def linked(source: ReplicaSet, target: ReplicaSet) -> Iterator[Linked]:
    made = Linked(source, target)
    yield made
    made.link.close()
    for each in (source, target):
        with contextlib.suppress(Exception):
            each.client.admin.command({"setUserWriteBlockMode": 1, "global": False})


def digests(cluster: ReplicaSet, database: str = "shop") -> dict[str, str]:
    found: dict[str, str] = cluster.client[database].command("dbHash")["collections"]
    return found


def filled(source: ReplicaSet, documents: int = 2000) -> None:
    source.client.shop.orders.insert_many([{"_id": number, "body": "x" * 500} for number in range(documents)])
    source.client.shop.orders.create_index("body", name="by_body")
    source.client.shop.customers.create_index("mail", unique=True)
    source.client.shop.customers.insert_many([{"mail": str(number)} for number in range(100)])


def test_every_call_in_every_state(linked: Linked) -> None:
    filled(linked.source)
    link = linked.link

    def refused(call: Callable[[], None]) -> str:
        with pytest.raises(LinkRefused) as caught:
            call()
        return caught.value.code

    def refusals() -> dict[str, str]:
        calls: dict[str, Callable[[], None]] = {
            "pause": link.pause,
            "resume": link.resume,
            "resume from failure": lambda: link.resume(from_failure=True),
            "reverse": link.reverse,
            "start": lambda: link.start(LinkOptions()),
        }
        found = {}
        for name, call in calls.items():
            with contextlib.suppress(pytest.fail.Exception):
                found[name] = refused(call)
        return found

    assert link.status().state is State.IDLE
    assert refused(link.pause) == "not-running"
    assert refused(link.resume) == "not-paused"
    assert refused(lambda: link.resume(from_failure=True)) == "not-failed"
    assert refused(link.finalize) == "cloning"
    assert refused(link.reverse) == "not-finalized"
    link.start(LinkOptions())
    assert refused(lambda: link.start(LinkOptions())) == "already-running"
    assert refused(link.resume) == "not-paused"
    linked.replicating()
    link.pause()
    assert link.status().state is State.PAUSED
    assert refused(lambda: link.start(LinkOptions())) == "is-paused"
    assert refused(link.pause) == "not-running"
    assert refused(link.reverse) == "not-finalized"
    link.resume()
    linked.caught_up()
    link.finalize()
    done = linked.state(State.FINALIZED)
    assert done.finalization is not None
    assert done.finalization.completed
    assert done.can_write
    assert refusals() == {
        "pause": "not-running",
        "resume": "not-paused",
        "resume from failure": "not-failed",
        "reverse": "not-reversible",
    }, "start begins a new run"
    linked.replicating()
    assert digests(linked.source) == digests(linked.target)


def test_a_pause_in_any_phase_loses_nothing_and_outlives_the_process(linked: Linked) -> None:
    filled(linked.source, 60_000)
    linked.link.start(LinkOptions(segment_bytes=1 << 20))
    linked.until(lambda found: found.copied_bytes > 2 << 20, "a part of the clone")
    linked.link.pause()
    paused = linked.link.status()
    assert (paused.state, paused.clone_completed) == (State.PAUSED, False)
    linked.source.client.shop.orders.update_many({"_id": {"$lt": 100}}, {"$set": {"seen": True}})
    linked.again()
    assert linked.link.status().state is State.PAUSED
    assert linked.link.status().copied_bytes > 0
    linked.link.resume()
    linked.replicating()
    linked.link.pause()
    linked.source.client.shop.orders.delete_many({"_id": {"$lt": 50}})
    linked.source.client.shop.late.insert_one({"_id": 1})
    linked.again()
    assert linked.link.status().state is State.PAUSED
    assert linked.target.client.shop.late.find_one() is None
    linked.link.resume()
    linked.caught_up()
    assert digests(linked.source) == digests(linked.target)


def test_a_running_link_goes_on_by_itself_after_a_restart(linked: Linked) -> None:
    filled(linked.source)
    linked.link.start(LinkOptions())
    linked.replicating()
    before = linked.link.status().events_applied
    linked.source.client.shop.orders.insert_many([{"_id": 10_000 + number} for number in range(500)])
    linked.caught_up()
    linked.again()
    assert linked.link.status().state is State.RUNNING
    linked.caught_up()
    assert linked.link.status().events_applied == before + 500, "nothing is applied twice"
    assert digests(linked.source) == digests(linked.target)


def test_another_process_waits_for_the_lease(linked: Linked) -> None:
    second = Link(linked.source.uri, linked.target.uri, PLACE)
    with pytest.raises(LinkTaken, match="another process"):
        second.open(wait_for_lease=False)
    second.close()


def test_pausing_itself_once_consistent(linked: Linked) -> None:
    filled(linked.source)
    linked.link.start(LinkOptions(pause_on_initial_sync=True))
    found = linked.state(State.PAUSED)
    assert found.initial_sync_completed
    linked.link.finalize()
    linked.state(State.FINALIZED)
    assert digests(linked.source) == digests(linked.target)


def test_documents_at_both_ends_of_all_ids_are_copied(linked: Linked) -> None:
    ends: list[Any] = [MinKey(), float("nan"), 1, "a", {"a": 1}, b"x", None, True, MaxKey()]
    linked.source.client.shop.odd.insert_many([{"_id": each, "body": "x" * 300} for each in ends])
    linked.source.client.shop.after.insert_one({"_id": "so that the stream does not begin with the others"})
    linked.link.start(LinkOptions(segment_bytes=700))
    linked.replicating()
    assert digests(linked.source) == digests(linked.target)


def test_large_documents_are_copied_and_replicated(linked: Linked) -> None:
    whole = (16 << 20) - len(encode({"_id": 1, "body": b""}))
    linked.source.client.shop.large.insert_many([{"_id": number, "body": b"x" * (9 << 20)} for number in range(3)])
    linked.source.client.shop.large.insert_one({"_id": 10, "body": b"y" * whole})
    linked.link.start(LinkOptions())
    linked.replicating()
    linked.source.client.shop.large.insert_many([{"_id": number, "body": b"z" * (9 << 20)} for number in range(20, 23)])
    linked.caught_up()
    assert digests(linked.source) == digests(linked.target)


def test_a_target_that_holds_data_is_refused_where_asked(linked: Linked) -> None:
    filled(linked.source)
    linked.target.client.shop.orders.insert_one({"_id": "mine"})
    with pytest.raises(LinkRefused, match=r"shop\.orders"):
        linked.link.start(LinkOptions(target_data=TargetData.REFUSE))
    assert linked.link.status().state is State.IDLE
    assert linked.target.client.shop.orders.count_documents({}) == 1


def test_databases_may_have_other_names_on_the_target(linked: Linked) -> None:
    filled(linked.source)
    linked.link.start(LinkOptions(remap=Remap({"shop": "store"})))
    linked.replicating()
    linked.source.client.shop.orders.insert_one({"_id": "late"})
    linked.source.client.shop.orders.rename("purchases")
    linked.source.client.shop.fresh.create_index("a")
    linked.caught_up()
    assert "shop" not in linked.target.client.list_database_names()
    assert digests(linked.source) == digests(linked.target, "store")


def test_a_difference_fails_the_end_and_is_repaired(linked: Linked) -> None:
    filled(linked.source)
    linked.link.start(LinkOptions(verify=True))
    linked.replicating()
    linked.target.client.shop.orders.update_one({"_id": 7}, {"$set": {"body": "spoilt"}})
    linked.target.client.shop.orders.delete_one({"_id": 9})
    linked.target.client.shop.customers.insert_one({"_id": "nobody", "mail": "nobody"})
    linked.link.finalize()
    failed = linked.state(State.FAILED)
    assert "3 documents differ" in failed.error
    assert "shop.orders" in failed.error
    assert not failed.can_write
    linked.link.resume(from_failure=True)
    linked.caught_up()
    linked.link.finalize()
    linked.state(State.FINALIZED)
    assert digests(linked.source) == digests(linked.target)
    assert linked.target.client.shop.customers.index_information()["mail_1"]["unique"]


def test_a_verified_end_with_writes_going_on(linked: Linked) -> None:
    filled(linked.source, 20_000)
    ended = threading.Event()

    def write() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            linked.source.client.shop.orders.update_one({"_id": number % 20_000}, {"$set": {"n": number}})

    writer = threading.Thread(target=write)
    writer.start()
    try:
        linked.link.start(LinkOptions(verify=True))
        linked.replicating()
        linked.link.finalize()
        linked.state(State.FINALIZED)
    finally:
        ended.set()
        writer.join()


def test_cut_over_and_the_way_back(linked: Linked) -> None:
    """Writes are blocked, everything is carried over and verified; then the other way round, twice."""
    filled(linked.source)
    linked.link.start(LinkOptions(verify=True, reversible=True, write_blocking=WriteBlocking.BOTH))
    linked.replicating()
    last = linked.source.client.shop.orders.insert_one({"_id": "the last one"})
    linked.link.finalize()
    with pytest.raises(Exception, match="blocked"):
        linked.source.client.shop.orders.insert_one({"_id": "too late"})
    linked.state(State.FINALIZED)
    assert linked.target.client.shop.orders.find_one({"_id": last.inserted_id}) is not None
    assert digests(linked.source) == digests(linked.target)
    linked.target.client.shop.orders.insert_one({"_id": "new life"})
    linked.target.client.shop.customers.delete_one({"mail": "7"})
    linked.target.client.shop.customers.insert_one({"mail": "7", "second": True})
    linked.target.client.shop.fresh.insert_one({"_id": 1})
    linked.link.reverse()
    linked.state(State.RUNNING)
    found = linked.link.status()
    assert (found.source.name, found.target.name) == ("target", "source")
    linked.caught_up(linked.target)
    assert digests(linked.source) == digests(linked.target)
    # Unique values that wander from one document to another, on which several threads work.
    customers = linked.target.client.shop.customers
    linked.link.pause()
    for number in range(100):
        mail = customers.find_one({"mail": str(number)})
        assert mail is not None
        if number % 2:
            customers.delete_one({"_id": mail["_id"]})
        else:
            customers.update_one({"_id": mail["_id"]}, {"$set": {"mail": f"was {number}"}})
        customers.insert_one({"mail": str(number), "second": True})
    linked.link.resume()
    linked.caught_up(linked.target)
    assert digests(linked.source) == digests(linked.target)
    linked.again()
    assert linked.link.status().source.name == "target", "the direction outlives the process"
    linked.target.client.shop.orders.insert_many([{"_id": f"more {number}"} for number in range(100)])
    linked.caught_up(linked.target)
    assert digests(linked.source) == digests(linked.target)
    linked.link.finalize()
    linked.state(State.FINALIZED)
    linked.link.reverse()
    linked.until(lambda found: found.state is State.RUNNING and found.source.name == "source", "the first direction")
    linked.source.client.shop.orders.insert_one({"_id": "home again"})
    linked.caught_up()
    assert digests(linked.source) == digests(linked.target)


def test_a_place_that_the_oplog_has_lost_is_made_up_for(
    tmp_path_factory: pytest.TempPathFactory, target: ReplicaSet
) -> None:
    source = ReplicaSet(tmp_path_factory.mktemp("short"), "rs9", options=("--syncdelay", "1"), oplog_mb=16)
    linked = Linked(source, target)
    try:
        filled(source, 5000)
        source.client.shop.gone.insert_one({"_id": 1})
        linked.link.start(LinkOptions())
        linked.replicating()
        linked.link.pause()
        source.client.shop.orders.delete_many({"_id": {"$lt": 10}})
        source.client.shop.gone.drop()
        source.client.shop.came.insert_many([{"_id": number} for number in range(10)])
        source.client.shop.orders.rename("purchases")
        source.client.shop.purchases.update_one({"_id": 77}, {"$set": {"body": "changed"}})
        source.client.shop.purchases.create_index("n")
        forget(source, linked.link.status().last_applied)
        linked.link.resume()
        failed = linked.state(State.FAILED)
        assert failed.error == "change replication: oplog history is lost"
        with pytest.raises(LinkRefused, match="has failed"):
            linked.link.resume()
        linked.link.resume(from_failure=True)
        linked.replicating()
        source.client.shop.purchases.insert_one({"_id": "after"})
        linked.caught_up()
        assert digests(source) == digests(target)
        linked.link.finalize()
        linked.state(State.FINALIZED)
        assert source.client.shop.purchases.index_information() == target.client.shop.purchases.index_information()
    finally:
        linked.link.close()
        source.stop()


def forget(source: ReplicaSet, moment: Any) -> None:
    """Write until the oplog does not reach back to that time."""
    numbers = itertools.count()

    def first() -> Any:
        return source.client.local["oplog.rs"].find_one({}, sort=[("$natural", 1)])["ts"]

    def older() -> bool:
        noise = {"_id": 1, "number": next(numbers), "noise": "n" * (8 << 20)}
        source.client.noise.one.replace_one({"_id": 1}, noise, upsert=True)
        return bool(first() > moment)

    wait_until(older, 90, "the oplog to forget")
    source.client.drop_database("noise")


def test_the_same_cluster_twice_is_no_link(source: ReplicaSet) -> None:
    link = Link(source.uri, source.uri + "&appName=other", PLACE)
    with pytest.raises(LinkFailed, match="same cluster"):
        link.open()
    link.close()
