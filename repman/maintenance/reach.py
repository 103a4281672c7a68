"""Whether replication can go on from a backup's position."""

from __future__ import annotations

import re
from collections.abc import Iterable

from repman.maintenance.dump import completed
from repman.maintenance.session import Session
from repman.model.position import MariadbGtid

_GTID = re.compile(r"GTID (\d+)-(\d+)-(\d+)")
_FIRST_EVENTS = 200


def oldest_kept(at: Session) -> dict[int, int]:
    """For each domain the sequence number after which this server's binary logs hold every transaction."""
    logs = at.rows("SHOW BINARY LOGS")
    if not logs:
        return {}
    first = str(logs[0][0])
    stated = at.rows("SELECT BINLOG_GTID_POS(%s, 4)", first)[0][0] or ""
    events = at.rows(f"SHOW BINLOG EVENTS IN '{first}' LIMIT {_FIRST_EVENTS}")
    return begins(str(stated), (str(row[5]) for row in events))


def exact_position(at: Session, log: str, offset: int, stated: str, before: str) -> str:
    """Where a copy of this server stands, from its place in the server's binary log, while nothing could commit.

    The GTID that a tool states itself comes from the replica's memory, and may lag behind by what is just being
    committed.  `before`: the server's position before the copy began; see `completed`.  Raises JobFailed.
    """
    exact = at.rows("SELECT BINLOG_GTID_POS(%s, %s)", log, offset)[0][0]
    return completed(str(exact or ""), completed(stated, before))


def begins(stated: str, events: Iterable[str]) -> dict[int, int]:
    """... from the state at the beginning of the first log, and the texts of its first events.

    A server that was itself rebuilt begins with an empty state and a transaction whose number is not 1.
    """
    found = {domain: sequence for domain, _, sequence in MariadbGtid.parse(stated).last}
    for text in events:
        if (gtid := _GTID.search(text)) and int(gtid[1]) not in found:
            found[int(gtid[1])] = int(gtid[3]) - 1
    return found


def beyond(other: str, position: str) -> str:
    """The GTIDs of `other` that a server at `position` has not reached, domain by domain; empty when it has all.

    For positions on one history: there a domain's numbers only grow, whoever wrote them.
    """
    mine = {domain: sequence for domain, _, sequence in MariadbGtid.parse(position).last}
    ahead = [gtid for gtid in MariadbGtid.parse(other).last if mine.get(gtid[0], 0) < gtid[2]]
    return ",".join("-".join(map(str, gtid)) for gtid in ahead)


def missing(position: str, kept: dict[int, int]) -> str:
    """What a server at that position needs and the logs no longer hold, as ranges; empty when they hold all."""
    mine = {domain: sequence for domain, _, sequence in MariadbGtid.parse(position).last}
    gaps = [
        f"domain {domain}: {mine.get(domain, 0) + 1} to {sequence}"
        for domain, sequence in sorted(kept.items())
        if mine.get(domain, 0) < sequence
    ]
    return ", ".join(gaps)


def foreign(position: str, last: str, state: str, kept: dict[int, int]) -> str:
    """The GTIDs of a position that a server never had, so that replication from it would mix two histories.

    `last` and `state`: the server's ``gtid_current_pos`` and ``gtid_binlog_state``; `kept`: see `oldest_kept`.  Who
    wrote the very last transaction before its binary logs begin, a server may not remember.
    """
    seen: dict[tuple[int, int], int] = {}
    for domain, server, sequence in MariadbGtid.parse(last, state).seen:
        seen[domain, server] = max(sequence, seen.get((domain, server), 0))
    other = [
        gtid
        for gtid in MariadbGtid.parse(position).last
        if seen.get(gtid[:2], 0) < gtid[2] and kept.get(gtid[0]) != gtid[2]
    ]
    return ",".join("-".join(map(str, gtid)) for gtid in other)
