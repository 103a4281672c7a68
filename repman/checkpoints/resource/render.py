"""Values as the resource shows them: its keys, its forms, its way to write JSON.  Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bson import Timestamp

from repman.checkpoints.model import (
    Checkpoint,
    CheckpointPart,
    Download,
    PartType,
    RestoreJob,
    RestoreStatus,
    Snapshot,
    SnapshotPart,
    SnapshotSchedule,
)

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is shown of the way in which a restore is delivered."""

    cluster_name: str
    """Of the cluster that is restored from."""
    download: Download | None = None
    url: str = ""
    """Empty for who may not fetch."""


def checkpoint(value: Checkpoint) -> Json:
    """A checkpoint; `reasons`, our addition, only where it is not restorable."""
    shown: Json = {
        "clusterId": value.cluster,
        "groupId": value.group,
        "id": str(value.id),
        "links": [],
        "parts": [_checkpoint_part(part) for part in _config_last(value.parts)],
        "restorable": value.restorable,
        "started": moment(value.started),
    }
    if value.completed is not None:
        shown["completed"] = moment(value.completed)
    if value.at is not None:
        shown["timestamp"] = moment(value.at.as_datetime())
    if value.reasons:
        shown["reasons"] = list(value.reasons)
    return shown


def snapshot(value: Snapshot) -> Json:
    """A snapshot; `reasons`, our addition, only where it is not complete."""
    created = timestamp(value.created)
    shown: Json = {
        "clusterId": value.cluster,
        "complete": value.complete,
        "created": created,
        "doNotDelete": value.keep,
        "expires": None if value.expires is None else moment(value.expires),
        "groupId": value.group,
        "id": str(value.id),
        "isPossiblyInconsistent": False,
        "lastOplogAppliedTimestamp": created,
        "links": [],
        "missingShards": [],
        "namespaceFilterList": {"filterList": [], "filterType": "BLACKLIST"},
        "parts": [_snapshot_part(value.cluster, part) for part in value.parts],
    }
    if value.reasons:
        shown["reasons"] = list(value.reasons)
    return shown


def schedule(group: str, cluster: str, value: SnapshotSchedule) -> Json:
    """A cluster's schedule."""
    return {
        "clusterCheckpointIntervalMin": value.checkpoint_minutes,
        "clusterId": cluster,
        "dailySnapshotRetentionDays": value.daily_days,
        "groupId": group,
        "links": [],
        "monthlySnapshotRetentionMonths": value.monthly_months,
        "pointInTimeWindowHours": value.window_hours,
        "referenceHourOfDay": value.hour,
        "referenceMinuteOfHour": value.minute,
        "referenceTimeZoneOffset": offset(value.offset_minutes),
        "snapshotIntervalHours": value.snapshot_hours,
        "snapshotRetentionDays": value.snapshot_days,
        "weeklySnapshotRetentionWeeks": value.weekly_weeks,
    }


def restore(value: RestoreJob, delivery: Delivery, now: datetime) -> Json:
    """A restore; `reason` and `progress` are our additions."""
    request = value.request
    shown: Json = {
        "clusterId": request.cluster,
        "clusterName": delivery.cluster_name,
        "created": moment(value.created),
        "delivery": _delivery(value, delivery, now),
        "encryptionEnabled": False,
        "groupId": request.group,
        "hashes": [{"fileName": name, "hash": digest, "typeName": "SHA256"} for name, digest in value.hashes],
        "id": str(value.id),
        "links": [],
        "pointInTime": request.at is not None,
        "progress": {"doneBytes": value.done_bytes, "totalBytes": value.total_bytes},
        "statusName": str(value.status),
    }
    if request.checkpoint is not None:
        shown["checkpointId"] = str(request.checkpoint)
    if request.snapshot is not None:
        shown["snapshotId"] = str(request.snapshot)
    if request.at is not None:
        shown["timestamp"] = timestamp(request.at)
    if value.reason:
        shown["reason"] = value.reason
    return shown


def error(status: int, reason: str, code: str, detail: str, parameters: Sequence[str]) -> Json:
    """An error's body."""
    return {"detail": detail, "error": status, "errorCode": code, "parameters": list(parameters), "reason": reason}


def moment(value: datetime) -> str:
    """ISO 8601, UTC, whole seconds."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def timestamp(value: Timestamp) -> Json:
    """A time of the oplog: its second, and the number within that second."""
    return {"date": moment(value.as_datetime()), "increment": value.inc}


def offset(minutes: int) -> str:
    """A time zone as ``+0200``."""
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02}{rest:02}"


def host_id(host: str) -> str:
    """What stands for a host, as it is no secret and no name: 32 hex digits, the same for the same address."""
    return hashlib.md5(host.encode(), usedforsecurity=False).hexdigest()


def text(document: object, pretty: bool = False) -> str:
    """JSON in ASCII, sorted by key; pretty as on the resource's page."""
    if pretty:
        return _pretty(document, "") + "\n"
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def _pretty(value: object, indent: str) -> str:
    """Objects one key a line, lists on the line of their first item, a space on both sides of the colon."""
    deeper = indent + "  "
    if isinstance(value, Mapping):
        lines = (f"{deeper}{json.dumps(str(key))} : {_pretty(value[key], deeper)}" for key in sorted(value))
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}" if value else "{ }"
    if isinstance(value, list):
        return "[ " + ", ".join(_pretty(item, indent) for item in value) + " ]" if value else "[]"
    return json.dumps(value)


def _config_last(parts: Sequence[CheckpointPart]) -> list[CheckpointPart]:
    return sorted(parts, key=lambda part: part.type is PartType.CONFIG_SERVER)


def _checkpoint_part(part: CheckpointPart) -> Json:
    shown: Json = {"tokenDiscovered": part.token_discovered, "typeName": str(part.type)}
    if part.type is PartType.CONFIG_SERVER:
        shown["hostId"] = host_id(part.host)
    else:
        shown["replicaSetName"] = part.set_name
        if part.shard:
            shown["shardName"] = part.shard
    if part.token is not None:
        shown["tokenTimestamp"] = timestamp(part.token)
    return shown


def _snapshot_part(cluster: str, part: SnapshotPart) -> Json:
    shown: Json = {
        "clusterId": cluster,
        "compressionSetting": "ZSTD",
        "dataSizeBytes": part.data_bytes,
        "encryptionEnabled": False,
        "fileSizeBytes": part.file_bytes,
        "mongodVersion": part.version,
        "replicaSetName": part.set_name,
        "storageSizeBytes": part.file_bytes,
        "typeName": str(part.type),
    }
    if part.shard:
        shown["shardName"] = part.shard
    return shown


def _delivery(value: RestoreJob, delivery: Delivery, now: datetime) -> Json:
    if value.request.targets:
        shown: Json = {"methodName": "AUTOMATED_RESTORE"}
        if value.request.target_cluster:
            shown |= {"targetClusterId": value.request.target_cluster, "targetGroupId": value.request.target_group}
        return shown
    download = delivery.download
    if download is None:
        return {"methodName": "HTTP"}
    shown = {
        "expirationHours": round((download.expires - value.created).total_seconds() / 3600),
        "expires": moment(download.expires),
        "maxDownloads": download.most,
        "methodName": "HTTP",
    }
    if value.status is RestoreStatus.FINISHED:
        shown["statusName"] = (
            "EXPIRED"
            if download.expires <= now
            else "MAX_DOWNLOADS_EXCEEDED"
            if download.fetched >= download.most
            else "READY"
        )
        if delivery.url and shown["statusName"] == "READY":
            shown["url"] = delivery.url
    return shown
