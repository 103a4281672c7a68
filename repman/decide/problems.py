"""The registry of problems: one row each, with a code, a severity, a test on the view and a sentence.

Detection runs always, also when recovery is off.  Numbers are replication-manager's, where it has one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from repman.decide.acks import stalled_for
from repman.decide.election import lag_of
from repman.decide.view import View, errant
from repman.decide.witness import Life, silence
from repman.model.observation import Reach, Receiver
from repman.model.problem import Problem, Severity

Found = Iterable[tuple[str, str]]
"""(address or empty, sentence) of each occurrence."""


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of problem."""

    code: str
    severity: Severity
    number: str
    meaning: str
    """For the documentation: what it means and what to do."""
    find: Callable[[View], Found]


def problems(view: View, registry: tuple[Row, ...] | None = None) -> tuple[Problem, ...]:
    """Everything that should not be so, in the order of the registry (by default the one below)."""
    return tuple(
        Problem(row.code, row.severity, sentence, server, row.number)
        for row in (REGISTRY if registry is None else registry)
        for server, sentence in row.find(view)
    )


def _no_writer(view: View) -> Found:
    if view.life is Life.NONE:
        yield "", "the cluster has no writer; bootstrap it, or check db-servers-hosts"


def _writer_dead(view: View) -> Found:
    if view.life.dead:
        yield view.writer, f"{view.name(view.writer)}, the writer, is dead"


def _writer_suspect(view: View) -> Found:
    if view.life is Life.SUSPECT:
        writer = view.writer_seen
        reach = writer.reach if writer else Reach.PENDING
        hears = [view.name(address) for address, said in view.verdict.testimonies if said == "hears"]
        told = f"; {', '.join(hears)} still hear it" if hears else "; no replica can tell yet"
        yield view.writer, f"{view.name(view.writer)}, the writer, is out of our reach ({reach}){told}"


def _writer_closed(view: View) -> Found:
    if view.life is Life.CLOSED:
        yield view.writer, f"{view.name(view.writer)}, the writer, answers but is read-only"


def _several_open(view: View) -> Found:
    for one in view.seen.servers:
        if one.open and one.address != view.writer:
            yield one.address, f"{view.name(one.address)} accepts writes and is not the writer"


def _stopped(view: View) -> Found:
    for remembered in view.memory.servers:
        if remembered.stopped_by:
            yield remembered.address, f"{view.name(remembered.address)} was stopped by {remembered.stopped_by}"


def _detached(view: View) -> Found:
    for remembered in view.memory.servers:
        if remembered.detached_by:
            name = view.name(remembered.address)
            yield remembered.address, f"the replication of {name} was stopped by {remembered.detached_by}"


def _closed(view: View) -> Found:
    if view.memory.closed_by:
        yield view.writer, f"{view.memory.closed_by} closed the cluster for writes"


def _rolling(view: View) -> Found:
    rolling = view.memory.rolling
    if rolling is not None:
        left = [view.name(address) for address in view.to_restart]
        told = f"{', '.join(left)} to be restarted" if left else "every server was restarted"
        yield "", f"a rolling restart asked by {rolling.by} is under way: {told}"


def _unreachable(view: View) -> Found:
    wanted = (Reach.REFUSED, Reach.CLOSED, Reach.SILENT, Reach.UNREACHABLE)
    for one in view.seen.servers:
        if one.reach in wanted and one.address != view.writer and not view.expected_absent(one.address):
            yield one.address, f"{view.name(one.address)} is down: {one.reach}"


def _denied(view: View) -> Found:
    for one in view.seen.servers:
        if one.reach is Reach.DENIED:
            yield (
                one.address,
                f"{view.name(one.address)} rejects repman's account: {one.error}; check db-servers-credential",
            )


def _busy(view: View) -> Found:
    for one in view.seen.servers:
        if one.reach is Reach.BUSY:
            yield one.address, f"{view.name(one.address)} has no connection left for repman: {one.error}"


def _unresolved(view: View) -> Found:
    for one in view.seen.servers:
        if one.reach is Reach.UNRESOLVED:
            yield (
                one.address,
                f"the host name of {one.address} has no address: {one.error}; check DNS or db-servers-hosts",
            )


def _diverged(view: View) -> Found:
    for one in view.seen.answering():
        if own := errant(view, one):
            yield one.address, f"{view.name(one.address)} diverged: only it has {own}; it is left alone"
        elif _ahead_of_writer(view, one.address):
            yield one.address, f"{view.name(one.address)} has transactions that the writer lacks; it is left alone"


def _ahead_of_writer(view: View, address: str) -> bool:
    """For a server that does not replicate now: a live replica may be ahead of a look that is a moment older."""
    writer, one = view.writer_seen, view.seen.server(address)
    if view.life is not Life.OPEN or writer is None or address == view.writer:
        return False
    if any(link.receiver is Receiver.RUNNING for link in one.links) or one.executed is None or writer.executed is None:
        return False
    return not writer.executed.covers(one.executed)


def _not_replicating(view: View) -> Found:
    for one in view.seen.answering():
        if one.address == view.writer:
            continue
        if not one.links:
            yield one.address, f"{view.name(one.address)} replicates from nobody"
        for link in one.links:
            if link.applier_errno:
                yield (
                    one.address,
                    f"{view.name(one.address)} cannot apply: error {link.applier_errno}, {link.applier_error}",
                )
            elif view.life is not Life.OPEN:
                continue  # Its receiver's trouble is the writer's.
            elif link.receiver_errno and link.receiver is not Receiver.RUNNING:
                yield (
                    one.address,
                    f"{view.name(one.address)} cannot receive: error {link.receiver_errno}, {link.receiver_error}",
                )
            elif not link.healthy:
                yield one.address, f"{view.name(one.address)} does not replicate: receiver {link.receiver}"


def _silent_source(view: View) -> Found:
    """The writer lives, a receiver says it runs, and nothing arrives: the way between the two is cut."""
    if view.life is not Life.OPEN:
        return
    for one in view.seen.replicas_of(view.writer):
        link = one.follows(view.writer)
        if link is None or link.receiver is not Receiver.RUNNING:
            continue
        if quiet := silence(view.policy, one, link, view.memory, view.now):
            yield (
                one.address,
                f"{view.name(one.address)} has heard nothing of {view.name(view.writer)} for {quiet:.0f} s",
            )


def _wrong_source(view: View) -> Found:
    for one in view.seen.answering():
        for link in one.links:
            if link.source not in view.policy.addresses:
                yield (
                    one.address,
                    f"{view.name(one.address)} replicates from {link.source}, which is not of this cluster",
                )
            elif link.source != view.writer and not view.policy.multi_tier and one.address != view.writer:
                yield (
                    one.address,
                    f"{view.name(one.address)} replicates from {view.name(link.source)}, not from the writer",
                )


def _late(view: View) -> Found:
    for one in view.seen.answering():
        if 0 <= view.policy.max_lag < lag_of(view, one):
            yield one.address, f"{view.name(one.address)} is {lag_of(view, one):.0f} s late"


def _unprotected(view: View) -> Found:
    writer = view.writer_seen
    if view.policy.semi_sync and writer and writer.open and not (writer.semi_sync and writer.semi_sync.lossless):
        yield view.writer, f"commits on {view.name(view.writer)} do not wait for a replica: a crash may lose them"


def _no_acker(view: View) -> Found:
    if view.memory.unacked_since is not None:
        waited = view.now - view.memory.unacked_since
        yield view.writer, f"no replica acknowledges the writes of {view.name(view.writer)} (for {waited:.0f} s)"


def _acks_stalled(view: View) -> Found:
    if waited := stalled_for(view):
        writer = view.writer_seen
        attached = writer.semi_sync.ackers if writer and writer.semi_sync else 0
        yield (
            view.writer,
            f"commits on {view.name(view.writer)} have waited for {waited:.0f} s, though {attached} attached replicas "
            "should acknowledge them: if those say that they have received all, compare their rows with the writer's",
        )


def _bypass(view: View) -> Found:
    for one in view.seen.answering():
        if one.inventory and one.inventory.bypassing_accounts:
            accounts = ", ".join(one.inventory.bypassing_accounts[:5])
            yield (
                one.address,
                f"accounts that bypass read_only exist on {view.name(one.address)}: {accounts}; revoke READ ONLY ADMIN",
            )


def _weak_settings(view: View) -> Found:
    for one in view.seen.answering():
        wrong = [
            word
            for word, good in (
                ("log_bin", one.binlog),
                ("log_slave_updates", one.log_replica_updates),
                ("gtid_strict_mode", one.strict_gtid),
                ("binlog_format=ROW", one.row_format),
                (
                    "innodb_flush_log_at_trx_commit=3 and sync_binlog=1",
                    not one.inventory or one.inventory.commits_survive,
                ),
            )
            if not good
        ]
        if wrong:
            yield one.address, f"{view.name(one.address)} should have {', '.join(wrong)} set"


def _unacknowledged(view: View) -> Found:
    for remembered in view.memory.servers:
        if remembered.unacknowledged:
            yield (
                remembered.address,
                (
                    f"{view.name(remembered.address)} committed {remembered.unacknowledged} when it was fenced; "
                    "no client was told that these succeeded"
                ),
            )


def _held(view: View) -> Found:
    for remembered in view.memory.servers:
        if remembered.held:
            yield (
                remembered.address,
                f"{view.name(remembered.address)} is held, nothing is done with it: {remembered.held}",
            )


def _proxy_down(view: View) -> Found:
    for proxy in view.seen.proxies:
        if not proxy.answered:
            yield "", f"the proxy {proxy.name} does not answer: {proxy.error}"


def _proxy_maintenance(view: View) -> Found:
    for proxy in view.seen.proxies:
        for address in proxy.left_in_maintenance:
            yield address, f"{view.name(address)} is in maintenance on the proxy {proxy.name}"


def _lease(view: View) -> Found:
    if not view.leased and view.seen.answering():
        holders = view.seen.lease_holders
        yield "", "repman does not hold the cluster's lease" + (f": {', '.join(holders)} does" if holders else "")


def _paused(view: View) -> Found:
    if view.policy.paused:
        yield "", "monitoring-pause is set: repman changes nothing"


REGISTRY: tuple[Row, ...] = (
    Row(
        "writer-dead",
        Severity.ERROR,
        "ERR00016",
        "Our connection and the replicas say that the writer is gone. A failover follows, or the refusals say why not.",
        _writer_dead,
    ),
    Row(
        "writer-suspect",
        Severity.WARNING,
        "WARN0023",
        "We lost the writer but the other witnesses do not say so (yet). Nothing is done on one witness alone.",
        _writer_suspect,
    ),
    Row(
        "writer-read-only",
        Severity.ERROR,
        "",
        "The writer answers and is closed. After a restart the most advanced server is opened; if somebody closed it by hand it stays closed.",
        _writer_closed,
    ),
    Row(
        "no-writer",
        Severity.ERROR,
        "ERR00012",
        "No writer is known. Bootstrap the cluster or check the configured hosts.",
        _no_writer,
    ),
    Row(
        "several-open",
        Severity.ERROR,
        "WARN0003",
        "A second server accepts writes. It is closed, or killed and restarted when it may hold commits that nobody acknowledged.",
        _several_open,
    ),
    Row("server-down", Severity.ERROR, "", "A server that is not the writer cannot be reached.", _unreachable),
    Row(
        "access-denied",
        Severity.ERROR,
        "ERR00004",
        "The server lives and rejects repman's account. Correct db-servers-credential or the account.",
        _denied,
    ),
    Row(
        "connections-exhausted",
        Severity.ERROR,
        "ERR00076",
        "The server lives and has no connection left. Raise max_connections or configure extra_port.",
        _busy,
    ),
    Row(
        "host-unresolved",
        Severity.ERROR,
        "",
        "The name of a server has no address. This is never taken for a dead server.",
        _unresolved,
    ),
    Row(
        "diverged",
        Severity.ERROR,
        "ERR00034",
        "A server has transactions that the cluster lacks. It is never followed silently: compare, then reseed it.",
        _diverged,
    ),
    Row(
        "not-replicating",
        Severity.ERROR,
        "ERR00042",
        "A replica does not replicate. What can be repaired is repaired; an applier error needs a person.",
        _not_replicating,
    ),
    Row(
        "source-silent",
        Severity.ERROR,
        "",
        "The writer lives and a replica's receiver says that it runs, but nothing arrives: the network between the two "
        "is cut. Writes wait when no other replica acknowledges.",
        _silent_source,
    ),
    Row(
        "wrong-source",
        Severity.WARNING,
        "ERR00064",
        "A replica follows a server that is not the writer. It is moved when nothing is lost by it.",
        _wrong_source,
    ),
    Row(
        "late",
        Severity.WARNING,
        "ERR00041",
        "A replica is later than failover-max-slave-delay. It takes no reads and is not elected.",
        _late,
    ),
    Row(
        "unprotected",
        Severity.ERROR,
        "",
        "Semi-sync is wanted and not in force: an acknowledged write could be lost in a crash.",
        _unprotected,
    ),
    Row(
        "no-acker",
        Severity.ERROR,
        "ERR00010",
        "No replica acknowledges. Writes wait, or go on unprotected after semi-sync-degrade-after, as semi-sync-unacked-policy says.",
        _no_acker,
    ),
    Row(
        "acks-stalled",
        Severity.ERROR,
        "",
        "Commits wait and none goes on, though replicas are attached that should acknowledge. A replica that holds "
        "other transactions under the same GTIDs does that (compare rows, reseed it), or one that hangs, or a very "
        "large transaction on its way.",
        _acks_stalled,
    ),
    Row(
        "bypasses-read-only",
        Severity.WARNING,
        "",
        "Client accounts may write to read-only servers, so fencing cannot hold them. Revoke READ ONLY ADMIN from them.",
        _bypass,
    ),
    Row(
        "weak-settings",
        Severity.WARNING,
        "WARN0049",
        "Settings that replication under repman relies on are not in force.",
        _weak_settings,
    ),
    Row(
        "unacknowledged",
        Severity.WARNING,
        "",
        "Fencing left transactions committed of which no client was told. The server is shown as diverged if they are nowhere else.",
        _unacknowledged,
    ),
    Row(
        "stopped-on-purpose",
        Severity.INFO,
        "",
        "An operator stopped the server's process; it stays so until an operator starts it. Its absence is no crash.",
        _stopped,
    ),
    Row(
        "replication-stopped",
        Severity.WARNING,
        "",
        "An operator stopped the server's replication; it stays so until an operator starts replication.",
        _detached,
    ),
    Row(
        "closed-by-wish",
        Severity.WARNING,
        "",
        "An operator closed the cluster for writes. No server is opened until an operator opens the writer, or asks for "
        "a failover.",
        _closed,
    ),
    Row(
        "rolling-restart",
        Severity.INFO,
        "",
        "Servers are restarted one after the other, each when all others are healthy. It goes on by itself and can be "
        "left off.",
        _rolling,
    ),
    Row(
        "held",
        Severity.WARNING,
        "",
        "Somebody rebuilds a server: it is not repaired, not elected and takes no traffic until the job that holds it "
        "ends, or an operator ends the hold.",
        _held,
    ),
    Row(
        "proxy-down",
        Severity.WARNING,
        "ERR00050",
        "A proxy's runtime interface does not answer. Its health checks still follow the probes.",
        _proxy_down,
    ),
    Row(
        "proxy-maintenance",
        Severity.INFO,
        "",
        "Somebody put a server into maintenance on a proxy; repman leaves it so.",
        _proxy_maintenance,
    ),
    Row(
        "passive",
        Severity.INFO,
        "ERR00022",
        "Another repman holds the lease. This one watches and changes nothing.",
        _lease,
    ),
    Row("paused", Severity.INFO, "", "An operator paused the cluster.", _paused),
)
