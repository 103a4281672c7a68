"""The snapshot of a cluster that no monitor has published yet."""

from __future__ import annotations

from repman.model.decision import Routes, ServerState
from repman.model.observation import Reach, ServerSeen
from repman.model.policy import ClusterPolicy, ServerPolicy
from repman.model.problem import Problem, Refusal, Severity
from repman.model.snapshot import FORMAT, ServerView, Snapshot

_SENTENCE = "repman's monitor has not published this cluster since its start; see that `repman monitor` runs."


def unobserved(policy: ClusterPolicy) -> Snapshot:
    """All servers suspect, nobody known, generation 0, and a problem that says why."""
    return Snapshot(
        format=FORMAT,
        cluster=policy.name,
        at=0.0,
        monotonic=0.0,
        generation=0,
        run="",
        active=False,
        lease="",
        paused=policy.paused,
        writer="",
        writer_alive=False,
        topology="unknown",
        protected=False,
        blocked_by=(Refusal("not-observed", _SENTENCE),),
        refusals=(),
        problems=(Problem("not-observed", Severity.ERROR, _SENTENCE),),
        routes=Routes(),
        servers=tuple(_server(server) for server in policy.servers),
    )


def _server(policy: ServerPolicy) -> ServerView:
    return ServerView(
        policy=policy,
        seen=ServerSeen(policy.address, Reach.PENDING, 0.0),
        last=None,
        state=ServerState.SUSPECT,
        previous_state=ServerState.SUSPECT,
        maintenance=False,
        failures=0,
    )
