"""What a MariaDB or MySQL server writes into its error log and its slow-query log, read back."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

from repman.inspection.digest import Entry

_ERROR = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[T ]\s*(?P<hour>\d{1,2}):(?P<rest>\d\d:\d\d)\S*\s+\S+\s+\[(?P<level>\w+)\]\s?(?P<text>.*)"
)
_LEVELS = {"note": "INFO", "system": "INFO", "warning": "WARN", "error": "ERROR"}

_TIME = re.compile(r"# Time: (\d{6})\s+(\d{1,2}):(\d\d:\d\d)|# Time: (\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)")
_USER = re.compile(r"# User@Host: (\S*?)\[")
_SCHEMA = re.compile(r"Schema: (\S*)")
_FIGURE = re.compile(r"(Query_time|Lock_time|Rows_sent|Rows_examined|Full_scan|Tmp_table|Tmp_table_on_disk): (\S+)")
_USE = re.compile(r"use `?([^`;]+)`?;", re.IGNORECASE)
_STAMP = re.compile(r"SET timestamp=(\d+)(?:\.\d+)?;", re.IGNORECASE)
_HEAD = re.compile(r".*[, ]Version: .* started with:|Tcp port: |Time\s+Id\s+Command\s+Argument")
_END = "# Time: end"


@dataclass(frozen=True, slots=True)
class Line:
    """One message of an error log."""

    at: str
    """``2006/01/02 15:04:05``, in the time of the server."""
    level: str
    """INFO, WARN or ERROR."""
    text: str


def error_log(text: str) -> list[Line]:
    """The messages, oldest first; lines without a time belong to the message before them."""
    lines: list[Line] = []
    for row in text.splitlines():
        found = _ERROR.match(row)
        if found is not None:
            at = f"{found['date'].replace('-', '/')} {int(found['hour']):02}:{found['rest']}"
            lines.append(Line(at, _LEVELS.get(found["level"].lower(), "INFO"), found["text"]))
        elif row.strip():
            last = lines.pop() if lines else Line("", "INFO", "")
            lines.append(Line(last.at, last.level, f"{last.text}\n{row}".strip("\n")))
    return lines


def slow_log(text: str) -> Iterator[Entry]:
    """The statements of a slow-query log, oldest first; what stands before the first whole one is left out."""
    at = ""
    head: list[str] = []
    body: list[str] = []
    for row in [*text.splitlines(), _END]:
        if row.startswith(("# Time: ", "# User@Host: ")) and body:
            if (entry := _entry(at, head, body)) is not None:
                yield entry
            head, body = [], []
        if _HEAD.match(row):
            continue
        if row.startswith("#") and not body:
            at = _moment(row) or at
            head.append(row)
        elif head:
            body.append(row)


def _entry(at: str, head: list[str], body: list[str]) -> Entry | None:
    told = "\n".join(head)
    figures = dict(_FIGURE.findall(told))
    if "Query_time" not in figures:
        return None
    schema = found[1] if (found := _SCHEMA.search(told)) else ""
    rows = list(body)
    if rows and (found := _USE.fullmatch(rows[0].strip())):
        schema = found[1]
        del rows[0]
    if rows and (found := _STAMP.fullmatch(rows[0].strip())):
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(int(found[1])))
        del rows[0]
    return Entry(
        at=at,
        user=found[1] if (found := _USER.search(told)) else "",
        schema=schema,
        seconds=float(figures["Query_time"]),
        locked=float(figures.get("Lock_time", "0")),
        sent=int(figures.get("Rows_sent", "0")),
        examined=int(figures.get("Rows_examined", "0")),
        statement="\n".join(rows).strip().removesuffix(";"),
        full_scan=_told(figures, "Full_scan"),
        temporary=_told(figures, "Tmp_table"),
        temporary_on_disk=_told(figures, "Tmp_table_on_disk"),
    )


def _told(figures: dict[str, str], name: str) -> bool | None:
    return figures[name] == "Yes" if name in figures else None


def _moment(row: str) -> str:
    found = _TIME.match(row)
    if found is None:
        return ""
    if found[4]:
        return f"{found[4]} {found[5]}"
    day = found[1]
    return f"20{day[:2]}-{day[2:4]}-{day[4:]} {int(found[2]):02}:{found[3]}"
