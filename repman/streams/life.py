"""The life of streams: start, pause, resume, stop, forget.

A state is decided here and stored at once; processes follow it.  All calls take turns, so that of two that exclude each
other the first wins and the second is refused.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from repman.errors import RepmanError, StreamRefused, UnknownStream
from repman.streams import comparing
from repman.streams.api.bodies import BadField
from repman.streams.api.view import directory_of
from repman.streams.configs import check_ends, settings_of
from repman.streams.connections import Connection
from repman.streams.ids import SOURCE_NODE, STREAM, TARGET_NODE, new_id
from repman.streams.job import Mover, StreamSettings
from repman.streams.movers import mover
from repman.streams.registry import Config, Registry, Stream
from repman.streams.settings import read
from repman.streams.states import ACTIVE, LIVING, Call, State, after_call
from repman.streams.supervising import Children, Watch, has_to_give_back

LOG = logging.getLogger(__name__)

PATIENCE = 8.0
"""Seconds that a call waits for a process to end in order; clients wait ten for an answer."""


class Life:
    """Every stream's life; usable from several threads.

    Raises UnknownStream for an id that there is not, StreamRefused where the state does not allow a call, and
    StateError when the store cannot be used.
    """

    def __init__(
        self,
        data: Path,
        registry: Registry,
        children: Children,
        watch: Watch,
        movers: Callable[[StreamSettings], Mover] = mover,
    ) -> None:
        """`data`: the data directory."""
        self._data = data
        self._registry = registry
        self._children = children
        self._watch = watch
        self._movers = movers
        self._turn = threading.Lock()
        self._starting: set[str] = set()

    def connection(self, field: str, identifier: str) -> Connection:
        """The connection that stands in that field."""
        found = self._registry.connection(identifier)
        if found is None:
            raise UnknownStream(f"{field}: there is no connection {identifier[:80]}")
        return found

    def stream(self, identifier: str) -> Stream:
        """The stream of that id, as it is now."""
        found = self._registry.stream(identifier)
        if found is None:
            raise UnknownStream(f"there is no stream {identifier[:80]}")
        return self._watch.note(found)

    def streams(self, config: str = "") -> tuple[Stream, ...]:
        """All streams as they are now, or those of one configuration, oldest first."""
        return tuple(self._watch.note(stream) for stream in self._registry.streams(config))

    def start(self, config_id: str) -> Stream:
        """Begin a new stream of a configuration.

        Raises BadField with everything that stands against it in source and target, and StreamUnreachable when
        they cannot be asked.
        """
        self._config(config_id)
        # Slot and checkpoint belong to the configuration: the last stream must not drop those of the next.
        self._watch.await_end(lambda: not self._giving_back(config_id), PATIENCE)
        with self._turn:
            self._admit(config_id)
            config = self._config(config_id)
            self._starting.add(config_id)
        try:
            made = self._checked(config)
        except BaseException:
            self._starting.discard(config_id)
            raise
        with self._turn:
            self._starting.discard(config_id)
            self._admit(config_id)
            self._registry.add_stream(made)
        LOG.info("stream=%s status=READY config=%s", made.id, config_id)
        self._children.wake()
        return made

    def pause(self, identifier: str) -> Stream:
        """Let a stream rest; when this returns, it has committed what it had begun, unless that took too long."""
        return self._end_process(identifier, Call.PAUSE)

    def stop(self, identifier: str, force: bool = False) -> Stream:
        """End a stream for good; with `force` without waiting for what it has begun, which is rolled back."""
        return self._end_process(identifier, Call.STOP, force)

    def resume(self, identifier: str) -> Stream:
        """Let a stream go on after a pause."""
        with self._turn:
            moved = self._call(identifier, Call.RESUME)
            comparing.cancel(self._data, identifier)
        self._children.wake()
        return moved

    def compare(self, identifier: str, repair: bool) -> comparing.Request:
        """Let source and target of a stream that does not run be compared, and what differs be copied once more."""
        with self._turn:
            stream = self.stream(identifier)
            if stream.status in ACTIVE:
                told = f"a stream that is {stream.status} cannot be compared: pause it, or wait until it is finished"
                raise StreamRefused(told, "ILLEGAL_STATE")
            if comparing.request(self._data, identifier) is not None:
                raise StreamRefused("source and target are being compared already", "ILLEGAL_STATE")
            made = comparing.ask(self._data, identifier, repair)
            self._watch.compare(identifier)
        self._children.wake()
        return made

    def forget(self, identifier: str) -> None:
        """Forget a stream that is over; what it still holds in source and target is given back."""
        stream = self.stream(identifier)
        if stream.status in LIVING:
            raise StreamRefused(f"the stream is {stream.status}: stop it first", "ACTIVE", (stream.id,))
        with self._nothing_starts(stream.config):
            self._give_back(stream)
            self._drop([stream])

    def forget_config(self, identifier: str) -> None:
        """Forget a configuration and its streams."""
        with self._nothing_starts(identifier):
            streams = self._registry.streams(identifier)
            if living := [stream.id for stream in streams if stream.status in LIVING]:
                raise _in_use(living)
            for stream in streams:
                self._give_back(stream)
            self._drop(streams)
            self._registry.drop_configs([identifier])

    def no_stream_of(self, config_id: str, states: frozenset[State]) -> None:
        """Raises StreamRefused when a stream of that configuration is in one of those states, or is being started."""
        blocking = [stream.id for stream in self.streams(config_id) if stream.status in states]
        if blocking or config_id in self._starting:
            raise _in_use(blocking)

    def no_stream_with(self, connection_id: str) -> None:
        """Raises StreamRefused when a stream that runs uses that connection."""
        blocking = [
            stream.id for stream in self.streams() if stream.status in ACTIVE and connection_id in ends_of(stream)
        ]
        if blocking:
            told = f"the connection is used by {', '.join(blocking)}: pause or stop it first"
            raise StreamRefused(told, "IN_USE", blocking)

    def _config(self, identifier: str) -> Config:
        found = self._registry.config(identifier)
        if found is None:
            raise UnknownStream(f"there is no stream configuration {identifier[:80]}")
        return found

    @contextmanager
    def _nothing_starts(self, config_id: str) -> Iterator[None]:
        """No stream of that configuration is started while the block runs; raises StreamRefused when one is.

        Databases are asked meanwhile, so that other calls must not have to wait.
        """
        with self._turn:
            if config_id in self._starting:
                raise _in_use([])
            self._starting.add(config_id)
        try:
            yield
        finally:
            self._starting.discard(config_id)

    def _admit(self, config_id: str) -> None:
        """Raises StreamRefused when no stream of that configuration may be started now."""
        streams = self.streams()
        paused = [stream.id for stream in streams if stream.status is State.PAUSED]
        if paused:
            told = f"a new stream cannot be started while others are paused ({', '.join(paused)}): resume or stop them"
            raise StreamRefused(told, "STREAM_STATE", paused)
        running = [stream.id for stream in streams if stream.config == config_id and stream.status in ACTIVE]
        if running:
            told = f"the configuration has a running stream already ({', '.join(running)}): stop it first"
            raise StreamRefused(told, "STREAM_STATE", running)
        if giving_back := self._giving_back(config_id):
            told = f"{', '.join(giving_back)} still gives back what it held in source and target: try again later"
            raise StreamRefused(told, "STREAM_STATE", giving_back)
        if config_id in self._starting:
            raise StreamRefused("the configuration is being started by somebody else", "STREAM_STATE")

    def _giving_back(self, config_id: str) -> list[str]:
        return [stream.id for stream in self.streams(config_id) if has_to_give_back(stream)]

    def _checked(self, config: Config) -> Stream:
        """A new stream, once nothing stands against it; raises BadField and StreamUnreachable."""
        # A connection may have been changed since: what was two places may be one now.
        check_ends(read(config.document), self.connection)
        made = self._new(config)
        if problems := self._movers(settings_of(made, self._data, self.connection)).check():
            raise BadField("", "the stream cannot be started: " + "; ".join(problems), list(problems))
        return made

    def _new(self, config: Config) -> Stream:
        now = time.time()
        moment = int(now)
        return Stream(
            id=new_id(STREAM, moment),
            config=config.id,
            created=moment,
            status=State.READY,
            document=config.document,
            source_node=new_id(SOURCE_NODE, moment),
            target_node=new_id(TARGET_NODE, moment),
            started=now,
        )

    def _end_process(self, identifier: str, call: Call, force: bool = False) -> Stream:
        with self._turn:
            pid = self._children.pid(identifier)
            moved = self._call(identifier, call)
        if force:
            self._children.kill(identifier)
        self._children.wake()
        if pid is not None:
            self._watch.await_end(lambda: self._children.pid(identifier) != pid, PATIENCE)
        return self._watch.note(moved)

    def _call(self, identifier: str, call: Call) -> Stream:
        stream = self.stream(identifier)
        after = after_call(stream.status, call)
        also: dict[str, object] = {"ended": time.time()} if after is State.STOPPED else {}
        if not self._registry.move(stream, after, **also):
            raise StreamRefused(f"the stream was {stream.status} and is no more: look at it again", "ILLEGAL_STATE")
        LOG.info("stream=%s status=%s", identifier, after)
        return self._registry.stream(identifier) or stream

    def _drop(self, streams: Iterable[Stream]) -> None:
        gone = [stream.id for stream in streams]
        self._registry.drop_streams(gone)
        for identifier in gone:
            shutil.rmtree(directory_of(self._data, identifier), ignore_errors=True)

    def _give_back(self, stream: Stream) -> None:
        """What the stream holds, unless another one of its configuration goes on with it.

        That a database is gone for good must not keep anybody from forgetting a stream.
        """
        others = [each for each in self.streams(stream.config) if each.id != stream.id and each.status in LIVING]
        if not stream.holding or others:
            return
        with suppress(UnknownStream):
            try:
                self._movers(settings_of(stream, self._data, self.connection)).release()
            except RepmanError as error:
                LOG.warning("stream=%s: what it holds in its databases could not be given back: %s", stream.id, error)


def _in_use(blocking: list[str]) -> StreamRefused:
    told = f"the configuration has a stream that is not over ({', '.join(blocking) or 'starting'}): stop it first"
    return StreamRefused(told, "ACTIVE", blocking)


def ends_of(stream: Stream) -> set[str]:
    """The connections that a stream uses."""
    body = read(stream.document)
    return {body.source, body.target, *body.source_members}
