"""Values as the resource's page shows them, letter by letter."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId, Timestamp

from repman.checkpoints.model import (
    Checkpoint,
    CheckpointPart,
    Download,
    PartType,
    RestoreJob,
    RestoreRequest,
    RestoreStatus,
    Snapshot,
    SnapshotPart,
    SnapshotSchedule,
)
from repman.checkpoints.resource import render

GROUP, CLUSTER, ID = "5c8100bcf2a30b12ff88258f", "5db9c8b1ff7a25dfad1ea7d1", "55bc0658e4b097a3efe06f1f"

ONE = """{
  "clusterId" : "5db9c8b1ff7a25dfad1ea7d1",
  "completed" : "2015-07-31T23:19:51Z",
  "groupId" : "5c8100bcf2a30b12ff88258f",
  "id" : "55bc0658e4b097a3efe06f1f",
  "links" : [],
  "parts" : [ {
    "replicaSetName" : "shard_1",
    "shardName" : "shard_1",
    "tokenDiscovered" : true,
    "tokenTimestamp" : {
      "date" : "2015-07-31T23:19:51Z",
      "increment" : 1
    },
    "typeName" : "REPLICA_SET"
  }, {
    "replicaSetName" : "shard_0",
    "shardName" : "shard_0",
    "tokenDiscovered" : true,
    "tokenTimestamp" : {
      "date" : "2015-07-31T23:19:51Z",
      "increment" : 1
    },
    "typeName" : "REPLICA_SET"
  }, {
    "hostId" : "HOST-ID",
    "tokenDiscovered" : true,
    "tokenTimestamp" : {
      "date" : "2015-07-31T23:19:51Z",
      "increment" : 6
    },
    "typeName" : "CONFIG_SERVER"
  } ],
  "restorable" : true,
  "started" : "2015-07-31T23:19:51Z",
  "timestamp" : "2015-07-31T23:19:47Z"
}
"""
"""The sample of one checkpoint; ids stand where the page has names in braces."""


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def ts(text: str, increment: int) -> Timestamp:
    return Timestamp(int(at(text).timestamp()), increment)


NOW = at("2015-07-31T23:19:51Z")


def part(shard: str, increment: int) -> CheckpointPart:
    token = ts("2015-07-31T23:19:51Z", increment)
    kind = PartType.REPLICA_SET if shard else PartType.CONFIG_SERVER
    return CheckpointPart(kind, shard or "configRS", shard, "config.example.com:27019", True, token)


WHOLE = Checkpoint(
    id=ObjectId(ID),
    group=GROUP,
    cluster=CLUSTER,
    started=NOW,
    completed=NOW,
    at=ts("2015-07-31T23:19:47Z", 9),
    parts=(part("shard_1", 1), part("", 6), part("shard_0", 1)),
    restorable=True,
)


def test_one_checkpoint_is_written_as_the_sample_is() -> None:
    host = render.host_id("config.example.com:27019")
    assert render.text(render.checkpoint(WHOLE), pretty=True) == ONE.replace("HOST-ID", host)
    assert len(host) == 32


def test_without_pretty_it_is_the_same_on_one_line() -> None:
    short = render.text(render.checkpoint(WHOLE))
    assert json.loads(short) == json.loads(render.text(render.checkpoint(WHOLE), pretty=True))
    assert "\n" not in short
    assert " " not in short


def test_what_is_not_known_yet_is_not_shown() -> None:
    begun = Checkpoint(ObjectId(ID), GROUP, CLUSTER, NOW, parts=(CheckpointPart(PartType.REPLICA_SET, "rs0"),))
    shown = render.checkpoint(replace(begun, reasons=("No token was found in rs0.",)))
    assert shown == {
        "clusterId": CLUSTER,
        "groupId": GROUP,
        "id": ID,
        "links": [],
        "parts": [{"replicaSetName": "rs0", "tokenDiscovered": False, "typeName": "REPLICA_SET"}],
        "reasons": ["No token was found in rs0."],
        "restorable": False,
        "started": "2015-07-31T23:19:51Z",
    }


def test_a_snapshot() -> None:
    taken = Snapshot(
        ObjectId(ID), GROUP, CLUSTER, ts("2015-07-31T23:19:47Z", 3), True, False, NOW,
        (SnapshotPart(PartType.REPLICA_SET, "rs0", "shard_0", 1000, 400, "6.0.5"),),
    )  # fmt: skip
    created = {"date": "2015-07-31T23:19:47Z", "increment": 3}
    assert render.snapshot(taken) == {
        "clusterId": CLUSTER,
        "complete": True,
        "created": created,
        "doNotDelete": False,
        "expires": "2015-07-31T23:19:51Z",
        "groupId": GROUP,
        "id": ID,
        "isPossiblyInconsistent": False,
        "lastOplogAppliedTimestamp": created,
        "links": [],
        "missingShards": [],
        "namespaceFilterList": {"filterList": [], "filterType": "BLACKLIST"},
        "parts": [
            {
                "clusterId": CLUSTER,
                "compressionSetting": "ZSTD",
                "dataSizeBytes": 1000,
                "encryptionEnabled": False,
                "fileSizeBytes": 400,
                "mongodVersion": "6.0.5",
                "replicaSetName": "rs0",
                "shardName": "shard_0",
                "storageSizeBytes": 400,
                "typeName": "REPLICA_SET",
            }
        ],
    }
    lasting = render.snapshot(replace(taken, keep=True, expires=None, complete=False, reasons=("It broke off.",)))
    assert (lasting["expires"], lasting["doNotDelete"], lasting["reasons"]) == (None, True, ["It broke off."])


def test_a_schedule() -> None:
    shown = render.schedule(GROUP, CLUSTER, SnapshotSchedule(checkpoint_minutes=15, offset_minutes=-210))
    assert (shown["clusterCheckpointIntervalMin"], shown["referenceTimeZoneOffset"]) == (15, "-0330")
    assert {"groupId", "clusterId", "links"} < set(shown)


JOB = RestoreJob(ObjectId(ID), RestoreRequest(GROUP, CLUSTER, checkpoint=ObjectId(ID)), NOW)
URL = "https://backup.example.com/backup/restores/x"


def delivered(job: RestoreJob, download: Download | None, url: str = URL, now: datetime = NOW) -> dict[str, object]:
    shown = render.restore(job, render.Delivery("orders", download, url), now)["delivery"]
    assert isinstance(shown, dict)
    return shown


def test_a_download() -> None:
    download = Download(ObjectId(ID), NOW + timedelta(hours=2), 3)
    assert delivered(JOB, download) == {
        "expirationHours": 2,
        "expires": "2015-08-01T01:19:51Z",
        "maxDownloads": 3,
        "methodName": "HTTP",
    }
    done = replace(JOB, status=RestoreStatus.FINISHED)
    assert delivered(done, download)["statusName"] == "READY"
    assert delivered(done, download)["url"] == URL
    assert "url" not in delivered(done, download, url="")
    late = delivered(done, download, now=NOW + timedelta(hours=2))
    spent = delivered(done, replace(download, fetched=3))
    assert [late["statusName"], spent["statusName"]] == ["EXPIRED", "MAX_DOWNLOADS_EXCEEDED"]
    assert "url" not in late.keys() | spent.keys()
    assert delivered(done, None) == {"methodName": "HTTP"}, "its files are gone"


def test_a_restore_into_a_cluster_shows_no_address_of_it() -> None:
    request = RestoreRequest(
        GROUP, CLUSTER, at=Timestamp(1438384787, 4), targets=(("rs0", "mongodb://u:secret@h/"),),
        target_group=GROUP, target_cluster="5" * 24,
    )  # fmt: skip
    job = RestoreJob(
        ObjectId(ID), request, NOW, RestoreStatus.BROKEN, "It holds data.", 5, 10, hashes=(("rs0.tar", "ab"),)
    )
    shown = render.restore(job, render.Delivery("orders"), NOW)
    assert shown == {
        "clusterId": CLUSTER,
        "clusterName": "orders",
        "created": "2015-07-31T23:19:51Z",
        "delivery": {"methodName": "AUTOMATED_RESTORE", "targetClusterId": "5" * 24, "targetGroupId": GROUP},
        "encryptionEnabled": False,
        "groupId": GROUP,
        "hashes": [{"fileName": "rs0.tar", "hash": "ab", "typeName": "SHA256"}],
        "id": ID,
        "links": [],
        "pointInTime": True,
        "progress": {"doneBytes": 5, "totalBytes": 10},
        "reason": "It holds data.",
        "statusName": "BROKEN",
        "timestamp": {"date": "2015-07-31T23:19:47Z", "increment": 4},
    }


def test_times_are_told_in_utc() -> None:
    assert render.moment(at("2015-08-01T01:19:51.9+02:00")) == "2015-07-31T23:19:51Z"
    assert render.moment(datetime(2015, 7, 31, 23, 19, 51, tzinfo=UTC)) == "2015-07-31T23:19:51Z"


@pytest.mark.parametrize("pretty", [False, True])
def test_what_is_written_is_ascii(pretty: bool) -> None:
    written = render.text({"ä": "€\n", "empty": {}}, pretty)
    assert written.isascii()
    assert json.loads(written) == {"ä": "€\n", "empty": {}}


def test_a_list_of_plain_values_stays_on_its_line() -> None:
    assert render.text({"a": [1, "b"]}, pretty=True) == '{\n  "a" : [ 1, "b" ]\n}\n'
