"""Makes families of Prometheus samples; what is None was not observed and is left out, never told as zero."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, StateSetMetricFamily

Sample = tuple[Sequence[str], float | None]
"""Values of the labels, and the value."""


def gauge(name: str, text: str, labels: Sequence[str], samples: Iterable[Sample]) -> GaugeMetricFamily:
    """A value that goes up and down."""
    made = GaugeMetricFamily(name, text, labels=labels)
    for values, value in samples:
        if value is not None:
            made.add_metric(values, float(value))
    return made


def counter(name: str, text: str, labels: Sequence[str], samples: Iterable[Sample]) -> CounterMetricFamily:
    """A value that only grows until it begins anew; `_total` is added to the name."""
    made = CounterMetricFamily(name, text, labels=labels)
    for values, value in samples:
        if value is not None:
            made.add_metric(values, float(value))
    return made


def states(
    name: str, text: str, labels: Sequence[str], known: Iterable[str], samples: Iterable[tuple[Sequence[str], str]]
) -> StateSetMetricFamily:
    """One series for each state, of which exactly one is 1; the label with the state is called as the family."""
    every = tuple(known)
    made = StateSetMetricFamily(name, text, labels=labels)
    for values, state in samples:
        made.add_metric(values, {each: each == state for each in every})
    return made
