"""The worker's room for live reads of a server, and for small acts on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from repman.config.settings import ClusterSettings, Settings
from repman.errors import LookFailed
from repman.inspection import reads, statements, switches
from repman.inspection.compare import differences
from repman.inspection.counters import Readings
from repman.inspection.errands import SECONDS, Errands
from repman.inspection.hosts import fetcher
from repman.inspection.logs import Logs
from repman.inspection.secrecy import Secrecy
from repman.inspection.session import Deadline, Session, Target, session
from repman.maintenance.places import Places
from repman.model.work import Reply, Request
from repman.worker.handler import Handler

_ACT_SECONDS = 5.0
_ANALYZE_SECONDS, _MOST_ANALYZE = 10.0, 60.0
_PURGE_SECONDS, _MOST_PURGE = 30.0, 60.0
_TOP_ROWS = 61
"""Rows of a process list in replication-manager's top."""

Work = Callable[[Session, Mapping[str, str]], Any]
"""What is done in one session with one server: session, arguments, document."""


def _plain(read: Callable[[Session], Any]) -> Work:
    return lambda at, arguments: read(at)


_READS: dict[str, Work] = {
    "processlist": reads.processes,
    "variables": _plain(reads.variables),
    "status": _plain(reads.status),
    "status-innodb": _plain(reads.innodb),
    "tables": reads.tables,
    "schemas": _plain(reads.schemas),
    "all-slaves-status": _plain(reads.replication),
    "master-status": _plain(reads.binary_log),
    "meta-data-locks": reads.metadata_locks,
    "query-response-time": _plain(reads.response_times),
    "digest-statements-pfs": statements.digests,
}
_ACTS: dict[str, Work] = {
    "set-long-query-time": switches.set_long_query_time,
    "flush-logs": switches.flush_logs,
    "reset-pfs-queries": switches.reset_digests,
}


class InspectionRoom:
    """Looks into one server on demand, within a deadline, a few at a time on each server."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._errands = Errands()
        self._readings = Readings()
        self._capture = switches.Capture()

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """See `Room`."""
        looks = {name: partial(self._look, work) for name, work in _READS.items()}
        acts = {name: partial(self._act, work) for name, work in _ACTS.items()}
        thrown = {
            f"toggle-{name}": partial(self._act, partial(_throw, switch)) for name, switch in switches.SWITCHES.items()
        }
        return {
            **looks,
            **acts,
            **thrown,
            "toggle-slow-query-capture": partial(self._act, self._capture.throw),
            "status-delta": partial(self._look, self._delta),
            "errorlog": self._errors,
            "slow-queries": partial(self._of_logs, Logs.slow),
            "digest-statements-slow": partial(self._of_logs, lambda logs, at, arguments: logs.digests(at)),
            "explain-pfs": partial(self._statement, statements.explain, "pfs"),
            "explain-slowlog": partial(self._statement, statements.explain, "slowlog"),
            "analyze-pfs": partial(self._statement, statements.analyze, "pfs"),
            "analyze-slowlog": partial(self._statement, statements.analyze, "slowlog"),
            "kill-thread": partial(self._kill, "CONNECTION"),
            "kill-query": partial(self._kill, "QUERY"),
            "wait-innodb-purge": self._wait_for_purge,
            "top": self._top,
            "diffvariables": self._differences,
        }

    def start(self) -> None:
        """See `Room`."""

    def reload(self, settings: Settings) -> None:
        """See `Room`."""
        self._settings = settings
        known = {
            f"{cluster.policy.name}/{server.address}"
            for cluster in settings.clusters
            for server in cluster.policy.servers
        }
        self._readings.forget(lambda key: key.removeprefix("top:") in known)

    def stop(self) -> None:
        """See `Room`: looks end by their own deadlines."""

    def _look(self, work: Work, request: Request, seconds: float = SECONDS) -> Reply:
        return self._in_session(work, request, seconds, unlogged=False)

    def _act(self, work: Work, request: Request, seconds: float = _ACT_SECONDS) -> Reply:
        return self._in_session(work, request, seconds, unlogged=True)

    def _in_session(self, work: Work, request: Request, seconds: float, *, unlogged: bool) -> Reply:
        def look(target: Target, deadline: Deadline) -> Any:
            with session(target, deadline, unlogged=unlogged) as at:
                return work(at, request.arguments)

        return self._answer(request, lambda cluster: self._on(cluster, request, look, seconds))

    def _on(
        self, cluster: ClusterSettings, request: Request, look: Callable[[Target, Deadline], Any], seconds: float
    ) -> Any:
        target = Target.of(cluster, request.server)
        return self._errands.run(target, partial(look, target), seconds)

    def _answer(self, request: Request, work: Callable[[ClusterSettings], Any]) -> Reply:
        """The reply, without any of our passwords."""
        cluster = self._settings.cluster(request.cluster)
        if cluster is None:
            return Reply("refused", f"no cluster is called {request.cluster!r}", "unknown-cluster")
        secrecy = Secrecy((cluster.database.password, cluster.replication.password))
        try:
            return Reply("done", document=secrecy.document(work(cluster)))
        except LookFailed as error:
            return Reply(error.status, secrecy.text(str(error)), error.code)

    def _delta(self, at: Session, arguments: Mapping[str, str]) -> dict[str, Any]:
        found = self._readings.change(at.target.key, partial(reads.status, at))
        return {"seconds": found.seconds, "differences": found.differences}

    def _logs(self, cluster: ClusterSettings, address: str) -> Logs:
        place = Places(cluster).find(address)
        return Logs(self._settings.service.datadir, cluster.policy.name, address, place, fetcher(cluster, address))

    def _errors(self, request: Request) -> Reply:
        """A file on this host may be read while the server is down, so no session is needed for it."""
        known = self._settings.cluster(request.cluster)
        if known is not None and fetcher(known, request.server) is not None:
            return self._of_logs(lambda logs, at, arguments: logs.errors(arguments, at), request)

        def read(cluster: ClusterSettings) -> Any:
            Target.of(cluster, request.server)
            return self._logs(cluster, request.server).errors(request.arguments)

        return self._answer(request, read)

    def _of_logs(self, read: Callable[[Logs, Session, Mapping[str, str]], Any], request: Request) -> Reply:
        def work(at: Session, arguments: Mapping[str, str]) -> Any:
            return read(self._logs(self._cluster(request), request.server), at, arguments)

        return self._look(work, request)

    def _statement(self, work: Callable[[Session, str, str], Any], source: str, request: Request) -> Reply:
        """Explain or analyse the statement of a digest."""

        def find_and_do(at: Session, arguments: Mapping[str, str]) -> Any:
            wanted = arguments.get("digest", "")
            if source == "pfs":
                found = statements.find(at, wanted)
            else:
                entry = self._logs(self._cluster(request), request.server).find(at, wanted)
                found = (entry.schema, entry.statement) if entry else None
            return None if found is None else work(at, *found)

        if work is statements.explain:
            return self._act(find_and_do, request, SECONDS)
        return self._act(find_and_do, request, _seconds(request, _ANALYZE_SECONDS, _MOST_ANALYZE))

    def _kill(self, what: str, request: Request) -> Reply:
        def work(at: Session, arguments: Mapping[str, str]) -> Any:
            cluster = self._cluster(request)
            return switches.kill(at, arguments, frozenset((cluster.database.user, cluster.replication.user)), what)

        return self._act(work, request)

    def _wait_for_purge(self, request: Request) -> Reply:
        return self._act(switches.wait_for_purge, request, _seconds(request, _PURGE_SECONDS, _MOST_PURGE))

    def _top(self, request: Request) -> Reply:
        """What is done on the servers that answer, or on the one that is named."""

        def look(target: Target, deadline: Deadline) -> Any:
            with session(target, deadline) as at:
                found = self._readings.change(f"top:{target.key}", partial(reads.status, at))
                return {
                    "seconds": found.seconds,
                    "differences": found.differences,
                    "processes": reads.busy_processes(at, _TOP_ROWS),
                }

        return self._answer(request, lambda cluster: self._on_all(cluster, request.server, look))

    def _differences(self, request: Request) -> Reply:
        def look(target: Target, deadline: Deadline) -> Any:
            with session(target, deadline) as at:
                return reads.variables(at)

        return self._answer(request, lambda cluster: differences(self._on_all(cluster, "", look)))

    def _on_all(self, cluster: ClusterSettings, only: str, look: Callable[[Target, Deadline], Any]) -> dict[str, Any]:
        """What was found on each server that answers, by address; only on that one, when one is given."""
        wanted = [server.address for server in cluster.policy.servers if only in ("", server.address)]
        targets = [Target.of(cluster, address) for address in wanted]
        found = self._errands.run_all({target: partial(look, target) for target in targets})
        return {target.address: document for target, document in found.items()}

    def _cluster(self, request: Request) -> ClusterSettings:
        cluster = self._settings.cluster(request.cluster)
        if cluster is None:
            raise LookFailed(f"no cluster is called {request.cluster!r}", "unknown-cluster", "refused")
        return cluster


def _throw(switch: switches.Switch, at: Session, arguments: Mapping[str, str]) -> Any:
    return switches.throw(at, switch, arguments)


def _seconds(request: Request, default: float, most: float) -> float:
    """How long it may take: ``seconds``, within bounds."""
    text = request.arguments.get("seconds", "")
    known = text.isascii() and text.isdigit() and len(text) < 6
    return min(most, max(1.0, float(text))) if known else default
