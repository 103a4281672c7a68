"""What the servers of a cluster do at the moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from repman.web.render.database import render_process

_GRAPHS: dict[str, dict[str, tuple[str, ...]]] = {
    "Queries": {
        "Questions": ("QUESTIONS",),
        "Selects": ("COM_SELECT",),
        "Inserts": ("COM_INSERT",),
        "Updates": ("COM_UPDATE",),
        "Deletes": ("COM_DELETE",),
    },
    "Rows": {
        "Reads": (
            "HANDLER_READ_FIRST",
            "HANDLER_READ_KEY",
            "HANDLER_READ_LAST",
            "HANDLER_READ_NEXT",
            "HANDLER_READ_PREV",
            "HANDLER_READ_RND",
            "HANDLER_READ_RND_NEXT",
        ),
        "Writes": ("HANDLER_WRITE",),
        "Updates": ("HANDLER_UPDATE",),
        "Deletes": ("HANDLER_DELETE",),
    },
    "Swap": {
        "Tmp Tables": ("CREATED_TMP_DISK_TABLES",),
        "Binary Logs": ("BINLOG_CACHE_DISK_USE",),
        "Sorts": ("SORT_MERGE_PASSES",),
    },
    "Transactions": {
        "Commits": ("COM_COMMIT",),
        "Binlog": ("BINLOG_COMMITS",),
        "Binlog Group": ("BINLOG_GROUP_COMMITS",),
    },
    "Cache Miss": {
        "InnoDB": ("INNODB_BUFFER_POOL_READS",),
        "Aria": ("ARIA_PAGECACHE_READS",),
        "MyISAM": ("KEY_READS",),
        "MyROCKS": ("ROCKSDB_BLOCK_CACHE_MISS",),
    },
}
"""Graphs of replication-manager's top: the counters whose differences are summed in each figure."""


def render_top(server: str, address: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """One server: figures since the last reading (`seconds` ago), and what runs, longest first."""
    changed = found["differences"]
    return {
        "id": server,
        "url": address,
        "seconds": round(found["seconds"], 3),
        "header": {
            "graphs": [
                {
                    "name": name,
                    "data": [
                        {"name": figure, "value": sum(changed.get(counter, 0) for counter in counters)}
                        for figure, counters in figures.items()
                    ],
                }
                for name, figures in _GRAPHS.items()
            ]
        },
        "processlist": [render_process(process, address) for process in found["processes"]],
    }
