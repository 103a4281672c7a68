"""Statements of slow-query log and performance schema, and how a server does them, in the forms of the API.

Times are seconds unless the key says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from repman.web.render.nullable import number, text, whole

_PICO = 1e12
_PLAN = {
    "selectType": "select_type",
    "table": "table",
    "type": "type",
    "possibleKeys": "possible_keys",
    "key": "key",
    "keyLen": "key_len",
    "ref": "ref",
    "rows": "rows",
    "extra": "extra",
}
_MEASURED = {"rRows": "r_rows", "filtered": "filtered", "rFiltered": "r_filtered"}


def render_logged(entry: Mapping[str, Any]) -> dict[str, Any]:
    """One statement of the slow-query log."""
    return {
        **_log_query(entry, entry["digest"], entry["pattern"]),
        "execCount": 1,
        **_times(entry["seconds"], entry["seconds"], entry["seconds"]),
        "rowsSent": entry["sent"],
        "rowsSentAvg": entry["sent"],
        "rowsScanned": entry["examined"],
    }


def render_group(group: Mapping[str, Any]) -> dict[str, Any]:
    """Statements of one pattern of the slow-query log."""
    return {
        **_log_query(group["last"], group["digest"], group["pattern"]),
        "execCount": group["count"],
        **_times(group["seconds"], group["longest"], group["seconds"] / group["count"]),
        "rowsSent": group["sent"],
        "rowsSentAvg": group["sent"] // group["count"],
        "rowsScanned": group["examined"],
    }


def render_digest(row: Mapping[str, str | None]) -> dict[str, Any]:
    """Statements of one digest of the performance schema."""
    count = whole(row["count_star"])
    sent = whole(row["sum_rows_sent"])
    total, longest, mean = (whole(row[f"{name}_timer_wait"]) / _PICO for name in ("sum", "max", "avg"))
    return {
        "digest": row["digest"] or "",
        "query": row["sample"] or "",
        "digestText": row["digest_text"] or "",
        "shemaName": row["schema_name"] or "",
        "schemaName": row["schema_name"] or "",
        "lastSeen": row["last_seen"] or "",
        "planFullScan": "YES" if whole(row["sum_select_scan"]) else "NO",
        "planTmpDisk": whole(row["sum_created_tmp_disk_tables"]),
        "planTmpMem": whole(row["sum_created_tmp_tables"]),
        "errCount": whole(row["sum_errors"]),
        "warnCount": whole(row["sum_warnings"]),
        "execCount": count,
        **_times(total, longest, mean),
        "rowsSent": sent,
        "rowsSentAvg": sent // max(1, count),
        "rowsScanned": whole(row["sum_rows_examined"]),
    }


def render_plan_row(row: Mapping[str, str | None]) -> dict[str, Any]:
    """One row of EXPLAIN, with what ANALYZE has measured."""
    measured = {key: text(row[column]) for key, column in _MEASURED.items() if column in row}
    return {"id": whole(row["id"]), **{key: text(row[column]) for key, column in _PLAN.items()}, **measured}


def _log_query(entry: Mapping[str, Any], digest: str, pattern: str) -> dict[str, Any]:
    return {
        "digest": digest,
        "query": entry["statement"],
        "digestText": pattern,
        "shemaName": entry["schema"],
        "schemaName": entry["schema"],
        "lastSeen": entry["at"],
        "planFullScan": {None: "", True: "YES", False: "NO"}[entry["full_scan"]],
        "planTmpDisk": int(bool(entry["temporary_on_disk"])),
        "planTmpMem": int(bool(entry["temporary"]) and not entry["temporary_on_disk"]),
        "errCount": 0,
        "warnCount": 0,
    }


def _times(total: float, longest: float, mean: float) -> dict[str, Any]:
    return {
        "execTimeTotal": f"{total:.6f}",
        "execTimeMax": number(round(longest, 6)),
        "execTimeAvgMs": number(round(mean * 1000, 3)),
        "value": f"{total:.6f}",
    }
