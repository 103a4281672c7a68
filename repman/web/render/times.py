"""Moments in the form of RFC 3339."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(at: float) -> str:
    """Unix seconds as ``2026-01-31T12:00:00.000Z``."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
