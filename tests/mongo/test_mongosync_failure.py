"""A link that stops by itself: the progress says why, and it goes on when it can."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mongo_stand import ReplicaSet, wait_until
from mongosync_process import FORWARD, Mongosync, contents, fill


@pytest.fixture
def mongosync(source: ReplicaSet, target: ReplicaSet, tmp_path: Path) -> Iterator[Mongosync]:
    """A running process, idle."""
    made = Mongosync(source, target, tmp_path)
    made.start()
    yield made
    made.close()


def failed(mongosync: Mongosync) -> dict[str, Any]:
    """The answer to a question for the progress once there is an error in it."""

    def error() -> dict[str, Any] | None:
        answer = mongosync.get()
        return answer.json() if answer.status_code == 500 else None

    found: dict[str, Any] = wait_until(error, 60, "a failure")
    assert found["success"] is False
    assert "progress" not in found
    return found


def test_a_rename_out_of_the_filter_is_an_error(mongosync: Mongosync, source: ReplicaSet) -> None:
    fill(source, 10)
    mongosync.do("start", FORWARD | {"includeNamespaces": [{"database": "shop", "collections": ["orders"]}]})
    mongosync.until(canCommit=True)
    source.client.shop.orders.rename("elsewhere")
    answer = failed(mongosync)
    assert answer["error"] == "InternalError"
    assert "shop.orders" in answer["errorDescription"]
    assert mongosync.post("commit") == answer
    assert mongosync.post("pause") == answer


@pytest.mark.parametrize("by_restart", [False, True], ids=["by a call", "by a restart"])
def test_a_commit_of_what_differs_fails_and_goes_on_once_it_is_alike(
    by_restart: bool, mongosync: Mongosync, source: ReplicaSet, target: ReplicaSet
) -> None:
    fill(source, 10)
    mongosync.do("start", FORWARD)
    mongosync.until(canCommit=True)
    target.client.shop.orders.update_one({"_id": 3}, {"$set": {"text": "not the source's"}})
    mongosync.do("commit")
    assert "shop.orders" in failed(mongosync)["errorDescription"]
    target.client.shop.orders.update_one({"_id": 3}, {"$set": {"text": "x" * 200}})
    if by_restart:
        assert mongosync.terminate() == 0
        mongosync.start()
    else:
        mongosync.do("resume")
    mongosync.until(canCommit=True)
    mongosync.do("commit")
    mongosync.until(state="COMMITTED")
    assert contents(target, "shop") == contents(source, "shop")


def test_without_a_verification_a_difference_is_not_seen(
    mongosync: Mongosync, source: ReplicaSet, target: ReplicaSet
) -> None:
    fill(source, 10)
    mongosync.do("start", FORWARD | {"verification": {"enabled": False}})
    mongosync.until(canCommit=True)
    target.client.shop.orders.delete_one({"_id": 3})
    mongosync.do("commit")
    mongosync.until(state="COMMITTED")
    assert target.client.shop.orders.count_documents({}) == 9
