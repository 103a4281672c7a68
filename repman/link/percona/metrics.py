"""A link's status as Prometheus metrics; what is not known is left out, never told as zero."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR, CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from repman.link.figures import Figures
from repman.link.percona.flavour import Flavour
from repman.link.percona.render import initial_sync_lag
from repman.link.status import State, Status

_OWN = (
    ("oplog_left_seconds", "How long the oplog of the source still holds what was not read.", "oplog_seconds_left"),
    ("catch_up_seconds", "When the lag will be gone at the present rate.", "catch_up_seconds"),
    ("indexes", "Indexes that the target is to have.", "indexes_total"),
    ("indexes_built", "Indexes that the target has.", "indexes_built"),
    ("collections", "Collections to copy.", "collections_total"),
    ("collections_copied", "Collections that were copied.", "collections_done"),
)


def registry(status: Callable[[], Status], figures: Callable[[], Figures], flavour: Flavour) -> CollectorRegistry:
    """Everything that ``/metrics`` tells, asked for anew at each scrape."""
    made = CollectorRegistry(auto_describe=False)
    made.register(_Progress(status, figures, flavour))
    for common in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR):
        made.register(common)
    return made


class _Progress(Collector):
    def __init__(self, status: Callable[[], Status], figures: Callable[[], Figures], flavour: Flavour) -> None:
        self._status, self._figures = status, figures
        self._flavour = flavour

    def collect(self) -> Iterator[Metric]:
        """Called by prometheus_client."""
        status, prefix = self._status(), self._flavour.metrics_prefix
        for name, text, value in (*_counters(status, self._flavour), *_gauges(status)):
            kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            yield kind(prefix + name, text, value=value)
        up = GaugeMetricFamily(prefix + "state", "The state, as a label.", labels=["state"])
        for state in State:
            up.add_metric([state.value], float(status.state is state))
        yield up
        for metric in self._figures().collect():
            metric.name = prefix + metric.name
            # When a counter began to count is told by no other metric here.
            told = [each for each in metric.samples if not each.name.endswith("_created")]
            metric.samples = [each._replace(name=prefix + each.name) for each in told]
            yield metric


def _counters(status: Status, flavour: Flavour) -> Iterator[tuple[str, str, float]]:
    yield "events_read_total", "Events read from the source.", status.events_read
    yield "events_applied_total", "Events applied to the target.", status.events_applied
    if flavour is Flavour.PLM:
        yield "events_processed_total", "Events applied to the target.", status.events_applied
    yield "copy_insert_size_bytes_total", "Bytes that the clone inserted.", status.copied_bytes


def _gauges(status: Status) -> Iterator[tuple[str, str, float]]:
    lag = 0 if status.state is State.FAILED else status.lag_seconds
    yield "lag_time_seconds", "Logical seconds between source and target.", lag
    yield (
        "initial_sync_lag_time_seconds",
        "The same until the initial sync is complete.",
        initial_sync_lag(status, lag),
    )
    yield (
        "repl_event_queue_size",
        "Events that were read and not applied yet.",
        status.events_read - status.events_applied,
    )
    yield "estimated_total_size_bytes", "What there is to clone, estimated.", status.total_bytes
    for name, text, attribute in _OWN:
        value: float | None = getattr(status, attribute)
        if value is not None:
            yield name, text, value
