"""What a probe is told: a pure function from the published table to status and text.

The web process and the probe process both answer through it, so they never disagree.

The age of an answer decides with the cluster's stale policy (`probes-stale-policy`, `probes-stale-max`):

================  ==========================  ==================================  ====================
policy            fresh enough                too old, over HTTP                  too old, to an agent
================  ==========================  ==================================  ====================
``keep``          age <= `stale_max`          503: we no longer vouch for it      nothing
``fail``          age <= 5 s and `stale_max`  503                                 ``down``
================  ==========================  ==================================  ====================

An HTTP check cannot say "I do not know", so an old answer becomes a no.  An agent can be silent: HAProxy
then keeps what it had, just as if the whole of repman had been killed, and writes go on.  Under ``fail`` the
operator asked that routing ends with monitoring, so the agent says so.  Silence has a price: an HAProxy that
starts during it holds every server for up until somebody speaks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from repman.model.probe import ProbeTable

FAIL_AFTER = 5.0
"""Seconds after which the policy ``fail`` holds an answer for too old; longer than any sensible tick."""


class Check(Enum):
    """What is asked about a server; the values are the texts of yes and no."""

    MASTER = ("200 -Valid Master!", "503 -Not a Valid Master!")
    SLAVE = ("200 -Valid Slave!", "503 -Not a Valid Slave!")


CHECKS = {
    "master-status": Check.MASTER,
    "is-master": Check.MASTER,
    "slave-status": Check.SLAVE,
    "is-slave": Check.SLAVE,
}
"""The check behind the last part of a probe's path."""

AGENT_CHECKS = {"write": Check.MASTER, "read": Check.SLAVE}
"""The check behind the first word of an agent's question."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the probe is told."""

    status: int
    text: str
    age: float | None
    """Seconds since the table was published; None without a table, infinite for one from the future."""


NO_CLUSTER = Answer(500, "No cluster!", None)


def answer(table: ProbeTable | None, check: Check, server: str, now: float) -> Answer:
    """The answer to one HTTP probe.

    `server` is an id, a name or ``host:port`` (IPv6 with or without brackets); one that the cluster does not
    have is valid for nothing.  `now` is on the monotonic clock of this boot.  No table means that no such
    cluster was ever published.
    """
    if table is None:
        return NO_CLUSTER
    age = _age(table, now)
    yes, no = check.value
    if not _too_old(table, age) and _holds(table, check, server):
        return Answer(200, yes, age)
    return Answer(503, no, age)


def agent_answer(table: ProbeTable | None, check: Check, server: str, now: float) -> str:
    """``up``, ``down``, or nothing when HAProxy is to keep the state it has.

    A passive monitor says nothing: the active one steers, and a word from here would cut its writes.  A server
    that the cluster does not have is down: a misspelt question must not leave it open to writes.
    """
    if table is None or not table.active:
        return ""
    if _too_old(table, _age(table, now)):
        return "down" if table.stale_policy == "fail" else ""
    return "up" if _holds(table, check, server) else "down"


def _age(table: ProbeTable, now: float) -> float:
    age = now - table.monotonic
    if age >= 0.0:
        return age
    return 0.0 if age > -1.0 else math.inf


def _too_old(table: ProbeTable, age: float) -> bool:
    limit = table.stale_max
    if table.stale_policy == "fail":
        limit = min(FAIL_AFTER, limit)
    return age > limit


def _holds(table: ProbeTable, check: Check, server: str) -> bool:
    valid = table.masters if check is Check.MASTER else table.slaves
    if server in valid:
        return True
    for name, address in table.names:
        if name == server:
            return address in valid
    return server.count(":") > 1 and _bare(server) in map(_bare, valid)


def _bare(address: str) -> str:
    """An address without the brackets that IPv6 may have."""
    return address.replace("[", "").replace("]", "")
