"""Commits that wait for an acknowledgement which attached replicas do not give."""

from __future__ import annotations

from repman.decide.view import View

PATIENCE = 5.0
"""Seconds without one for which a slow disk, a large transaction or a short pause of a replica may be the reason."""


def stalled_for(view: View) -> float:
    """Seconds for which the writer's commits have waited in vain; 0 while they go on, or have not waited long.

    Nothing is repaired here.  Connecting the replicas anew would help where an acknowledgement was lost on its way,
    and would hide that they hold other transactions under the writer's GTIDs, which is the case we have seen.
    """
    since = view.memory.stalled_since
    waited = 0.0 if since is None else view.now - since
    return waited if waited >= PATIENCE else 0.0
