from __future__ import annotations

from typing import Any

import pytest
from mongosync_stand import CLUSTER0, CLUSTER1, IDLE, Stand, status

from repman.link.mongosync.render import collection_copy, progress, time_in_words
from repman.link.status import Phase, Side, State, Status, Verifying

NOT_COPIED = {"clone_completed": False, "initial_sync_completed": False}


def test_in_idle_everything_but_state_and_can_commit_is_null() -> None:
    document = progress(IDLE, "mine")
    assert {name: value for name, value in document.items() if value is not None} == {
        "state": "IDLE",
        "canCommit": False,
    }
    steady = progress(status(warnings=("w",), verification={}), "mine")
    assert document.keys() == steady.keys()


def test_the_whole_document_of_a_steady_link() -> None:
    seen = status(
        lag_seconds=2,
        events_applied=17,
        indexes_total=4,
        indexes_built=4,
        collections_total=2,
        collections_done=2,
        oplog_seconds_left=12.9 * 3600,
        catch_up_seconds=3.6,
        verification={
            "source": Verifying("stream hashing", 42, 10, 43, 42),
            "target": Verifying("initial hashing", 42, 9, 43, 41),
        },
        warnings=("the oplog is short",),
    )
    assert progress(seen, "mine") == {
        "state": "RUNNING",
        "canCommit": True,
        "canWrite": False,
        "info": "change event application",
        "ceaStage": "steady state",
        "lag": {"overallLagSeconds": 2, "crudLagSeconds": 2, "ddlLagSeconds": 2},
        "lagTimeSeconds": 2,
        "totalEventsApplied": 17,
        "collectionCopy": {"estimatedTotalBytes": 694, "estimatedCopiedBytes": 694},
        "directionMapping": {
            "Source": "cluster0: a.example:27017",
            "Destination": "cluster1: b.example:27017,c.example:27017",
        },
        "mongosyncID": "mine",
        "coordinatorID": "mine",
        "source": {"pingLatencyMs": 3},
        "destination": {},
        "estimatedSecondsToCEACatchup": 4,
        "estimatedOplogTimeRemaining": "12 hours",
        "indexBuilding": {
            "indexesBuilt": 4,
            "totalIndexesToBuild": 4,
            "collectionsFinished": 2,
            "collectionsTotal": 2,
        },
        "verification": {
            "source": {
                "phase": "stream hashing",
                "estimatedDocumentCount": 43,
                "hashedDocumentCount": 42,
                "totalCollectionCount": 42,
                "scannedCollectionCount": 10,
                "lagTimeSeconds": 2,
            },
            "destination": {
                "phase": "initial hashing",
                "estimatedDocumentCount": 43,
                "hashedDocumentCount": 41,
                "totalCollectionCount": 42,
                "scannedCollectionCount": 9,
                "lagTimeSeconds": 2,
            },
        },
        "warnings": ["the oplog is short"],
    }


SHOWN: list[tuple[str, Status, dict[str, Any]]] = [
    ("preparing", status(phase=Phase.PREPARING, clone_started=False, **NOT_COPIED),
     {"state": "RUNNING", "info": "initializing collections and indexes", "ceaStage": None, "canCommit": False}),
    ("copying", status(phase=Phase.CLONING, catch_up_seconds=4.0, indexes_total=1, **NOT_COPIED),
     {"info": "collection copy", "ceaStage": None, "canCommit": False, "lagTimeSeconds": 0,
      "estimatedSecondsToCEACatchup": None, "indexBuilding": None}),
    ("catching up", status(phase=Phase.CATCHING_UP, initial_sync_completed=False),
     {"info": "change event application", "ceaStage": "collection copy drain", "canCommit": False}),
    ("paused", status(State.PAUSED, lag_seconds=9),
     {"state": "PAUSED", "lagTimeSeconds": None, "lag": None, "canCommit": False, "estimatedOplogTimeRemaining": None,
      "collectionCopy": {"estimatedTotalBytes": 694, "estimatedCopiedBytes": 694}}),
    ("paused with a verification", status(State.PAUSED, verification={"source": Verifying(documents=5)}),
     {"verification": {side: {"phase": "not started", "estimatedDocumentCount": count, "hashedDocumentCount": 0,
                              "totalCollectionCount": 0, "scannedCollectionCount": 0, "lagTimeSeconds": None}
                       for side, count in (("source", 5), ("destination", 0))}}),
    ("committing", status(State.FINALIZING, lag_seconds=1),
     {"state": "COMMITTING", "info": "waiting for commit to complete", "canWrite": False, "canCommit": False,
      "lagTimeSeconds": 1, "ceaStage": None, "estimatedOplogTimeRemaining": None}),
    ("late in committing", status(State.FINALIZING, can_write=True), {"state": "COMMITTING", "canWrite": True}),
    ("committed", status(State.FINALIZED, can_write=True),
     {"state": "COMMITTED", "info": "commit completed", "canWrite": True, "canCommit": False, "lagTimeSeconds": 0}),
    ("reversing", status(State.REVERSING, Phase.NONE), {"state": "REVERSING", "info": None, "canCommit": False}),
    ("reversed", status(source=CLUSTER1, target=CLUSTER0),
     {"state": "RUNNING", "canCommit": True, "source": {}, "destination": {"pingLatencyMs": 3},
      "directionMapping": {"Source": "cluster1: b.example:27017,c.example:27017",
                           "Destination": "cluster0: a.example:27017"}}),
    ("writable again while running", status(can_write=True), {"estimatedOplogTimeRemaining": None}),
    ("nothing known yet", status(),
     {"estimatedOplogTimeRemaining": "not checked yet", "estimatedSecondsToCEACatchup": None, "indexBuilding": None,
      "verification": None}),
    ("a ping that failed", status(source=Side("cluster0", "a:1", -1), target=Side("cluster1", "b:1", None)),
     {"source": {"pingLatencyMs": -1}, "destination": {}}),
]  # fmt: skip


@pytest.mark.parametrize(("seen", "expected"), [row[1:] for row in SHOWN], ids=[row[0] for row in SHOWN])
def test_what_is_shown(seen: Status, expected: dict[str, Any]) -> None:
    document = progress(seen, "mine")
    assert {name: document[name] for name in expected} == expected


def test_warnings_are_absent_when_there_is_none() -> None:
    assert "warnings" not in progress(status(), "mine")


COPIES = [
    ("before", status(phase=Phase.PREPARING, clone_started=False, total_bytes=9, copied_bytes=0, **NOT_COPIED), 0, 1),
    ("begun, nothing estimated", status(phase=Phase.CLONING, total_bytes=0, copied_bytes=0, **NOT_COPIED), 0, 1),
    ("half", status(phase=Phase.CLONING, total_bytes=9, copied_bytes=4, **NOT_COPIED), 4, 9),
    ("more than was estimated", status(phase=Phase.CLONING, total_bytes=9, copied_bytes=12, **NOT_COPIED), 12, 12),
    ("complete", status(total_bytes=9, copied_bytes=9), 9, 9),
    ("complete with less than was estimated", status(total_bytes=9, copied_bytes=8), 9, 9),
    ("complete, there was nothing", status(total_bytes=0, copied_bytes=0), 1, 1),
    ("paused before", status(State.PAUSED, Phase.PREPARING, total_bytes=9, copied_bytes=0, **NOT_COPIED), 0, 1),
    ("paused amid", status(State.PAUSED, Phase.CLONING, total_bytes=9, copied_bytes=4, **NOT_COPIED), 4, 9),
]


@pytest.mark.parametrize(("seen", "copied", "total"), [row[1:] for row in COPIES], ids=[row[0] for row in COPIES])
def test_how_much_was_copied(seen: Status, copied: int, total: int) -> None:
    assert collection_copy(seen) == {"estimatedTotalBytes": total, "estimatedCopiedBytes": copied}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "not checked yet"),
        (0, "less than 15 minutes"),
        (899.9, "less than 15 minutes"),
        (900, "15 minutes"),
        (45 * 60 + 59, "45 minutes"),
        (3599, "59 minutes"),
        (3600, "1 hour"),
        (2 * 3600 - 1, "1 hour"),
        (12 * 3600, "12 hours"),
        (72 * 3600, "72 hours"),
        (72 * 3600 + 1, "more than 72 hours"),
    ],
)
def test_the_time_that_the_oplog_lasts(seconds: float | None, words: str) -> None:
    assert time_in_words(seconds) == words


def test_the_envelope() -> None:
    answer = Stand(cluster0=status()).client().get("/api/v1/progress")
    assert answer.json == {"progress": progress(status(), "mine"), "success": True}
