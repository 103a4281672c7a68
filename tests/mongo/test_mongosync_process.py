"""repman-mongosync between two real replica sets: from IDLE to COMMITTED, with pauses, restarts and refusals."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mongo_stand import ReplicaSet, free_port, wait_until
from mongosync_process import BACKWARD, FORWARD, Mongosync, contents, fill, until_equal
from pymongo.errors import DuplicateKeyError


@pytest.fixture
def mongosync(source: ReplicaSet, target: ReplicaSet, tmp_path: Path) -> Iterator[Mongosync]:
    """A running process, idle."""
    made = Mongosync(source, target, tmp_path)
    made.start()
    yield made
    made.close()


def test_in_idle_all_but_state_and_can_commit_is_null(mongosync: Mongosync) -> None:
    progress = mongosync.progress()
    assert {name: value for name, value in progress.items() if value is not None} == {
        "state": "IDLE",
        "canCommit": False,
    }
    assert {"info", "lagTimeSeconds", "collectionCopy", "directionMapping", "canWrite"} <= progress.keys()
    assert {line["mongosyncID"] for line in mongosync.log()} == {"coordinator"}


def test_a_migration_from_start_to_commit(mongosync: Mongosync, source: ReplicaSet, target: ReplicaSet) -> None:
    fill(source)
    mongosync.do("start", FORWARD)
    copies = []

    def steady() -> dict[str, Any] | None:
        progress = mongosync.progress()
        copies.append((progress["collectionCopy"]["estimatedCopiedBytes"],
                       progress["collectionCopy"]["estimatedTotalBytes"]))  # fmt: skip
        return progress if progress["canCommit"] else None

    progress = wait_until(steady, 60, "canCommit")
    assert all(copied <= total for copied, total in copies)
    assert copies[-1][0] == copies[-1][1] > 2000 * 200
    assert progress["state"] == "RUNNING"
    assert progress["info"] == "change event application"
    assert progress["canWrite"] is False
    assert progress["directionMapping"] == {
        "Source": f"cluster0: {source.members[0].address}",
        "Destination": f"cluster1: {target.members[0].address}",
    }
    source.client.shop.orders.update_one({"_id": 1}, {"$set": {"text": "later"}})
    source.client.shop.orders.delete_one({"_id": 2})
    source.client.shop.later.insert_one({"_id": 1})
    until_equal(mongosync, "shop")
    mongosync.do("commit")
    progress = mongosync.until(state="COMMITTED")
    assert progress["canWrite"] is True
    assert progress["canCommit"] is False
    assert progress["info"] == "commit completed"
    with pytest.raises(DuplicateKeyError):
        target.client.shop.orders.insert_one({"_id": "again", "n": 1})
    assert contents(target, "shop") == contents(source, "shop")


def test_what_is_written_at_the_last_moment_is_there_after_a_commit(
    mongosync: Mongosync, source: ReplicaSet, target: ReplicaSet
) -> None:
    fill(source, 10)
    mongosync.do("start", FORWARD)
    mongosync.until(canCommit=True)
    for number in range(100, 200):
        source.client.shop.orders.insert_one({"_id": number, "n": number})
    mongosync.do("commit")
    mongosync.until(state="COMMITTED")
    assert contents(target, "shop") == contents(source, "shop")


def test_a_pause_has_no_lag_and_a_resume_brings_what_was_missed(mongosync: Mongosync, source: ReplicaSet) -> None:
    fill(source, 10)
    mongosync.do("start", FORWARD)
    assert mongosync.until(canCommit=True)["lagTimeSeconds"] is not None
    mongosync.do("pause")
    progress = mongosync.until(state="PAUSED")
    assert progress["lagTimeSeconds"] is None
    assert progress["lag"] is None
    source.client.shop.users.insert_one({"_id": "missed"})
    answer = mongosync.post("commit")
    assert (answer["success"], answer["error"]) == (False, "InvalidStateTransition")
    mongosync.do("resume")
    assert mongosync.until(state="RUNNING")
    until_equal(mongosync, "shop")


def test_calls_that_are_not_legal_change_nothing(mongosync: Mongosync, source: ReplicaSet) -> None:
    fill(source, 10)
    for call in ("pause", "resume", "commit", "reverse"):
        assert mongosync.post(call)["error"] == "InvalidStateTransition"
    assert mongosync.post("start", {"source": "cluster0"})["error"] == "MissingField"
    assert mongosync.post("start", FORWARD | {"documentFilter": {"field": "a"}})["error"] == "UnsupportedOption"
    assert mongosync.post("start", FORWARD | {"reversable": True})["error"] == "UnknownField"
    assert mongosync.progress()["state"] == "IDLE"
    mongosync.do("start", FORWARD)
    assert mongosync.post("start", FORWARD)["error"] == "InvalidStateTransition"
    assert mongosync.post("resume")["error"] == "InvalidStateTransition"
    mongosync.until(canCommit=True)
    mongosync.do("commit")
    mongosync.until(state="COMMITTED")
    for call in ("start", "pause", "resume", "commit"):
        body = FORWARD if call == "start" else {}
        assert mongosync.post(call, body)["error"] == "InvalidStateTransition"
    assert mongosync.post("reverse")["error"] == "NotReversible"


def test_a_destination_that_is_not_empty_is_left_alone(
    mongosync: Mongosync, source: ReplicaSet, target: ReplicaSet
) -> None:
    fill(source, 10)
    target.client.shop.orders.insert_one({"_id": "here before"})
    answer = mongosync.post("start", FORWARD)
    assert (answer["success"], answer["error"]) == (False, "DestinationNotEmpty")
    assert "shop" in answer["errorDescription"]
    assert mongosync.progress()["state"] == "IDLE"
    assert contents(target, "shop") == {"shop.orders": [{"_id": "here before"}]}
    target.client.drop_database("shop")
    mongosync.do("start", FORWARD)
    mongosync.until(canCommit=True)
    until_equal(mongosync, "shop")


def test_only_what_is_selected_is_carried_and_under_its_new_name(
    mongosync: Mongosync, source: ReplicaSet, target: ReplicaSet
) -> None:
    for database in ("sales", "marketing", "hr"):
        for collection in ("accounts_1", "Accounts_2", "other"):
            source.client[database][collection].insert_one({"_id": 1})
    mongosync.do(
        "start",
        FORWARD
        | {
            "includeNamespaces": [
                {"database": "sales", "collectionsRegex": {"pattern": "^accounts_.+$", "options": "i"}},
                {"database": "marketing"},
            ],
            "excludeNamespaces": [{"databaseRegex": {"pattern": "^mark"}, "collections": ["other"]}],
            "namespaceRemap": [{"from": {"database": "sales"}, "to": {"database": "sold"}}],
        },
    )
    mongosync.until(canCommit=True)
    source.client.sales.accounts_3.insert_one({"_id": 1})
    source.client.hr.accounts_3.insert_one({"_id": 1})
    source.client.marketing.late.insert_one({"_id": 1})
    wait_until(lambda: "late" in target.client.marketing.list_collection_names(), 30, "the last collection")
    assert contents(target, "sales", "sold", "marketing", "hr").keys() == {
        "sold.accounts_1", "sold.Accounts_2", "sold.accounts_3",
        "marketing.accounts_1", "marketing.Accounts_2", "marketing.late",
    }  # fmt: skip


def test_a_start_from_cluster1_is_found_again_after_a_restart(
    mongosync: Mongosync, source: ReplicaSet, target: ReplicaSet
) -> None:
    fill(target, 100)
    mongosync.do("start", BACKWARD)
    mongosync.until(canCommit=True)
    until_equal(mongosync, "shop", here=1)
    assert mongosync.terminate() == 0
    target.client.shop.users.insert_one({"_id": "meanwhile"})
    mongosync.start()
    assert mongosync.until(canCommit=True)["directionMapping"]["Source"].startswith("cluster1: ")
    until_equal(mongosync, "shop", here=1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_it_goes_on_after_its_end(number: signal.Signals, mongosync: Mongosync, source: ReplicaSet) -> None:
    fill(source, 100)
    mongosync.do("start", FORWARD)
    mongosync.until(canCommit=True)
    code = mongosync.terminate(number)
    assert code == (0 if number is not signal.SIGKILL else -signal.SIGKILL)
    source.client.shop.users.insert_one({"_id": "meanwhile"})
    mongosync.start()
    mongosync.until(canCommit=True)
    until_equal(mongosync, "shop")


def test_it_is_killed_while_it_copies(mongosync: Mongosync, source: ReplicaSet, target: ReplicaSet) -> None:
    fill(source, 20_000, size=2000)
    mongosync.do("start", FORWARD)

    def copying() -> bool:
        copy = mongosync.progress()["collectionCopy"]
        return copy["estimatedCopiedBytes"] > 0

    wait_until(copying, 30, "the copy to begin")
    mongosync.kill()
    source.client.shop.orders.update_many({"_id": {"$lt": 100}}, {"$set": {"text": "later"}})
    mongosync.start()
    mongosync.until(canCommit=True)
    until_equal(mongosync, "shop")


def test_it_stays_paused_and_committed_when_it_is_killed(
    mongosync: Mongosync, source: ReplicaSet, target: ReplicaSet
) -> None:
    fill(source, 100)
    mongosync.do("start", FORWARD)
    mongosync.until(canCommit=True)
    mongosync.do("pause")
    mongosync.kill()
    source.client.shop.users.insert_one({"_id": "missed"})
    mongosync.start()
    assert mongosync.until(state="PAUSED")["lagTimeSeconds"] is None
    assert target.client.shop.users.find_one({"_id": "missed"}) is None
    mongosync.do("resume")
    mongosync.until(canCommit=True)
    until_equal(mongosync, "shop")
    mongosync.do("commit")
    mongosync.until(state="COMMITTED")
    mongosync.kill()
    mongosync.start()
    progress = mongosync.until(state="COMMITTED")
    assert progress["canWrite"] is True


def test_it_is_killed_while_it_commits(mongosync: Mongosync, source: ReplicaSet, target: ReplicaSet) -> None:
    fill(source, 3000)
    mongosync.do("start", FORWARD)
    mongosync.until(canCommit=True)
    mongosync.do("commit")
    mongosync.kill()
    mongosync.start()
    mongosync.until(state="COMMITTED")
    assert contents(target, "shop") == contents(source, "shop")
    assert target.client.shop.orders.index_information()["n_1"].get("unique") is True


def test_the_indexes_are_those_that_were_asked_for(
    mongosync: Mongosync, source: ReplicaSet, target: ReplicaSet
) -> None:
    fill(source, 10)
    mongosync.do("start", FORWARD | {"buildIndexes": "never"})
    mongosync.until(canCommit=True)
    mongosync.do("commit")
    mongosync.until(state="COMMITTED")
    assert list(target.client.shop.orders.index_information()) == ["_id_"]


def test_a_verification_is_told_and_can_be_switched_off(source: ReplicaSet, target: ReplicaSet, tmp_path: Path) -> None:
    fill(source, 10)
    silent = Mongosync(source, target, tmp_path, ("--disableVerification",))
    try:
        silent.start()
        silent.do("start", FORWARD)
        assert silent.until(canCommit=True)["verification"] is None
        silent.terminate()
    finally:
        silent.close()


def test_both_sides_of_a_verification_are_shown(mongosync: Mongosync, source: ReplicaSet) -> None:
    fill(source, 10)
    mongosync.do("start", FORWARD)
    progress = mongosync.until(canCommit=True)
    assert progress["verification"].keys() == {"source", "destination"}
    for side in progress["verification"].values():
        assert side["phase"] in ("not started", "initial hashing", "stream hashing")


def test_a_second_process_waits_for_the_first(mongosync: Mongosync, source: ReplicaSet, target: ReplicaSet) -> None:
    fill(source, 10)
    mongosync.do("start", FORWARD)
    mongosync.until(canCommit=True)
    (mongosync.directory / "second").mkdir()
    second = Mongosync(source, target, mongosync.directory / "second")
    try:
        second.launch()
        wait_until(lambda: any("concurrent" in line["message"] for line in second.log()), 30, "the second to wait")
        assert mongosync.terminate() == 0
        second.answers()
        second.until(canCommit=True)
    finally:
        second.close()


def test_a_cluster_that_does_not_answer_is_told_before_the_port_is_open(source: ReplicaSet, tmp_path: Path) -> None:
    nobody = f"mongodb://127.0.0.1:{free_port()}/?replicaSet=none"
    done = subprocess.run(
        [sys.executable, "-m", "repman.cli.mongosync", "--cluster0", source.uri, "--cluster1", nobody,
         "--port", str(free_port())],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "repman-mongosync: connect to cluster1 cluster: " in done.stderr
