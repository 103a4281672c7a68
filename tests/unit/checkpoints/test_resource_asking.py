"""Bodies of requests: what is understood, and what is refused by name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId, Timestamp

from repman.checkpoints.model import Snapshot, SnapshotSchedule
from repman.checkpoints.resource import asking
from repman.checkpoints.resource.asking import BadBody, RestoreWish

NOW = datetime(2026, 7, 31, 12, tzinfo=UTC)
ID = "55bc0658e4b097a3efe06f1f"


@pytest.mark.parametrize("content", [b"", b" \r\n", b"{}"])
def test_an_empty_body_is_an_empty_object(content: bytes) -> None:
    assert asking.body(content) == {}
    asking.nothing(asking.body(content))


@pytest.mark.parametrize(
    "content",
    [
        b"x",
        b"[]",
        b"null",
        b"1",
        b'"{}"',
        b'{"a":',
        b"\xff\xfe",
        b"{'a':1}",
        b'{"a":NaN}',
        b"[" * 200_000,
        b'{"a":"\xed\xa0\x80"}',
    ],
)
def test_a_body_that_is_no_object(content: bytes) -> None:
    with pytest.raises(BadBody) as caught:
        asking.body(content)
    assert caught.value.code == "INVALID_JSON"


def test_attributes_that_nobody_knows_are_named() -> None:
    with pytest.raises(BadBody, match=r"no attribute delivery\.x") as caught:
        asking.restore({"snapshotId": ID, "delivery": {"x": 1}}, NOW)
    assert (caught.value.code, caught.value.name) == ("INVALID_ATTRIBUTE", "delivery.x")
    for read in (asking.nothing, asking.snapshot):
        with pytest.raises(BadBody, match="no attribute"):
            read({"y" * 1000: 1})


SCHEDULE = {
    "clusterCheckpointIntervalMin": 30,
    "dailySnapshotRetentionDays": 0,
    "monthlySnapshotRetentionMonths": 3,
    "pointInTimeWindowHours": 48,
    "referenceHourOfDay": 23,
    "referenceMinuteOfHour": 59,
    "referenceTimeZoneOffset": "-0330",
    "snapshotIntervalHours": 6,
    "snapshotRetentionDays": 5,
    "weeklySnapshotRetentionWeeks": 2,
}


def test_the_whole_schedule() -> None:
    echoed = {"clusterId": ID, "groupId": ID, "links": []}
    assert asking.schedule({**SCHEDULE, **echoed}, SnapshotSchedule()) == SnapshotSchedule(
        checkpoint_minutes=30, snapshot_hours=6, snapshot_days=5, daily_days=0, weekly_weeks=2, monthly_months=3,
        window_hours=48, hour=23, minute=59, offset_minutes=-210,
    )  # fmt: skip


def test_what_is_not_given_stays() -> None:
    before = SnapshotSchedule(checkpoint_minutes=15, hour=4)
    assert asking.schedule({"clusterCheckpointIntervalMin": None}, before) == SnapshotSchedule(hour=4)
    assert asking.schedule({}, before) == before


HOSTILE = [True, -1, 2**31, 2**63, 1.5, 1e400, "15", "", "+9999", "+0060", "+1401", [], {}, [15], "0200", "+٠٢٠٠"]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("name", SCHEDULE)
def test_a_schedule_that_cannot_be(name: str, value: object) -> None:
    with pytest.raises(BadBody) as caught:
        asking.schedule({name: value}, SnapshotSchedule())
    assert caught.value.name == name


def test_a_change_of_a_snapshot() -> None:
    before = Snapshot(ObjectId(ID), "g", "c", Timestamp(1, 1))
    after = asking.snapshot({"doNotDelete": True, "expires": "2026-08-01T02:00:00+02:00"})(before)
    assert (after.keep, after.expires) == (True, datetime(2026, 8, 1, tzinfo=UTC))
    assert asking.snapshot({"expires": None})(after).expires is None


@pytest.mark.parametrize(
    "given",
    [{}, {"doNotDelete": 1}, {"doNotDelete": None}, *({"expires": each} for each in (
        "", "tomorrow", 1, "2026-08-01", "2026-08-01T00:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
    ))],
)  # fmt: skip
def test_a_change_of_a_snapshot_that_cannot_be(given: dict[str, object]) -> None:
    with pytest.raises(BadBody):
        asking.snapshot(given)


@pytest.mark.parametrize("name", ["checkpointId", "checkPointId"])
def test_a_restore_of_a_checkpoint_is_a_download_unless_said_otherwise(name: str) -> None:
    assert asking.restore({name: ID}, NOW) == RestoreWish(
        checkpoint=ObjectId(ID), expires=NOW + timedelta(hours=48), most=5
    )


def test_points_in_time() -> None:
    assert asking.restore({"oplogTs": 1438384787, "oplogInc": 4}, NOW).at == Timestamp(1438384787, 4)
    assert asking.restore({"pointInTimeUTCMillis": 1438384787999}, NOW).at == Timestamp(1438384787, 0)
    assert asking.restore({"snapshotId": ID, "oplogTs": None}, NOW).snapshot == ObjectId(ID)


def test_deliveries() -> None:
    http = {"methodName": "HTTP", "expirationHours": 1, "maxDownloads": 7}
    wish = asking.restore({"snapshotId": ID, "delivery": http}, NOW)
    assert (wish.expires, wish.most, wish.automated) == (NOW + timedelta(hours=1), 7, False)
    until = asking.restore({"snapshotId": ID, "delivery": {"expires": "2026-08-01T00:00:00Z"}}, NOW)
    assert until.expires == datetime(2026, 8, 1, tzinfo=UTC)
    into = {"methodName": "AUTOMATED_RESTORE", "targetClusterName": "copy", "targetGroupId": ID, "overwrite": True}
    assert asking.restore({"snapshotId": ID, "delivery": into}, NOW) == RestoreWish(
        snapshot=ObjectId(ID), automated=True, target_group=ID, target="copy", overwrite=True
    )


def automated(**given: object) -> dict[str, object]:
    return {"snapshotId": ID, "delivery": {"methodName": "AUTOMATED_RESTORE", **given}}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"snapshotId": ID, "checkpointId": ID},
        {"checkpointId": ID, "checkPointId": ID},
        {"checkpointId": "x"},
        {"checkpointId": ID + "0"},
        {"checkpointId": 5},
        {"checkpointId": {"$ne": None}},
        {"oplogTs": 1438384787},
        {"oplogInc": 1},
        {"oplogTs": 2**32, "oplogInc": 1},
        {"oplogTs": 5, "oplogInc": -1},
        {"oplogTs": True, "oplogInc": 1},
        {"snapshotId": ID, "oplogInc": 1},
        {"pointInTimeUTCMillis": "now"},
        {"pointInTimeUTCMillis": 0},
        {"pointInTimeUTCMillis": 2**64},
        {"snapshotId": ID, "delivery": []},
        {"snapshotId": ID, "delivery": {"methodName": "SCP"}},
        {"snapshotId": ID, "delivery": {"methodName": 5}},
        {"snapshotId": ID, "delivery": {"expirationHours": 0}},
        {"snapshotId": ID, "delivery": {"expirationHours": 10**9}},
        {"snapshotId": ID, "delivery": {"expires": "2020-01-01T00:00:00Z"}},
        {"snapshotId": ID, "delivery": {"expires": "2100-01-01T00:00:00Z"}},
        {"snapshotId": ID, "delivery": {"maxDownloads": 0}},
        automated(),
        automated(targetClusterId=ID, targetClusterName="x"),
        automated(targetClusterId=5),
        automated(targetClusterId=ID, targetGroupId="x"),
        automated(targetClusterId=ID, targetGroupId=5),
        automated(targetClusterId=ID, overwrite="yes"),
    ],
)
def test_a_restore_that_cannot_be(given: dict[str, object]) -> None:
    with pytest.raises(BadBody) as caught:
        asking.restore(given, NOW)
    assert caught.value.code == "INVALID_ATTRIBUTE"
