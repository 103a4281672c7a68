"""The statistics of a stream, in the shape and the order of the page."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from repman.streams.api.view import StreamView
from repman.streams.job import Count, Mode, Phase, TableProgress, TableState
from repman.streams.registry import Stream
from repman.streams.settings import mode_of, read
from repman.streams.states import TERMINAL, State

NANOSECONDS = 1_000_000_000


def statistics(stream: Stream, view: StreamView) -> dict[str, Any]:
    """The answer of ``/streams/{id}/stats``: what the page has first, what we add behind it."""
    progress = view.progress
    body = read(stream.document)
    intervals = body.reporting_intervals
    return {
        "configID": stream.config,
        "streamID": stream.id,
        "nodes": [
            {
                "id": stream.source_node,
                "type": "source",
                "stat": _stat(stream, view, progress.source, view.reported_source, intervals.source, 0),
            },
            {
                "id": stream.target_node,
                "type": "target",
                "stat": _stat(stream, view, progress.target, view.reported_target, intervals.target, progress.failed),
            },
        ],
        "status": stream.status.value,
        "mode": mode_of(body).value,
        "phase": phase_of(stream, view).value,
        "error": stream.error or view.trying,
        "reason": stream.code,
        "elapsedSeconds": round(view.spent, 3),
        "lagSeconds": lag_of(stream, view),
        "retainedBytes": progress.retained_bytes,
        "position": progress.position,
        "tables": [_table(table, stream) for table in progress.tables],
        "warnings": list(progress.warnings),
        "errors": list(progress.errors),
    }


def phase_of(stream: Stream, view: StreamView) -> Phase:
    """What is done at present, or was when it ended."""
    return Phase.DONE if stream.status is State.FINISHED else view.progress.phase


def lag_of(stream: Stream, view: StreamView) -> float | None:
    """Seconds by which the target is behind; None where nothing is followed at present."""
    follows = mode_of(read(stream.document)) is Mode.CDC and stream.status is State.RUNNING
    return view.progress.lag if follows else None


def aggregate(stream: Stream, view: StreamView) -> dict[str, Any]:
    """The short form of the first release: ``/streams/stat``."""
    progress = view.progress
    elapsed = round(view.spent * NANOSECONDS)
    sides = {"source": progress.source, "target": progress.target}
    return {
        "streamID": stream.id,
        **{
            name: {
                "counter": count.rows,
                "elapsed": elapsed,
                "started": moment(stream.started),
                "status": stream.status.value,
            }
            for name, count in sides.items()
        },
    }


def moment(seconds: float) -> str:
    """Unix seconds in RFC 3339 with nanoseconds, as Go's programs write them."""
    micros = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
    return f"{micros}000Z"


def _stat(
    stream: Stream, view: StreamView, count: Count, reported: Count, interval: int, failed: int
) -> dict[str, Any]:
    over = stream.status in TERMINAL
    return {
        "failedCounter": failed,
        "counter": count.rows,
        "prevDataSize": reported.bytes,
        "sumDataSize": count.bytes,
        "reportingInterval": interval if stream.status is State.RUNNING else 0,
        "start": moment(stream.started),
        "duration": round(view.spent * NANOSECONDS) if over else 0,
        "avgRate": round(count.bytes / view.spent) if over and view.spent > 0 else 0,
        "status": stream.status.value,
    }


def _table(table: TableProgress, stream: Stream) -> dict[str, Any]:
    return {
        "name": table.name,
        "status": _status(table.state, stream.status).value,
        "state": table.state.value,
        "events": table.rows,
        "size": table.bytes,
        "failed": table.failed,
        "estimatedRows": table.estimated_rows,
        "estimatedSizeBytes": table.estimated_bytes,
    }


def _status(state: TableState, whole: State) -> State:
    """A table's state in the words for streams."""
    if state is TableState.DONE:
        return State.FINISHED
    if state is TableState.FAILED:
        return State.FAILED
    if whole is not State.RUNNING:
        return whole
    return State.READY if state is TableState.WAITING else State.RUNNING
