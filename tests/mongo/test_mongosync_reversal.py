"""A migration that is taken back: what is written on the destination after the commit comes to the old source."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mongo_stand import ReplicaSet, wait_until
from mongosync_process import BACKWARD, FORWARD, Mongosync, contents, fill, until_equal
from pymongo.errors import OperationFailure

REVERSIBLE = {"reversible": True, "enableUserWriteBlocking": "sourceAndDestination"}
WRITES_BLOCKED = 371


@pytest.fixture
def mongosync(source: ReplicaSet, target: ReplicaSet, tmp_path: Path) -> Iterator[Mongosync]:
    """A running process, idle."""
    made = Mongosync(source, target, tmp_path)
    made.start()
    yield made
    made.close()


def committed(mongosync: Mongosync, start: dict[str, Any]) -> None:
    mongosync.do("start", start | REVERSIBLE)
    mongosync.until(canCommit=True)
    mongosync.do("commit")
    mongosync.until(state="COMMITTED")


def test_there_and_back_again(mongosync: Mongosync, source: ReplicaSet, target: ReplicaSet) -> None:
    fill(source, 100)
    committed(mongosync, FORWARD)
    with pytest.raises(OperationFailure) as blocked:
        source.client.shop.users.insert_one({"_id": "too late"})
    assert blocked.value.code == WRITES_BLOCKED
    # Written before the reversal: the way back begins where the destination was opened.
    target.client.shop.users.insert_one({"_id": "after the commit"})
    mongosync.do("reverse")
    progress = mongosync.until(state="RUNNING", canCommit=True)
    assert progress["directionMapping"] == {
        "Source": f"cluster1: {target.members[0].address}",
        "Destination": f"cluster0: {source.members[0].address}",
    }
    target.client.shop.orders.delete_one({"_id": 5})
    until_equal(mongosync, "shop", here=1)
    assert source.client.shop.users.find_one({"_id": "after the commit"})
    mongosync.do("commit")
    mongosync.until(state="COMMITTED")
    source.client.shop.users.insert_one({"_id": "open again"})
    with pytest.raises(OperationFailure) as blocked:
        target.client.shop.users.insert_one({"_id": "too late"})
    assert blocked.value.code == WRITES_BLOCKED


@pytest.mark.parametrize("start", [FORWARD, BACKWARD], ids=["from cluster0", "from cluster1"])
def test_a_reversed_link_goes_on_after_a_restart(
    start: dict[str, Any], mongosync: Mongosync, source: ReplicaSet, target: ReplicaSet
) -> None:
    old, new = (source, target) if start is FORWARD else (target, source)
    fill(old, 100)
    committed(mongosync, start)
    mongosync.do("reverse")
    mongosync.until(state="RUNNING")
    mongosync.kill()
    new.client.shop.users.insert_one({"_id": "meanwhile"})
    mongosync.start()
    progress = mongosync.until(state="RUNNING", canCommit=True)
    assert progress["directionMapping"]["Source"].startswith(f"{start['destination']}: ")
    wait_until(lambda: contents(new, "shop") == contents(old, "shop"), 30, "equal contents")
    assert old.client.shop.users.find_one({"_id": "meanwhile"})


def test_only_a_reversible_start_blocks_the_source(mongosync: Mongosync, source: ReplicaSet) -> None:
    fill(source, 10)
    answer = mongosync.post("start", FORWARD | {"reversible": True})
    assert answer["error"] == "InvalidRequestBody"
    mongosync.do("start", FORWARD)
    mongosync.until(canCommit=True)
    mongosync.do("commit")
    mongosync.until(state="COMMITTED")
    assert source.client.shop.users.insert_one({"_id": "open"})
    assert mongosync.post("reverse")["error"] == "NotReversible"


def test_blocking_the_destination_alone_is_refused(mongosync: Mongosync) -> None:
    answer = mongosync.post("start", FORWARD | {"enableUserWriteBlocking": "destinationOnly"})
    assert (answer["success"], answer["error"]) == (False, "UnsupportedOption")
    assert mongosync.progress()["state"] == "IDLE"
