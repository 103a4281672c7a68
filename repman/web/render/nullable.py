"""Values that a server may not know, as pairs with ``Valid``: replication-manager's form of SQL's NULL."""

from __future__ import annotations

from typing import Any


def text(value: str | None) -> dict[str, Any]:
    """``{"String", "Valid"}``."""
    return {"String": value or "", "Valid": value is not None}


def integer(value: str | None) -> dict[str, Any]:
    """``{"Int64", "Valid"}``, exact however large."""
    return {"Int64": whole(value), "Valid": value is not None}


def number(value: float | str | None) -> dict[str, Any]:
    """``{"Float64", "Valid"}``."""
    return {"Float64": float(value or 0), "Valid": value is not None}


def whole(value: str | None) -> int:
    """A whole number of the server, exact; 0 for NULL."""
    return int(value) if value else 0
