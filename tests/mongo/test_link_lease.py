"""One process works on a link: a second one waits, and takes over when the first is dead or silent."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from link_faults import KEPT, PATIENCE, Failing, Faulty, alike, faulty, fill, kept, set_of_one
from link_stand import digest
from link_writers import WRITES, Writers
from mongo_stand import ReplicaSet, wait_until
from percona_program import Program

from repman.errors import LinkTaken
from repman.link.checkpoint import STALE, Lease, LeaseExpired, own_name
from repman.link.connection import Cluster
from repman.link.link import Link
from repman.link.options import LinkOptions
from repman.link.percona.filters import NamespaceFilter
from repman.link.percona.flavour import PLACE
from repman.link.place import Place
from repman.link.reset import reset
from repman.link.status import Phase, State
from repman.link.writing import define

WAITING = "detected concurrent process"


@pytest.fixture(scope="module")
def kept_obedient_target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    with set_of_one(tmp_path_factory.mktemp("obedient"), "rs6", "enableTestCommands=1") as made:
        yield made


@pytest.fixture
def obedient_target(kept_obedient_target: ReplicaSet) -> ReplicaSet:
    """A target that fails on command."""
    kept_obedient_target.empty()
    return kept_obedient_target


@pytest.fixture
def cluster(obedient_target: ReplicaSet) -> Iterator[Cluster]:
    """The connection of a link to its target."""
    made = Cluster(obedient_target.uri, "target")
    made.connect()
    yield made
    made.close()


def taken(cluster: Cluster, wait: bool = False) -> Lease:
    lease = Lease(cluster, PLACE.database, PLACE.id)
    lease.take(wait, threading.Event())
    return lease


def owner(target: ReplicaSet) -> str:
    return str(kept(target, "heartbeats").find_one()["owner"])


def test_one_at_a_time(cluster: Cluster) -> None:
    first = taken(cluster)
    with pytest.raises(LinkTaken, match="another process"):
        taken(cluster)
    first.require()
    first.give_up()
    second = taken(cluster)
    second.require()
    second.give_up()


def test_a_lease_that_could_not_be_renewed_is_ours_again_when_nobody_took_it(
    cluster: Cluster, obedient_target: ReplicaSet
) -> None:
    lease = taken(cluster)

    def expired() -> bool:
        try:
            lease.require()
        except LeaseExpired:
            return True
        return False

    with Failing(obedient_target, "findAndModify", errorCode=96, times=None):
        wait_until(expired, PATIENCE, "the lease to expire")
        with pytest.raises(LeaseExpired):
            define(cluster, "shop", {"create": "orders"})
    wait_until(lambda: not expired(), PATIENCE, "the lease to be renewed")
    define(cluster, "shop", {"create": "orders"})
    lease.give_up()


def test_a_lease_that_another_process_took_is_lost(cluster: Cluster, obedient_target: ReplicaSet) -> None:
    lease = taken(cluster)
    kept(obedient_target, "heartbeats").update_one({"_id": PLACE.id}, {"$set": {"owner": "somebody else"}})
    assert lease.lost.wait(PATIENCE)
    with pytest.raises(LinkTaken, match="taken this link over"):
        lease.require()
    with pytest.raises(LinkTaken, match="taken this link over"):
        define(cluster, "shop", {"create": "orders"})
    lease.give_up()
    assert owner(obedient_target) == "somebody else"


def waits(link: Faulty, name: str) -> Program:
    """A second process, which has seen the first one."""
    second = link.another(name)
    second.logs(WAITING)
    return second


def test_a_second_process_waits_and_takes_over_from_a_dead_one(
    source: ReplicaSet, target: ReplicaSet, tmp_path: Path
) -> None:
    fill(source.client, 2000)
    with faulty(tmp_path, source.uri, target.uri) as link, Writers(source.uri, "second", WRITES) as writers:
        link.begin()
        link.in_sync()
        first = owner(target)
        second = waits(link, "second")
        try:
            writers.go_on(50)
            assert owner(target) == first
            link.kill()
            link.program = second
            link.answers()
            assert owner(target) != first
            writers.go_on(50)
            writers.end()
            link.caught_up(source.client)
            link.finalize()
            link.finalized()
            alike(source, target)
        finally:
            second.remove()


def test_a_silent_process_finds_its_link_taken_and_writes_no_more(
    source: ReplicaSet, target: ReplicaSet, tmp_path: Path
) -> None:
    """It is stopped in the midst of its work; what it still meant to write is old when it goes on."""
    fill(source.client, 2000)
    with faulty(tmp_path, source.uri, target.uri) as link, Writers(source.uri, "silent", WRITES, threads=4) as writers:
        link.begin()
        link.in_sync()
        silent, held_by = link.process, owner(target)
        second = waits(link, "second")
        try:
            writers.go_on(100)
            silent.process.send_signal(signal.SIGSTOP)
            link.program = second
            wait_until(lambda: owner(target) != held_by, STALE + PATIENCE, "another owner")
            link.answers()
            writers.go_on(100)
            writers.end()
            link.caught_up(source.client)
            silent.process.send_signal(signal.SIGCONT)
            silent.until(lambda status: "another process" in status.get("error", ""), "what it has lost")
            assert digests(source) == digests(target)
            link.kill()
            link.program = silent
            # The first one has waited for its turn.
            link.process.until(lambda status: status["state"] == "running" and status["ok"], "the first process")
            source.client.shop.orders.insert_one({"_id": "the last one"})
            link.caught_up(source.client)
            link.finalize()
            link.finalized()
            alike(source, target)
        finally:
            silent.remove()
            second.remove()


def digests(cluster: ReplicaSet) -> dict[str, str]:
    """Of the documents of every collection; indexes and options get their final form at the end."""
    shop = cluster.client.shop
    names = shop.list_collection_names(filter={"type": "collection"})
    return {name: digest(shop, name) for name in names if not name.startswith("system.")}


def test_two_links_to_one_target_do_not_know_of_each_other(source: ReplicaSet, target: ReplicaSet) -> None:
    """Each begins, goes on after a restart and ends while the other one works."""
    places = [Place(KEPT, name) for name in ("left", "right/$")]
    for place in places:
        source.client[f"db_{place.id[:4]}"].orders.insert_many([{"_id": number} for number in range(1000)])
        reset(target.uri, place)
    links = []
    try:
        for place in places:
            link = Link(source.uri, target.uri, place)
            links.append(link)
            link.open(wait_for_lease=False)
            link.start(LinkOptions(selection=NamespaceFilter((f"db_{place.id[:4]}.*",))))
        for link in links:
            wait_until(lambda link=link: link.status().phase is Phase.REPLICATING, PATIENCE, "the initial sync")
        links[0].close()
        links[0] = Link(source.uri, target.uri, places[0])
        links[0].open(wait_for_lease=False)
        for place in places:
            source.client[f"db_{place.id[:4]}"].orders.insert_one({"_id": "late"})
        note = source.client.admin.command("appendOplogNote", 1, data={"msg": "here"})["$clusterTime"]["clusterTime"]
        for link in links:
            wait_until(lambda link=link: (link.status().last_applied or note) >= note, PATIENCE, "the late ones")
            link.finalize()
            wait_until(lambda link=link: link.status().state is State.FINALIZED, PATIENCE, "the end")
        alike(source, target)
        reset(target.uri, places[0])
        left = set(target.client[KEPT].list_collection_names())
        assert own_name("collections", places[1].id) in left
        assert own_name("collections", places[0].id) not in left
    finally:
        for link in links:
            link.close()
