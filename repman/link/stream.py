"""The source's change stream: one for the whole cluster, read as bytes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from pymongo.errors import OperationFailure, PyMongoError

from repman.errors import HistoryLost
from repman.link.changes import timestamp, token_time
from repman.link.connection import Cluster, Document
from repman.link.frontier import Place
from repman.mongo import raw
from repman.mongo.patience import is_transient

LOG = logging.getLogger(__name__)

_AWAIT_MS = 500
"""How long the source waits for news before it answers that there are none."""
_BATCH = 10_000
_PAUSE = 0.3
"""Seconds between two attempts to open the stream."""
_LOST = frozenset({286, 136, 280, 260})
"""ChangeStreamHistoryLost, CappedPositionLost, ChangeStreamFatalError, InvalidResumeToken."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What the source answered once; often nothing."""

    events: list[bytes]
    place: Place
    """Where the stream goes on after them."""
    source_time: Timestamp | None
    """The newest operation of the source when it answered."""


class Stream:
    """Reads on from a place, whatever happens to the source meanwhile."""

    def __init__(self, source: Cluster, place: Place, batch: int = 0) -> None:
        """Nothing is read yet; `batch` events are asked for at once."""
        self._source = source
        self._place = place
        self._batch = batch or _BATCH
        self._pieces: dict[bytes, bytes] = {}
        """Of an event that the source sends in several."""

    def batches(self, stop: threading.Event) -> Iterator[Batch]:
        """Every answer until `stop` is set.  Raises HistoryLost, and PyMongoError for what does not pass."""
        while not stop.is_set():
            try:
                yield from self._read(stop)
            except PyMongoError as error:
                if isinstance(error, OperationFailure) and error.code in _LOST:
                    raise HistoryLost("oplog history is lost") from error
                if not is_transient(error):
                    raise
                LOG.warning("the change stream is opened anew: %s", error)
                self._pieces = {}
                stop.wait(_PAUSE)

    def _read(self, stop: threading.Event) -> Iterator[Batch]:
        admin = self._source.client.admin
        with self._source.client.start_session(causal_consistency=False) as session:

            def ask(command: Document) -> tuple[int, Batch]:
                reply: RawBSONDocument = admin.command(command, session=session, codec_options=raw.RAW)
                return self._batch_of(bytes(reply.raw))

            cursor, batch = ask(self._command())
            try:
                yield batch
                more = {
                    "getMore": cursor,
                    "collection": "$cmd.aggregate",
                    "batchSize": self._batch,
                    "maxTimeMS": _AWAIT_MS,
                }
                while cursor and not stop.is_set():
                    cursor, batch = ask(more)
                    yield batch
            finally:
                with suppress(PyMongoError):
                    admin.command({"killCursors": "$cmd.aggregate", "cursors": [cursor]}, session=session)

    def _command(self) -> Document:
        stage: dict[str, Any] = {"allChangesForCluster": True, "showExpandedEvents": True}
        if not self._source.sharded:
            # Only the servers' own description of an update tells where its fields stand afterwards.  The documents of
            # a collection that is converted or cloned as a capped one are marked like those of a chunk that migrates.
            stage |= {"showRawUpdateDescription": True, "showMigrationEvents": True}
        if self._place.token:
            stage["startAfter"] = RawBSONDocument(self._place.token)
        else:
            stage["startAtOperationTime"] = self._place.time
        pipeline: list[Document] = [{"$changeStream": stage}]
        if self._splits():
            pipeline.append({"$changeStreamSplitLargeEvent": {}})
        return {
            "aggregate": 1,
            "pipeline": pipeline,
            "cursor": {"batchSize": self._batch},
            "readConcern": {"level": "majority"},
        }

    def _splits(self) -> bool:
        """Whether the source sends events of more than 16 MB in pieces."""
        version = self._source.version
        return version >= (7,) or (6, 0, 9) <= version < (6, 1)

    def _batch_of(self, reply: bytes) -> tuple[int, Batch]:
        cursor, documents, cursor_fields = raw.batch(reply)
        events = self._whole(documents) if self._splits() else documents
        token = cursor_fields.get(b"postBatchResumeToken")
        if token is not None and not self._pieces:
            self._place = Place(token_time(token), token)
        elif events:
            token = raw.fields(documents[-1])[b"_id"]
            self._place = Place(token_time(token), token)
        moment = raw.fields(reply).get(b"operationTime")
        return cursor, Batch(events, self._place, timestamp(moment) if moment is not None else None)

    def _whole(self, documents: list[bytes]) -> list[bytes]:
        """The events, put together where they came in pieces."""
        events = []
        for document in documents:
            piece = raw.fields(document).get(b"splitEvent")
            if piece is None:
                events.append(document)
                continue
            self._pieces.update(raw.elements(document))
            if _is_last(piece):
                events.append(raw.document(*self._pieces.values()))
                self._pieces = {}
        return events


def _is_last(piece: bytes) -> bool:
    numbers = raw.fields(piece)
    return numbers[b"fragment"] == numbers[b"of"]
