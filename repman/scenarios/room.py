"""The worker's room for scenarios and traffic."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass

import pymysql

from repman.config.settings import ClusterSettings, Settings
from repman.errors import RepmanError
from repman.model.scenario import SCENARIOS, Scenario, Verdict, find
from repman.model.work import Reply, Request
from repman.orchestrators.base import Orchestrator
from repman.scenarios import traffic
from repman.scenarios.field import Field
from repman.scenarios.play import play
from repman.scenarios.traffic import Traffic
from repman.worker.handler import Handler

LOG = logging.getLogger(__name__)

_MOST_THREADS = 16
_MOST_RATE = 1000.0

Control = Callable[[ClusterSettings], Orchestrator | None]
"""Finds the orchestrator of a cluster."""


@dataclass(frozen=True, slots=True)
class _Running:
    field: Field
    made: Traffic


class ScenarioRoom:
    """Plays scenarios, one at a time in each cluster, and keeps traffic going."""

    def __init__(self, settings: Settings, control: Control) -> None:
        self._settings = settings
        self._control = control
        self._playing: set[str] = set()
        self._traffic: dict[str, _Running] = {}
        self._lock = threading.Lock()
        self._ending = threading.Event()

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """See `Room`."""
        return {
            "scenario-run": self._run,
            "traffic-start": self._start_traffic,
            "traffic-stop": self._stop_traffic,
            "traffic": self._tell_traffic,
        }

    def start(self) -> None:
        """See `Room`."""

    def reload(self, settings: Settings) -> None:
        """See `Room`; traffic of a cluster that is no longer configured ends, its rows stay."""
        self._settings = settings
        with self._lock:
            gone = [name for name in self._traffic if settings.cluster(name) is None]
            ended = [self._traffic.pop(name) for name in gone]
        for one in ended:
            one.made.stop(2.0)

    def stop(self) -> None:
        """See `Room`."""
        self._ending.set()
        with self._lock:
            running = list(self._traffic.values())
            self._traffic.clear()
        for one in running:
            one.made.stop(2.0)

    def _run(self, request: Request) -> Reply:
        cluster = self._cluster(request.cluster)
        wanted, unknown = _wanted(request.arguments.get("name", ""))
        if unknown:
            verdicts = [Verdict(name, "FAIL", "There is no such test.", 0.0) for name in unknown]
            return Reply("refused", f"no test is called {', '.join(unknown)}", "unknown-test", _documents(verdicts))
        if not (cluster.test or request.arguments.get("force") == "true"):
            return Reply(
                "refused",
                f"tests move the writer of {request.cluster} and kill its servers: set the option test for a cluster "
                "that is there to be tested, or give force=true",
                "no-test-cluster",
            )
        with self._alone(request.cluster) as alone:
            if not alone:
                return Reply("refused", f"a test is being played on {request.cluster}; wait for its end", "busy")
            if request.cluster in self._traffic:
                return Reply("refused", "traffic is on, and tests bring their own; stop it first", "traffic-on")
            verdicts = [self._play(scenario, cluster, request.user) for scenario in wanted]
        return Reply("done", _summary(verdicts), document=_documents(verdicts))

    def _play(self, scenario: Scenario, cluster: ClusterSettings, user: str) -> Verdict:
        if self._ending.is_set():
            return Verdict(scenario.name, "ERR", "the worker ends", 0.0)
        LOG.info("scenario cluster=%s name=%s begins", cluster.policy.name, scenario.name)
        field = self._field(cluster, user)
        verdict = play(scenario, field, len(cluster.policy.servers))
        LOG.info(
            "scenario cluster=%s name=%s result=%s: %s",
            cluster.policy.name,
            scenario.name,
            verdict.result,
            verdict.sentence,
        )
        return verdict

    def _start_traffic(self, request: Request) -> Reply:
        cluster = self._cluster(request.cluster)
        threads, rate = _number(request, "threads", 2, _MOST_THREADS), _number(request, "rate", 20, _MOST_RATE)
        if threads is None or rate is None:
            told = f"threads is a number from 1 to {_MOST_THREADS}, rate one from 1 to {_MOST_RATE:g} writes a second"
            return Reply("refused", told, "bad-argument")
        with self._alone(request.cluster) as alone:
            if not alone:
                return Reply("refused", f"a test is being played on {request.cluster}; wait for its end", "busy")
            if request.cluster in self._traffic:
                return Reply("done", "traffic was on already", "unchanged", self._document(request.cluster))
            field = self._field(cluster, request.user)
            made = field.lay_traffic(int(threads), rate, endless=True)
            made.start()
            self._traffic[request.cluster] = _Running(field, made)
        return Reply("done", f"traffic is on: {int(threads)} threads", document=self._document(request.cluster))

    def _stop_traffic(self, request: Request) -> Reply:
        cluster = self._cluster(request.cluster)
        with self._lock:
            running = self._traffic.pop(request.cluster, None)
        if running is None:
            return Reply("done", "traffic was off already", "unchanged", {"on": False})
        figures = running.made.stop()
        document = {"on": False, **asdict(figures)}
        try:
            with contextlib.closing(running.field.connect(running.field.writer)) as connection:
                traffic.clear(connection)
        except (RepmanError, pymysql.Error, OSError) as error:
            told = f"traffic is off; its schema {traffic.SCHEMA} on {cluster.policy.name} could not be removed: {error}"
            return Reply("failed", told, "left-behind", document)
        return Reply("done", "traffic is off", document=document)

    def _tell_traffic(self, request: Request) -> Reply:
        return Reply("done", document=self._document(request.cluster))

    def _document(self, cluster: str) -> dict[str, object]:
        running = self._traffic.get(cluster)
        return {"on": True, **asdict(running.made.figures())} if running is not None else {"on": False}

    @contextlib.contextmanager
    def _alone(self, cluster: str) -> Iterator[bool]:
        """Yields whether nobody else plays on that cluster."""
        with self._lock:
            free = cluster not in self._playing
            if free:
                self._playing.add(cluster)
        try:
            yield free
        finally:
            if free:
                with self._lock:
                    self._playing.discard(cluster)

    def _field(self, cluster: ClusterSettings, user: str) -> Field:
        return Field(self._settings, cluster, self._control(cluster), self._ending, user)

    def _cluster(self, name: str) -> ClusterSettings:
        found = self._settings.cluster(name)
        if found is None:
            raise RepmanError(f"no cluster is called {name!r}")
        return found


def _wanted(text: str) -> tuple[list[Scenario], list[str]]:
    """The scenarios of a comma list; ALL and SUITE mean all."""
    if text.strip().lower() in ("all", "suite"):
        return list(SCENARIOS), []
    names = [name.strip() for name in text.split(",") if name.strip()]
    found = [(name, find(name)) for name in names]
    return [each for _, each in found if each is not None], [name for name, each in found if each is None]


def _number(request: Request, name: str, default: float, most: float) -> float | None:
    text = request.arguments.get(name, "")
    if not text:
        return default
    return float(text) if text.isascii() and text.isdigit() and 1 <= int(text) <= most else None


def _summary(verdicts: list[Verdict]) -> str:
    passed = sum(1 for verdict in verdicts if verdict.result == "PASS")
    return f"{passed} of {len(verdicts)} passed"


def _documents(verdicts: list[Verdict]) -> list[dict[str, object]]:
    return [asdict(verdict) for verdict in verdicts]
