"""What every measurement prints: one JSON object, with all samples and the figures made of them."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Sequence
from typing import Any

from repman import __version__


def quantile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least that share of all values does not exceed."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1)]


def figures(values: Sequence[float], digits: int = 1) -> dict[str, float | int | None]:
    """Median, 95th percentile and extremes."""
    found = {"p50": quantile(values, 0.5), "p95": quantile(values, 0.95)}
    rounded = {name: None if value is None else round(value, digits) for name, value in found.items()}
    ends = {"min": round(min(values), digits), "max": round(max(values), digits)} if values else {}
    return {"count": len(values), **rounded, **ends}


def machine() -> dict[str, Any]:
    """Where this was measured."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "repman": __version__,
    }


def finish(name: str, failures: Sequence[str], **document: Any) -> int:
    """Print the object; returns the exit code, 1 when something is not as it must be."""
    print(json.dumps({"bench": name, "ok": not failures, "failures": list(failures), "machine": machine(), **document}))
    return 1 if failures else 0


def say(text: str) -> None:
    """Tell the person who waits, beside the JSON."""
    print(text, file=sys.stderr, flush=True)
