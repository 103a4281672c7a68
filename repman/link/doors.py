"""The dialects of configured links: what is steered behind each, and the HTTP API in front of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from flask import Flask

from repman.errors import LinkRefused
from repman.link.link import Link, Place
from repman.link.mongosync import app as mongosync
from repman.link.mongosync.answers import ApiError
from repman.link.mongosync.body import Start
from repman.link.mongosync.names import CLUSTERS
from repman.link.mongosync.pair import Pair
from repman.link.options import LinkOptions
from repman.link.percona import app as percona
from repman.link.percona.flavour import PLACE
from repman.link.percona.starting import StartRequest
from repman.link.serving import Listener
from repman.link.status import State, Status
from repman.link.view import Face


@dataclass(frozen=True, slots=True)
class Assignment:
    """One configured link, as its process is told of it."""

    face: Face
    source_uri: str = field(repr=False)
    target_uri: str = field(repr=False)
    listener: Listener
    rundir: Path
    socket: Path
    """Where commands come in."""
    options: LinkOptions
    """What repman's own start begins with."""
    namespaces: StartRequest = field(default_factory=StartRequest)
    """What a start of Percona's dialect begins with where it says nothing."""
    automatic: bool = False
    """Whether the link begins by itself when it was never started."""

    @property
    def name(self) -> str:
        """The link's name."""
        return self.face.name


class Steered(Protocol):
    """A link, or what holds one."""

    def open(self) -> None:
        """See `Link.open`."""

    def close(self) -> None:
        """See `Link.close`."""

    def status(self) -> Status:
        """See `Link.status`."""

    def start(self, options: LinkOptions, again: bool) -> None:
        """See `Link.start`."""

    def pause(self) -> None:
        """See `Link.pause`; also while it clones."""

    def resume(self, from_failure: bool) -> None:
        """See `Link.resume`."""

    def finalize(self) -> None:
        """See `Link.finalize`."""

    def reverse(self) -> None:
        """See `Link.reverse`."""


@dataclass(frozen=True, slots=True)
class Door:
    """What is steered, and the API that does it over HTTP."""

    link: Steered
    application: Callable[[], Flask]


def _percona(work: Assignment) -> Door:
    link = Link(work.source_uri, work.target_uri, replace(PLACE, id=work.name))
    return Door(link, lambda: percona.application(link, work.listener, defaults=work.namespaces))


def _mongosync(work: Assignment) -> Door:
    def make(source: str, target: str, place: Place, names: tuple[str, str]) -> Link:
        return Link(source, target, replace(place, id=work.name), names)

    pair = Pair(work.source_uri, work.target_uri, make)
    return Door(SteeredPair(pair), lambda: mongosync.application(pair, work.listener, work.name))


DIALECTS: Mapping[str, Callable[[Assignment], Door]] = {"percona": _percona, "mongosync": _mongosync}
"""What makes the door of each dialect; nothing is opened by it."""


class SteeredPair:
    """A pair in the words of a link: it starts from its first cluster, and refuses as a link does."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self.open = pair.open
        self.close = pair.close
        self.status = pair.status

    def start(self, options: LinkOptions, again: bool) -> None:
        """See `Link.start`; a pair that was committed starts no more."""
        _asked(lambda: self._pair.start(Start(CLUSTERS[0], options)))

    def pause(self) -> None:
        """See `Link.pause`."""
        _asked(self._pair.pause)

    def resume(self, from_failure: bool) -> None:
        """See `Link.resume`."""
        if not from_failure and self.status().state is State.FAILED:
            raise LinkRefused("not-paused", "it is not paused: it has failed")
        _asked(self._pair.resume)

    def finalize(self) -> None:
        """See `Link.finalize`."""
        _asked(self._pair.commit)

    def reverse(self) -> None:
        """See `Link.reverse`."""
        _asked(self._pair.reverse)


def _asked(call: Callable[[], None]) -> None:
    try:
        call()
    except ApiError as error:
        raise LinkRefused(error.name, str(error)) from error
