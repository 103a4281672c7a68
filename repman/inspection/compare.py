"""In which variables the servers of a cluster differ."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_OWN = re.compile(
    r"BIND_ADDRESS|HOSTNAME|PORT|SOCKET|SERVER_ID|SERVER_UID|REPORT_\w+|PID_FILE|TMPDIR|DATADIR|\w+_DIR|"
    r"\w+_DIR_PATH|\w*LOG_FILE|LOG_ERROR|\w+_BASENAME|\w+_INDEX|\w+_LOG_FILENAME|TIMESTAMP|RAND_SEED\d|IDENTITY|PSEUDO_THREAD_ID|WSREP_NODE_\w+"
)
"""What tells a server from the others, and is meant to."""
_ROLE = re.compile(r"GTID_\w+_POS|GTID_BINLOG_STATE|READ_ONLY|RPL_SEMI_SYNC_\w+_ENABLED|INIT_RPL_ROLE|LAST_GTID")
"""What goes with role and position, and changes with them."""


def differences(variables: Mapping[str, Mapping[str, str]]) -> list[dict[str, Any]]:
    """Variables that have not the same value on all servers, given by server; one that a server lacks differs."""
    names = sorted({name for values in variables.values() for name in values})
    return [
        {"variable": name, "values": {server: values.get(name) for server, values in variables.items()}}
        for name in names
        if not (_OWN.fullmatch(name) or _ROLE.fullmatch(name))
        and len({values.get(name) for values in variables.values()}) > 1
    ]
