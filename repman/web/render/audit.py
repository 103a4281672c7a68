"""Rows of the audit trail as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from repman.state.audit import Entry


def render_audit(entries: Iterable[tuple[int, Entry]]) -> list[dict[str, Any]]:
    """The rows with their numbers; times are UTC."""
    return [{"number": number, **asdict(entry), "at": _utc(entry.at)} for number, entry in entries]


def _utc(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
