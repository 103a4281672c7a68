"""Every call in every state, with both APIs in front of a real link: what is refused is refused by its text, and changes nothing.

Servers that fail on command hold the link in states that it would otherwise leave within a moment.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from link_faults import Failing, set_of_one
from link_stand import LinkStand, Status, differences, linked
from mongo_stand import ReplicaSet, wait_until
from mongosync_process import FORWARD, Mongosync, until_equal

BUSY, UNAUTHORIZED = 112, 13
"""What passes by itself, and what does not."""
HISTORY_LOST = "change replication: oplog history is lost"


@pytest.fixture(scope="module")
def obedient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ReplicaSet, ReplicaSet]]:
    """Source and target that fail on command; the target's oplog is as small as can be."""
    directory = tmp_path_factory.mktemp("obedient")
    with set_of_one(directory, "rs7", "enableTestCommands=1") as source:
        options = ("--setParameter", "enableTestCommands=1", "--syncdelay", "1")
        target = ReplicaSet(directory, "rs8", options=options, oplog_mb=16)
        yield source, target
        target.stop()


@pytest.fixture
def clusters(obedient: tuple[ReplicaSet, ReplicaSet]) -> tuple[ReplicaSet, ReplicaSet]:
    """Both are empty, but for a collection of the source with a unique index."""
    for each in obedient:
        each.empty()
    here = obedient[0].client.shop.orders
    here.insert_many([{"_id": number, "n": number} for number in range(300)])
    here.create_index("n", unique=True)
    return obedient


@pytest.fixture
def stand(clusters: tuple[ReplicaSet, ReplicaSet]) -> Iterator[LinkStand]:
    with linked(*clusters) as made:
        yield made


@pytest.fixture
def mongosync(clusters: tuple[ReplicaSet, ReplicaSet], tmp_path: Path) -> Iterator[Mongosync]:
    made = Mongosync(*clusters, tmp_path)
    made.start()
    yield made
    made.close()


def held(cluster: ReplicaSet, *commands: str, code: int = BUSY) -> Failing:
    """What the link needs these commands for does not get on meanwhile."""
    return Failing(cluster, *commands, times=None, errorCode=code)


# Percona's API

NO_PAUSE = "cannot pause: not running"
NO_RESUME = "cannot resume: not paused or not resuming from failure"
RESUMES = {"resume": NO_RESUME, "resume from failure": NO_RESUME}
RUNNING = {"start": "already running", **RESUMES}
STOPPED = {"pause": NO_PAUSE, **RESUMES}
REFUSED: dict[str, dict[str, str]] = {
    "idle": {**STOPPED, "finalize": "clone is not completed"},
    "cloning": {
        **RUNNING,
        "pause": "cannot pause: Change Replication is not running",
        "finalize": "clone is not completed",
    },
    "catching up": {**RUNNING, "finalize": "initial sync is not completed"},
    "paused early": {"start": "paused", "pause": NO_PAUSE, "finalize": "initial sync is not completed"},
    "steady": RUNNING,
    "paused": {"start": "paused", "pause": NO_PAUSE},
    "finalizing": {**RUNNING, **STOPPED},
    "finalized": STOPPED,
    "failed": {"start": "already running", "pause": NO_PAUSE, "resume": NO_RESUME},
}
"""All that is refused; every other call is made by the tests and does what it says."""


def refused(stand: LinkStand, situation: str, **more: str) -> None:
    """What the situation does not allow is answered so, and changes nothing."""
    before = stand.status()
    for call, text in (REFUSED[situation] | more).items():
        path, _, failure = call.partition(" ")
        answer = stand.post(path, {"fromFailure": True} if failure else None)
        assert answer.pop("code")
        assert answer == {"ok": False, "error": text}, (situation, call)
    after = stand.status()
    told = ("ok", "error", "state", "info", "finalization")
    assert [before.get(key) for key in told] == [after.get(key) for key in told]


def test_the_life_of_a_link_with_percona(stand: LinkStand) -> None:
    source, target = stand.source, stand.target
    refused(stand, "idle")
    with held(source, "find") as reading:
        stand.act("start")
        reading.met()
        status = stand.status()
        assert (status["state"], status["info"]) == ("running", "Initial Sync: Cloning Data")
        refused(stand, "cloning")
        with held(source, "aggregate"):  # in the place of the other one: the stream cannot be opened
            status = stand.cloned()
            assert status["info"] == "Initial Sync: Replicating Changes"
            refused(stand, "catching up")
            stand.act("pause")
            refused(stand, "paused early")
            stand.act("resume")
            refused(stand, "catching up")
    assert stand.in_sync()["info"] == "Replicating Changes"
    refused(stand, "steady")
    stand.act("pause")
    assert "info" not in stand.status()
    refused(stand, "paused")
    source.client.shop.orders.insert_one({"_id": "missed", "n": "missed"})
    stand.act("resume", fromFailure=True)  # which does no harm
    stand.caught_up()
    with held(target, "collMod") as converting:
        stand.act("finalize")
        converting.met()
        status = stand.status()
        assert (status["state"], status["info"]) == ("finalizing", "Finalizing")
        assert (status["finalization"]["completed"], set(status["finalization"])) == (False, {"completed", "startedAt"})
        refused(stand, "finalizing")
        stand.act("finalize")  # it is accepted, and there is no second one
        assert stand.status()["state"] == "finalizing"
    stand.until(lambda status: status["state"] == "finalized", "the end")
    assert stand.status()["info"] == "Finalized"
    refused(stand, "finalized")
    stand.finalized()
    assert differences(source, target) == []
    stand.act("start")
    assert stand.status()["state"] == "running"
    stand.in_sync()
    assert differences(source, target) != []  # the index is not unique again


def failed(stand: LinkStand) -> Status:
    """Once it has."""
    return dict(
        wait_until(lambda: status if (status := stand.status())["state"] == "failed" else None, 30, "the link to fail")
    )


def goes_on(stand: LinkStand) -> None:
    """A link that has failed refuses what it must, and is like its source once the cause is gone."""
    status = stand.status()
    assert (status["ok"], status["info"], status["lagTimeSeconds"]) == (False, "Failed", 0)
    refused(stand, "failed", finalize=f"failed state: {status['error']}")
    stand.act("resume", fromFailure=True)
    stand.in_sync()
    stand.source.client.shop.orders.insert_one({"_id": "after", "n": "after"})
    stand.caught_up()
    stand.finalized()
    assert differences(stand.source, stand.target) == []


def test_a_failure_of_the_clone(stand: LinkStand) -> None:
    with held(stand.target, "insert", code=UNAUTHORIZED):
        stand.act("start")
        assert failed(stand)["error"].startswith("clone: ")
    goes_on(stand)


def test_a_failure_of_replication(stand: LinkStand) -> None:
    stand.start()
    stand.in_sync()
    with held(stand.target, "insert", code=UNAUTHORIZED):
        stand.source.client.shop.orders.insert_one({"_id": "refused", "n": "refused"})
        assert failed(stand)["error"].startswith("change replication: ")
    stand.again()  # the failure and its reason outlive the process
    goes_on(stand)


def test_lost_history(stand: LinkStand) -> None:
    """ChangeStreamHistoryLost and CappedPositionLost."""
    stand.start()
    stand.in_sync()
    for code in (136, 286):
        with held(stand.source, "getMore", code=code):
            assert failed(stand)["error"] == HISTORY_LOST
        stand.source.client.shop.orders.delete_one({"_id": code})
        if code == 136:
            stand.act("resume", fromFailure=True)
            stand.in_sync()
    goes_on(stand)


def test_errors_of_the_clone_that_pass(stand: LinkStand) -> None:
    """On either side, and whether the server or the line tells: nobody notices."""
    with held(stand.source, "find") as reading:
        stand.start()
        reading.met()
    with held(stand.target, "insert") as writing:
        for number in range(5):
            stand.source.client.shop[f"more{number}"].insert_many([{"_id": each} for each in range(100)])
        writing.met()
    with Failing(stand.target, "insert", "update", "delete", times=3, closeConnection=True) as line:
        stand.source.client.shop.orders.update_many({}, {"$set": {"late": True}})
        line.met(3)
    stand.in_sync()
    stand.caught_up()
    stand.finalized()
    assert differences(stand.source, stand.target) == []


# mongosync's API

CALLS = ("start", "pause", "resume", "commit", "reverse")
BAD_STATE, NOT_READY = "InvalidStateTransition", "NotReadyToCommit"
REVERSIBLE = FORWARD | {"reversible": True, "enableUserWriteBlocking": "sourceAndDestination"}
UNKNOWN_IN_IDLE = {"canWrite", "info", "lagTimeSeconds", "collectionCopy", "directionMapping", "mongosyncID"}


def only(mongosync: Mongosync, *allowed: str, **names: str) -> dict[str, Any]:
    """All other calls are refused, by `names` where it is not for the state, and change nothing; the progress."""
    before = mongosync.progress()
    for call in CALLS:
        if call in allowed:
            continue
        answer = mongosync.post(call, REVERSIBLE if call == "start" else {})
        assert (answer["success"], answer["error"]) == (False, names.get(call, BAD_STATE)), (call, answer)
        assert answer["errorDescription"].startswith(f"cannot {call}: ")
    after = mongosync.progress()
    told = ("state", "canCommit", "canWrite", "info", "directionMapping")
    assert [before[key] for key in told] == [after[key] for key in told]
    assert after["canCommit"] == ("commit" in allowed)
    return after


def test_the_life_of_a_link_with_mongosync(mongosync: Mongosync) -> None:
    source, target = mongosync.clusters
    progress = only(mongosync, "start")
    assert progress["state"] == "IDLE"
    assert [progress[key] for key in UNKNOWN_IN_IDLE] == [None] * len(UNKNOWN_IN_IDLE)
    with ExitStack() as preparing:
        creating = preparing.enter_context(held(target, "create"))
        mongosync.do("start", REVERSIBLE)
        creating.met()
        progress = only(mongosync, commit=NOT_READY)
        assert progress["info"] == "initializing collections and indexes"
        assert progress["collectionCopy"] == {"estimatedTotalBytes": 1, "estimatedCopiedBytes": 0}
        with held(source, "find") as reading:
            preparing.close()
            reading.met()
            progress = only(mongosync, "pause", commit=NOT_READY)
            assert progress["info"] == "collection copy"
            copied, total = (progress["collectionCopy"][f"estimated{which}Bytes"] for which in ("Copied", "Total"))
            assert 0 == copied < total
            mongosync.do("pause")
            progress = only(mongosync, "resume")
            assert (progress["state"], progress["lagTimeSeconds"], progress["lag"]) == ("PAUSED", None, None)
            mongosync.do("resume")
            with held(source, "aggregate"):
                progress = mongosync.until(info="change event application")
                assert progress["ceaStage"] == "collection copy drain"
                copy = progress["collectionCopy"]
                assert copy["estimatedCopiedBytes"] == copy["estimatedTotalBytes"] > 1
                only(mongosync, "pause", commit=NOT_READY)
    mongosync.until(canCommit=True)
    progress = only(mongosync, "pause", "commit")
    assert (progress["ceaStage"], progress["canWrite"]) == ("steady state", False)
    mongosync.do("pause")
    only(mongosync, "resume")
    mongosync.do("resume")
    mongosync.until(canCommit=True)
    with held(target, "collMod") as converting:
        mongosync.do("commit")
        converting.met()
        progress = only(mongosync)
        assert (progress["state"], progress["canWrite"]) == ("COMMITTING", False)
        assert progress["info"] == "waiting for commit to complete"
    mongosync.until(state="COMMITTED")
    progress = only(mongosync, "reverse")
    assert (progress["canWrite"], progress["info"], progress["lagTimeSeconds"]) == (True, "commit completed", 0)
    with held(source, "update", "findAndModify", "insert", "delete", "drop") as turning:
        mongosync.do("reverse")
        turning.met()
        assert only(mongosync)["state"] == "REVERSING"
    progress = mongosync.until(state="RUNNING", canCommit=True)
    assert progress["directionMapping"]["Source"].startswith("cluster1: ")
    only(mongosync, "pause", "commit")
    target.client.shop.orders.insert_one({"_id": "back", "n": "back"})
    until_equal(mongosync, "shop", here=1)


def test_there_is_no_way_back_beyond_what_the_oplog_holds(mongosync: Mongosync) -> None:
    _, target = mongosync.clusters
    mongosync.do("start", REVERSIBLE)
    mongosync.until(canCommit=True)
    mongosync.do("commit")
    mongosync.until(state="COMMITTED")
    opened = target.client.admin.command("ping")["operationTime"]
    numbers = itertools.count()

    def forgotten() -> bool:
        noise = {"_id": 1, "number": next(numbers), "noise": "n" * (8 << 20)}
        target.client.noise.one.replace_one({"_id": 1}, noise, upsert=True)
        oldest = target.client.local["oplog.rs"].find_one({}, sort=[("$natural", 1)])
        return oldest is not None and bool(oldest["ts"] > opened)

    wait_until(forgotten, 60, "the oplog to forget")
    answer = mongosync.post("reverse")
    assert (answer["success"], answer["error"]) == (False, "NotReversible")
    assert "does not reach back" in answer["errorDescription"]
    assert only(mongosync, "reverse")["state"] == "COMMITTED"


def test_a_failure_is_what_mongosync_answers_to_everything(mongosync: Mongosync) -> None:
    source, _ = mongosync.clusters
    mongosync.do("start", FORWARD)
    mongosync.until(canCommit=True)
    with held(source, "getMore", code=286):
        wait_until(lambda: mongosync.get().status_code == 500, 30, "the failure")
        answer = mongosync.get().json()
        assert (answer["success"], answer["error"], "progress" in answer) == (False, "OplogRolledOver", False)
        for call in set(CALLS) - {"resume"}:
            assert mongosync.post(call, FORWARD if call == "start" else {}) == answer
    source.client.shop.orders.delete_one({"_id": 7})
    mongosync.do("resume")
    mongosync.until(canCommit=True)
    until_equal(mongosync, "shop")
