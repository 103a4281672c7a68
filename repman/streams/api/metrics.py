"""Metrics of streams for Prometheus, made anew at each scrape from what their processes told last."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from repman.streams.api.statistics import lag_of
from repman.streams.api.view import StreamView
from repman.streams.registry import Stream
from repman.streams.states import State

Seen = tuple[Stream, StreamView]


def text(seen: Callable[[], Iterable[Seen]]) -> bytes:
    """The page of metrics."""
    registry = CollectorRegistry()
    registry.register(_Streams(seen))
    return generate_latest(registry)


class _Streams(Collector):
    def __init__(self, seen: Callable[[], Iterable[Seen]]) -> None:
        self._seen = seen

    def describe(self) -> list[Metric]:
        """Nothing, so that registering it does not read the store."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All metrics, labelled with the stream's id; the first four are named as the original's."""
        seen = list(self._seen())
        ids = ["streamID"]
        source_in = GaugeMetricFamily("source_events_in", "Rows or row changes read.", labels=ids)
        target_out = GaugeMetricFamily("target_events_out", "Rows or row changes committed in the target.", labels=ids)
        durations = [
            GaugeMetricFamily(f"{side}_duration_seconds", "Seconds of running.", labels=["status", *ids])
            for side in ("source", "target")
        ]
        source_bytes = CounterMetricFamily("source_bytes", "Bytes of values read.", labels=ids)
        target_bytes = CounterMetricFamily("target_bytes", "Bytes of values committed in the target.", labels=ids)
        failed = CounterMetricFamily("stream_failed_rows", "Rows that the target did not take.", labels=ids)
        lag = GaugeMetricFamily("stream_lag_seconds", "Seconds by which the target is behind.", labels=ids)
        retained = GaugeMetricFamily("slot_retained_bytes", "Log that the source keeps for the stream.", labels=ids)
        state = GaugeMetricFamily("stream_state", "1 for the state that the stream is in.", labels=["state", *ids])
        for stream, view in seen:
            progress = view.progress
            source_in.add_metric([stream.id], progress.source.rows)
            target_out.add_metric([stream.id], progress.target.rows)
            for each in durations:
                each.add_metric([stream.status.value, stream.id], view.spent)
            source_bytes.add_metric([stream.id], progress.source.bytes)
            target_bytes.add_metric([stream.id], progress.target.bytes)
            failed.add_metric([stream.id], progress.failed)
            if (behind := lag_of(stream, view)) is not None:
                lag.add_metric([stream.id], behind)
            if progress.retained_bytes is not None:
                retained.add_metric([stream.id], progress.retained_bytes)
            for known in State:
                state.add_metric([known.value, stream.id], float(stream.status is known))
        yield from (source_in, target_out, *durations, source_bytes, target_bytes, failed, lag, retained, state)
