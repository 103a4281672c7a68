from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from bson.int64 import Int64
from bson.timestamp import Timestamp

from repman.link.percona.flavour import Flavour
from repman.link.percona.render import status_document
from repman.link.status import Finalization, Phase, Side, State, Status, UnsuccessfulIndex

IDLE = Status(
    state=State.IDLE,
    phase=Phase.NONE,
    id="one",
    source=Side("source", "127.0.0.1:1", 1),
    target=Side("target", "127.0.0.1:2", 1),
)
STEADY = replace(
    IDLE,
    state=State.RUNNING,
    phase=Phase.REPLICATING,
    lag_seconds=2,
    events_read=12,
    events_applied=10,
    last_applied=Timestamp(1740335200, 5),
    clone_started=True,
    clone_completed=True,
    initial_sync_completed=True,
    total_bytes=5000,
    copied_bytes=5000,
)


def test_idle_has_zeros_and_nothing_else() -> None:
    expected = {
        "ok": True,
        "state": "idle",
        "lagTime": 0,
        "lagTimeSeconds": 0,
        "eventsProcessed": 0,
        "eventsRead": 0,
        "eventsApplied": 0,
    }
    for flavour in Flavour:
        assert status_document(IDLE, flavour) == expected


def test_steady_has_the_keys_of_both_generations() -> None:
    assert status_document(STEADY, Flavour.PLM) == {
        "ok": True,
        "state": "running",
        "info": "Replicating Changes",
        "lagTime": 2,
        "lagTimeSeconds": 2,
        "eventsProcessed": 10,
        "eventsRead": 12,
        "eventsApplied": 10,
        "lastReplicatedOpTime": "1740335200.5",
        "initialSync": {
            "completed": True,
            "cloneCompleted": True,
            "estimatedCloneSize": 5000,
            "estimatedCloneSizeBytes": 5000,
            "clonedSize": 5000,
            "clonedSizeBytes": 5000,
        },
    }


def test_the_flavours_differ_in_the_operation_time_alone() -> None:
    older, newer = (status_document(STEADY, flavour) for flavour in (Flavour.PLM, Flavour.PCSM))
    assert newer.pop("lastReplicatedOpTime") == {"ts": "1740335200.5", "isoDate": "2025-02-23T18:26:40Z"}
    assert older.pop("lastReplicatedOpTime") == "1740335200.5"
    assert older == newer


def test_a_fresh_run_has_an_initial_sync_at_once() -> None:
    fresh = replace(IDLE, state=State.RUNNING, phase=Phase.PREPARING, pause_on_initial_sync=True)
    found = status_document(fresh, Flavour.PCSM)
    assert found["initialSync"] == {"completed": False, "cloneCompleted": False, "clonedSize": 0, "clonedSizeBytes": 0}
    assert found["pauseOnInitialSync"] is True
    assert "lastReplicatedOpTime" not in found


def test_all_of_the_lag_belongs_to_the_initial_sync_until_that_is_complete() -> None:
    catching_up = replace(STEADY, phase=Phase.CATCHING_UP, initial_sync_completed=False, lag_seconds=7)
    found = status_document(catching_up, Flavour.PCSM)
    assert found["info"] == "Initial Sync: Replicating Changes"
    assert (found["lagTime"], found["initialSync"]["lagTime"], found["initialSync"]["lagTimeSeconds"]) == (7, 7, 7)


@pytest.mark.parametrize(
    ("state", "phase", "told"),
    [
        (State.IDLE, Phase.NONE, None),
        (State.RUNNING, Phase.PREPARING, "Initial Sync: Cloning Data"),
        (State.RUNNING, Phase.CLONING, "Initial Sync: Cloning Data"),
        (State.RUNNING, Phase.CATCHING_UP, "Initial Sync: Replicating Changes"),
        (State.RUNNING, Phase.REPLICATING, "Replicating Changes"),
        (State.PAUSED, Phase.REPLICATING, None),
        (State.FINALIZING, Phase.REPLICATING, "Finalizing"),
        (State.FINALIZED, Phase.REPLICATING, "Finalized"),
        (State.FAILED, Phase.CLONING, "Failed"),
    ],
)
def test_info(state: State, phase: Phase, told: str | None) -> None:
    found = status_document(replace(STEADY, state=state, phase=phase), Flavour.PCSM)
    assert (found["state"], found.get("info")) == (state.value, told)


def test_a_failure_is_not_ok_and_has_no_lag() -> None:
    text = "change replication: oplog history is lost"
    found = status_document(replace(STEADY, state=State.FAILED, error=text), Flavour.PCSM)
    assert (found["ok"], found["error"], found["code"], found["lagTime"]) == (False, text, "failed", 0)


def test_a_finalization_tells_of_indexes_in_their_order() -> None:
    began = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=timezone(timedelta(hours=1)))
    index = UnsuccessfulIndex("db.c", "i_1", "failed", {"z": Int64(1), "a": "text", "m": -1.0}, "i_1: duplicates")
    bare = UnsuccessfulIndex("db.d", "j_1", "incomplete", {}, "j_1 was being built")
    ended = Finalization(True, began, datetime(2026, 1, 2, 2, 4, 6), (index, bare))
    found = status_document(replace(STEADY, state=State.FINALIZED, finalization=ended), Flavour.PCSM)["finalization"]
    assert found == {
        "completed": True,
        "startedAt": "2026-01-02T02:04:05Z",
        "completedAt": "2026-01-02T02:04:06Z",
        "unsuccessfulIndexes": [
            {
                "namespace": "db.c",
                "indexName": "i_1",
                "type": "failed",
                "keys": {"z": 1, "a": "text", "m": -1.0},
                "reason": "i_1: duplicates",
            },
            {"namespace": "db.d", "indexName": "j_1", "type": "incomplete", "reason": "j_1 was being built"},
        ],
    }
    assert list(found["unsuccessfulIndexes"][0]["keys"]) == ["z", "a", "m"]


@pytest.mark.parametrize(
    ("ended", "shown"),
    [
        (Finalization(False, datetime(2026, 1, 2, tzinfo=UTC), None), {"completed": False, "startedAt": "2026-01-02T00:00:00Z"}),
        (Finalization(True, None, None), {"completed": True}),
    ],
    ids=["under way", "after a restart"],
)  # fmt: skip
def test_what_is_not_known_of_a_finalization_is_left_out(ended: Finalization, shown: dict[str, object]) -> None:
    found = status_document(replace(STEADY, state=State.FINALIZING, finalization=ended), Flavour.PLM)
    assert found["finalization"] == shown
