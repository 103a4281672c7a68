"""What clients ask in the bodies of requests, checked.  Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from bson import ObjectId, Timestamp

from repman.checkpoints.model import CHECKPOINT_MINUTES, SNAPSHOT_HOURS, Snapshot, SnapshotSchedule

ID = re.compile(r"[0-9a-fA-F]{24}")
_OFFSET = re.compile(r"([+-])(\d\d)(\d\d)", re.ASCII)
_LARGEST = 2**32 - 1
"""Of either half of a timestamp."""
_ECHOED = frozenset({"clusterId", "groupId", "links", "id"})
"""What clients send back as they got it, and nobody can change."""

EXPIRATION_HOURS = 48
DOWNLOADS = 5
_MOST_HOURS = 24 * 365
_MOST_DOWNLOADS = 10_000


class BadBody(ValueError):
    """A body cannot be used: `code` for programs, `name` of the attribute, and a sentence."""

    def __init__(self, code: str, name: str, sentence: str) -> None:
        self.code = code
        self.name = name
        super().__init__(sentence)


@dataclass(frozen=True, slots=True)
class RestoreWish:
    """What is to be restored, and how it is to be delivered."""

    checkpoint: ObjectId | None = None
    snapshot: ObjectId | None = None
    at: Timestamp | None = None
    automated: bool = False
    """Into a cluster; else a download."""
    target_group: str = ""
    """Empty: the same group."""
    target: str = ""
    """The cluster's id, or its name."""
    overwrite: bool = False
    expires: datetime | None = None
    """Of a download, UTC."""
    most: int = DOWNLOADS


def body(content: bytes) -> dict[str, Any]:
    """The object that a body holds; an empty body is an empty object.  Raises BadBody."""
    if not content.strip():
        return {}
    try:
        found = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadBody("INVALID_JSON", "", f"the body is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise BadBody("INVALID_JSON", "", "the body is no JSON object")
    return found


def nothing(given: Mapping[str, Any]) -> None:
    """For requests that take no attributes; raises BadBody."""
    _known(given, frozenset())


def schedule(given: Mapping[str, Any], before: SnapshotSchedule) -> SnapshotSchedule:
    """The schedule with what was given changed; raises BadBody."""
    _known(given, frozenset(_SCHEDULE) | _ECHOED)
    changes: dict[str, Any] = {
        field: read(name, given[name]) for name, (field, read) in _SCHEDULE.items() if name in given
    }
    return replace(before, **changes)


def snapshot(given: Mapping[str, Any]) -> Callable[[Snapshot], Snapshot]:
    """The change of a snapshot that was asked for; raises BadBody."""
    _known(given, frozenset({"expires", "doNotDelete"}))
    if not given:
        raise BadBody("INVALID_ATTRIBUTE", "", "give expires, doNotDelete or both")
    changes: dict[str, Any] = {}
    if "expires" in given:
        changes["expires"] = None if given["expires"] is None else _moment("expires", given["expires"])
    if "doNotDelete" in given:
        changes["keep"] = _truth("doNotDelete", given["doNotDelete"])
    return lambda value: replace(value, **changes)


def restore(given: Mapping[str, Any], now: datetime) -> RestoreWish:
    """What is to be restored; raises BadBody."""
    if "checkPointId" in given and "checkpointId" not in given:
        # There are clients that spell it so.
        given = {("checkpointId" if name == "checkPointId" else name): value for name, value in given.items()}
    _known(given, _POINTS | {"oplogInc", "delivery"})
    wanted = sorted(name for name in _POINTS if given.get(name) is not None)
    if len(wanted) != 1:
        sentence = "give exactly one of checkpointId, snapshotId, oplogTs with oplogInc, and pointInTimeUTCMillis"
        raise BadBody("INVALID_ATTRIBUTE", ", ".join(wanted) or "checkpointId", sentence)
    wish = _point(given, wanted[0])
    delivery = given.get("delivery")
    if delivery is None:
        delivery = {}
    if not isinstance(delivery, dict):
        raise BadBody("INVALID_ATTRIBUTE", "delivery", "delivery is an object")
    return _delivered(wish, delivery, now)


def identifier(name: str, text: object) -> ObjectId:
    """An id of 24 hex digits; raises BadBody."""
    if not isinstance(text, str) or not ID.fullmatch(text):
        raise BadBody("INVALID_ATTRIBUTE", name, f"{name} is 24 hex digits")
    return ObjectId(text)


_POINTS = frozenset({"checkpointId", "snapshotId", "oplogTs", "pointInTimeUTCMillis"})


def _point(given: Mapping[str, Any], name: str) -> RestoreWish:
    if ("oplogInc" in given) != (name == "oplogTs"):
        raise BadBody("INVALID_ATTRIBUTE", "oplogInc", "oplogTs and oplogInc are given together")
    value = given[name]
    if name == "checkpointId":
        return RestoreWish(checkpoint=identifier(name, value))
    if name == "snapshotId":
        return RestoreWish(snapshot=identifier(name, value))
    if name == "oplogTs":
        seconds = _number("oplogTs", value, 1, _LARGEST)
        return RestoreWish(at=Timestamp(seconds, _number("oplogInc", given["oplogInc"], 0, _LARGEST)))
    # Operations are numbered from 1 within a second, so that nothing of that second is included.
    return RestoreWish(at=Timestamp(_number(name, value, 1000, _LARGEST * 1000) // 1000, 0))


def _delivered(wish: RestoreWish, given: Mapping[str, Any], now: datetime) -> RestoreWish:
    _known(given, _DELIVERY, "delivery.")
    method = given.get("methodName", "HTTP")
    if method == "AUTOMATED_RESTORE":
        targets = [name for name in ("targetClusterId", "targetClusterName") if given.get(name)]
        if len(targets) != 1 or not isinstance(given[targets[0]], str):
            sentence = "give delivery.targetClusterId or delivery.targetClusterName: where the data go"
            raise BadBody("INVALID_ATTRIBUTE", "delivery.targetClusterId", sentence)
        group = given.get("targetGroupId") or ""
        if group and (not isinstance(group, str) or not ID.fullmatch(group)):
            raise BadBody("INVALID_ATTRIBUTE", "delivery.targetGroupId", "delivery.targetGroupId is 24 hex digits")
        overwrite = _truth("delivery.overwrite", given.get("overwrite", False))
        return replace(wish, automated=True, target_group=group.lower(), target=given[targets[0]], overwrite=overwrite)
    if method != "HTTP":
        sentence = "delivery.methodName is HTTP or AUTOMATED_RESTORE"
        raise BadBody("INVALID_ATTRIBUTE", "delivery.methodName", sentence)
    if given.get("expires") is not None:
        expires = _moment("delivery.expires", given["expires"])
        if not now < expires <= now + timedelta(hours=_MOST_HOURS):
            raise BadBody("INVALID_ATTRIBUTE", "delivery.expires", "delivery.expires is within the next year")
    else:
        hours = given.get("expirationHours", EXPIRATION_HOURS)
        expires = now + timedelta(hours=_number("delivery.expirationHours", hours, 1, _MOST_HOURS))
    most = _number("delivery.maxDownloads", given.get("maxDownloads", DOWNLOADS), 1, _MOST_DOWNLOADS)
    return replace(wish, expires=expires, most=most)


_DELIVERY = frozenset(
    {
        *("methodName", "expirationHours", "expires", "maxDownloads"),
        *("targetGroupId", "targetClusterId", "targetClusterName", "overwrite"),
    }
)


def _known(given: Mapping[str, Any], names: frozenset[str], before: str = "") -> None:
    if unknown := sorted(set(given) - names):
        known = ", ".join(sorted(names - _ECHOED)) or "none is taken here"
        sentence = f"there is no attribute {before}{unknown[0][:100]}; known: {known}"
        raise BadBody("INVALID_ATTRIBUTE", before + unknown[0][:100], sentence)


def _number(name: str, value: object, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise BadBody("INVALID_ATTRIBUTE", name, f"{name} is a whole number from {least} to {most}")
    return value


def _truth(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise BadBody("INVALID_ATTRIBUTE", name, f"{name} is true or false")
    return value


def _moment(name: str, value: object) -> datetime:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None or found.tzinfo is None or not 1971 <= found.year <= 2105:
        raise BadBody("INVALID_ATTRIBUTE", name, f"{name} is a time with its zone, such as 2026-07-31T23:19:51Z")
    return found.astimezone(UTC)


def _range(least: int, most: int) -> Callable[[str, object], int]:
    return lambda name, value: _number(name, value, least, most)


def _one_of(allowed: tuple[int, ...], or_none: bool) -> Callable[[str, object], int | None]:
    def read(name: str, value: object) -> int | None:
        if value is None and or_none:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or value not in allowed:
            listed = ", ".join(map(str, allowed)) + (" or null" if or_none else "")
            raise BadBody("INVALID_ATTRIBUTE", name, f"{name} is one of {listed}")
        return value

    return read


def _zone(name: str, value: object) -> int:
    found = _OFFSET.fullmatch(value) if isinstance(value, str) else None
    minutes = int(found[2]) * 60 + int(found[3]) if found and int(found[3]) < 60 else 24 * 60
    if found is None or minutes > 14 * 60:
        raise BadBody("INVALID_ATTRIBUTE", name, f"{name} is an offset from UTC, such as +0200")
    return -minutes if found[1] == "-" else minutes


_SCHEDULE: dict[str, tuple[str, Callable[[str, object], int | None]]] = {
    "clusterCheckpointIntervalMin": ("checkpoint_minutes", _one_of(CHECKPOINT_MINUTES, True)),
    "dailySnapshotRetentionDays": ("daily_days", _range(0, 365)),
    "monthlySnapshotRetentionMonths": ("monthly_months", _range(0, 120)),
    "pointInTimeWindowHours": ("window_hours", _range(1, 24 * 365)),
    "referenceHourOfDay": ("hour", _range(0, 23)),
    "referenceMinuteOfHour": ("minute", _range(0, 59)),
    "referenceTimeZoneOffset": ("offset_minutes", _zone),
    "snapshotIntervalHours": ("snapshot_hours", _one_of(SNAPSHOT_HOURS, False)),
    "snapshotRetentionDays": ("snapshot_days", _range(1, 365)),
    "weeklySnapshotRetentionWeeks": ("weekly_weeks", _range(0, 520)),
}
"""The field of a schedule by the resource's name, and how its value is read."""
