"""Options of watching and deciding: monitor, failover, semi-sync, switchover, rejoin."""

from __future__ import annotations

from functools import partial

from repman.config.option import Kind, Option

_monitor = partial(Option, group="Monitor", live=True)
_failover = partial(Option, group="Failover", live=True)
_semisync = partial(Option, group="Semi-synchronous replication", live=True)
_switchover = partial(Option, group="Switchover", live=True)
_rejoin = partial(Option, group="Rejoin", live=True)

DECISION_OPTIONS: tuple[Option, ...] = (
    _monitor(
        name="monitoring-ticker",
        kind=Kind.SECONDS,
        default=1.0,
        at_least=0.05,
        at_most=3600,
        help="Seconds between two looks at the cluster. A closed connection brings the next look forward.",
        upstream="2",
        because="a look costs well under a millisecond, and what no closed connection tells is seen sooner",
    ),
    _monitor(
        name="monitoring-inventory-interval",
        kind=Kind.SECONDS,
        default=60.0,
        at_least=1,
        at_most=86400,
        help="Seconds between two reads of what changes rarely (versions, accounts, variables).",
    ),
    _monitor(
        name="monitoring-pause",
        kind=Kind.BOOL,
        default=False,
        help="Watch the cluster and change nothing, whatever happens.",
    ),
    _failover(
        name="failover-mode",
        kind=Kind.CHOICE,
        default="automatic",
        choices=("automatic", "manual"),
        help="`automatic`: repman fails over by itself. `manual`: it detects, explains and waits for a person.",
        upstream="manual",
        because="keeping the cluster writable is what repman is started for",
    ),
    _failover(
        name="failover-limit",
        kind=Kind.INT,
        default=0,
        at_least=0,
        help="Automatic failovers after which no more follow until an operator resets the counter; 0: unlimited.",
        upstream="5",
        because="the sixth crash in a year deserves a failover like the first; "
        "`failover-time-limit` is the guard against flapping",
    ),
    _failover(
        name="failover-time-limit",
        kind=Kind.SECONDS,
        default=0.0,
        at_least=0,
        help="Least seconds between two automatic failovers; 0: no limit.",
    ),
    _failover(
        name="failover-max-slave-delay",
        kind=Kind.SECONDS,
        default=30.0,
        at_least=-1,
        help="A replica later than this many seconds takes no reads and is not chosen; -1: no limit.",
    ),
    _failover(
        name="failover-falsepositive-ping-counter",
        kind=Kind.INT,
        default=1,
        at_least=1,
        key="failoverFalsePositivePingCounter",
        help="Failed looks in a row before a writer is taken for dead.",
        upstream="5",
        because="a crash is proven by closed and refused connections and by the replicas, at once; counting "
        "only adds outage",
        inert="death is a verdict of several witnesses; `failover-silence-periods` governs hangs",
    ),
    _failover(
        name="failover-silence-periods",
        kind=Kind.INT,
        default=3,
        at_least=1,
        at_most=1000,
        help="Heartbeat periods without any progress after which a replica testifies that its source is silent.",
    ),
    _failover(
        name="failover-unknown-fence",
        kind=Kind.CHOICE,
        default="semi-sync",
        choices=("semi-sync", "proceed", "refuse"),
        help="Whether a failover goes on when the old writer can neither be fenced nor be seen dead: "
        "`semi-sync` only where it cannot acknowledge a write without a replica, `proceed` always, "
        "`refuse` never.",
    ),
    _failover(
        name="failover-restart-fenced",
        kind=Kind.BOOL,
        default=True,
        help="A frozen old writer whose process an orchestrator controls is killed and started again as a replica.",
    ),
    _failover(
        name="failover-readonly-state",
        kind=Kind.BOOL,
        default=True,
        key="failoverReadOnlyState",
        help="Replicas are kept read-only. False has the effect of `force-slave-readonly = false`; an old "
        "writer is fenced with `read_only` in any case.",
    ),
    _failover(
        name="fence-timeout",
        kind=Kind.SECONDS,
        default=2.0,
        at_least=0.05,
        at_most=600,
        help="Seconds that fencing the old writer may take before its outcome counts as unknown.",
    ),
    _failover(
        name="failover-drain-timeout",
        kind=Kind.SECONDS,
        default=60.0,
        at_least=0.1,
        at_most=86400,
        help="Seconds that the chosen replica may take to apply what it has received.",
    ),
    _failover(
        name="failover-timeout",
        kind=Kind.SECONDS,
        default=120.0,
        at_least=1,
        at_most=86400,
        help="Deadline in seconds of a whole failover.",
    ),
    _semisync(
        name="failover-semisync-state",
        kind=Kind.BOOL,
        default=True,
        help="The writer acknowledges a commit only when a replica has received it; roles are set at every "
        "change of writer.",
        upstream="false",
        because="without it a crash loses writes that clients were told are safe",
    ),
    _semisync(
        name="semi-sync-unacked-policy",
        kind=Kind.CHOICE,
        default="block",
        choices=("block", "degrade"),
        help="What happens when no replica is left to acknowledge: `block` writes until one is back, or "
        "`degrade` to asynchronous replication after `semi-sync-degrade-after` seconds.",
    ),
    _semisync(
        name="semi-sync-degrade-after",
        kind=Kind.SECONDS,
        default=10.0,
        at_least=0,
        at_most=86400,
        help="Seconds without an acknowledging replica after which semi-sync is switched off; only with "
        "`semi-sync-unacked-policy = degrade`.",
    ),
    _switchover(
        name="switchover-timeout",
        kind=Kind.SECONDS,
        default=10.0,
        at_least=1,
        at_most=86400,
        help="Deadline in seconds of a whole switchover, after which the old writer is put back in service.",
    ),
    _switchover(
        name="switchover-max-slave-delay",
        kind=Kind.SECONDS,
        default=5.0,
        at_least=-1,
        help="A switchover to a replica later than this many seconds is refused. `switchover-max-lag` is "
        "another name of it.",
        upstream="",
        because="it is waited for with writes stopped, so it has a bound",
    ),
    _switchover(
        name="switchover-wait-write-query",
        kind=Kind.SECONDS,
        default=10.0,
        at_least=0,
        help="A switchover is refused while a write has been running for longer than this many seconds.",
    ),
    _switchover(
        name="switchover-wait-trx",
        kind=Kind.INT,
        default=10,
        at_least=0,
        help="Seconds to wait for a flush of tables before a switchover.",
        inert="the writer is fenced with `read_only` within `fence-timeout`, without a flush",
    ),
    _switchover(
        name="switchover-wait-kill",
        kind=Kind.INT,
        default=5000,
        at_least=0,
        help="Milliseconds to wait before sessions on the old writer are killed.",
        inert="sessions are cut when the fence is set, within `fence-timeout`",
    ),
    _switchover(
        name="switchover-wait-route-change",
        kind=Kind.SECONDS,
        default=0.0,
        at_least=0,
        help="Seconds to wait for balancers that poll.",
        upstream="2",
        because="HAProxy is told through its runtime socket and has changed when it answers",
        inert="HAProxy is told through its runtime socket, so there is nothing to wait for",
    ),
    _switchover(
        name="switchover-slave-wait-catch",
        kind=Kind.BOOL,
        default=True,
        help="Wait until the other replicas have caught up with the new writer.",
        inert="the other replicas are attached after the cluster takes writes again",
    ),
    _rejoin(
        name="autorejoin",
        kind=Kind.BOOL,
        default=True,
        help="A server that comes back is made a replica of the current writer again.",
    ),
)
