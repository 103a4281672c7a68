"""A change of the writer in the form of ``topology/crashes``."""

from __future__ import annotations

from typing import Any

from repman.model.position import MariadbGtid
from repman.state.history import Crash


def render_crash(crash: Crash) -> dict[str, Any]:
    """The contract's keys, and those of ours that say what may have been lost."""
    return {
        "URL": crash.old_writer,
        "FailoverMasterLogFile": "",
        "FailoverMasterLogPos": "",
        "NewMasterLogFile": "",
        "NewMasterLogPos": "",
        "FailoverSemiSyncSlaveStatus": crash.semi_sync,
        "FailoverIOGtid": _gtids(crash.new_position),
        "ElectedMasterURL": crash.new_writer,
        "UnixTimestamp": int(crash.at),
        "Switchover": crash.switchover,
        "oldPosition": crash.old_position,
        "newPosition": crash.new_position,
        "unacknowledged": crash.unacknowledged,
        "plan": crash.plan,
    }


def _gtids(position: str) -> list[dict[str, int]]:
    try:
        last = MariadbGtid.parse(position).last
    except ValueError:
        return []
    return [{"domainId": domain, "serverId": server, "seqNo": sequence} for domain, server, sequence in last]
