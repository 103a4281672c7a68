"""What a link counts and times while it works, for metrics."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import Metric

_SIZES = (10, 50, 100, 250, 500, 1000, 1500, 2000, 2500, 3000, 4000, 5000)
_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_WORKER = ("worker",)


class Figures:
    """Since the link began to work on what it does now.  Usable from several threads; the names are ClusterSync's."""

    def __init__(self) -> None:
        self._read = Counter("copy_read_document", "Documents that the clone read.", registry=None)
        self._read_bytes = Counter("copy_read_size_bytes", "Bytes that the clone read.", registry=None)
        self._inserted = Counter("copy_insert_document", "Documents that the clone inserted.", registry=None)
        self._read_seconds = Gauge(
            "copy_read_batch_duration_seconds", "How long the clone's last batch took to read.", registry=None
        )
        self._insert_seconds = Gauge(
            "copy_insert_batch_duration_seconds", "How long the clone's last batch took to insert.", registry=None
        )
        self._applied = Counter(
            "repl_worker_events_applied", "Events that a thread applied to the target.", _WORKER, registry=None
        )
        self._queued = Gauge("repl_worker_event_queue_size", "Events that wait for a thread.", _WORKER, registry=None)
        self._in_hand = Gauge(
            "repl_worker_bulk_queue_size", "Events that a thread is applying together.", _WORKER, registry=None
        )
        self._flush_size = Histogram(
            "repl_worker_flush_batch_size", "Events applied together.", _WORKER, registry=None, buckets=_SIZES
        )
        self._flush_seconds = Histogram(
            "repl_worker_flush_duration_seconds",
            "How long it took to apply events together.",
            _WORKER,
            registry=None,
            buckets=_SECONDS,
        )

    def idle(self, workers: int) -> None:
        """So many threads begin; nothing waits for any of them."""
        for number in range(workers):
            self._queued.labels(number).set(0)
            self._in_hand.labels(number).set(0)

    def collect(self) -> Iterator[Metric]:
        """Everything, as prometheus_client tells it."""
        for value in vars(self).values():
            yield from value.collect()

    def timed_batches(self, batches: Iterator[list[bytes]]) -> Iterator[list[bytes]]:
        """The same batches of documents; each is counted, and how long it took to come."""
        while True:
            began = time.monotonic()
            documents = next(batches, None)
            if documents is None:
                return
            self._read_seconds.set(time.monotonic() - began)
            self._read.inc(len(documents))
            self._read_bytes.inc(sum(map(len, documents)))
            yield documents

    @contextmanager
    def inserting(self, documents: int) -> Iterator[None]:
        """Around the insertion of so many documents."""
        began = time.monotonic()
        yield
        self._insert_seconds.set(time.monotonic() - began)
        self._inserted.inc(documents)

    def queued(self, worker: int, events: int) -> None:
        """So many events more wait for that thread."""
        self._queued.labels(worker).inc(events)

    @contextmanager
    def applying(self, worker: int, events: int) -> Iterator[None]:
        """Around the application of events that have waited for that thread."""
        self._queued.labels(worker).dec(events)
        self._in_hand.labels(worker).set(events)
        began = time.monotonic()
        yield
        self._flush_seconds.labels(worker).observe(time.monotonic() - began)
        self._flush_size.labels(worker).observe(events)
        self._applied.labels(worker).inc(events)
        self._in_hand.labels(worker).set(0)
