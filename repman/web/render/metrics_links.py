"""Links between MongoDB clusters as Prometheus metrics, each with the label `link`.

What is not known is left out, never told as zero; of a link whose process does not run nothing is known.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from repman.config.settings_link import LinkSettings
from repman.model.link import LinkView
from repman.state.links import is_fresh
from repman.web.render.links import state_of

_LINK = ("link",)
_GAUGES = (
    ("lag_seconds", "Seconds that the target is behind the source.", "lag_seconds"),
    ("bytes_copied", "Bytes of documents that the clone has copied.", "copied_bytes"),
    ("bytes_to_copy", "Bytes of documents that the clone has to copy in all, estimated.", "total_bytes"),
    ("oplog_seconds_left", "Seconds for which the source's oplog still holds what was not read.", "oplog_seconds_left"),
    ("can_write", "Whether clients may write to the target.", "can_write"),
)
_COUNTERS = (
    ("events_read", "Events read from the source.", "events_read"),
    ("events_applied", "Events applied to the target.", "events_applied"),
)


class LinkMetrics(Collector):
    """The metrics of all configured links."""

    def __init__(self, links: Iterable[tuple[LinkSettings, LinkView | None, float]]) -> None:
        """`links`: each with what it published last, and how many seconds ago."""
        self._links = list(links)

    def collect(self) -> Iterator[Metric]:
        """Called by prometheus_client."""
        if not self._links:
            return
        live = [(link.name, view) for link, view, age in self._links if view and is_fresh(view, age)]
        names = {name for name, _ in live}
        yield _gauge(
            "up", "Whether the link's process runs.", [(link.name, link.name in names) for link, *_ in self._links]
        )
        states = GaugeMetricFamily("repman_link_state", "The link's state, as a label.", labels=("link", "state"))
        for link, view, age in self._links:
            states.add_metric((link.name, state_of(link, view, age)), 1.0)
        yield states
        ages = [(link.name, age) for link, _, age in self._links if math.isfinite(age)]
        yield _gauge("age_seconds", "Seconds since the link's process told anything.", ages)
        for metric, text, attribute in _GAUGES:
            yield _gauge(metric, text, [(name, getattr(seen, attribute)) for name, seen in live])
        for metric, text, attribute in _COUNTERS:
            counted = CounterMetricFamily(f"repman_link_{metric}", text, labels=_LINK)
            for name, seen in live:
                counted.add_metric((name,), float(getattr(seen, attribute)))
            yield counted


def _gauge(name: str, text: str, samples: Sequence[tuple[str, float | None]]) -> GaugeMetricFamily:
    made = GaugeMetricFamily(f"repman_link_{name}", text, labels=_LINK)
    for link, value in samples:
        if value is not None:
            made.add_metric((link,), float(value))
    return made
