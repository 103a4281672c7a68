"""Which boot of the machine monotonic times belong to."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

from repman.model.memory import Memory


@cache
def boot_id() -> str:
    """The kernel's random name of this boot; empty where the kernel gives none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def forget_monotonic_times(memory: Memory) -> Memory:
    """The memory without what only had a meaning on the clock of another boot.

    The times of the last looks stay as they are: they say what was seen, and a new look replaces them.
    """
    return replace(
        memory,
        servers=tuple(replace(server, progress=None, failing_since=None, failures=0) for server in memory.servers),
        looked_at=None,
        last_failover_monotonic=None,
        unacked_since=None,
        stalled_since=None,
        refused_plans=(),
    )
