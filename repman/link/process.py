"""What the process of one configured link does: it opens the link, publishes its status, and takes commands.

It has no loop of its own.  Who runs it opens it, serves `LinkProcess.application` over HTTP, and closes it in the end.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable

from flask import Flask
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_exponential

from repman.errors import LinkFailed, LinkRefused, StateError
from repman.link.doors import DIALECTS, Assignment, Door
from repman.link.status import State
from repman.link.view import Moment, connecting, view_of
from repman.model.command import Receipt
from repman.model.link import LinkAction, LinkCommand, LinkView
from repman.state.bus import link_server
from repman.state.links import LinkPublisher

LOG = logging.getLogger(__name__)

TOLD_EVERY = 0.5
"""Seconds between two publications."""
_LONGEST_WAIT = 5.0
"""Seconds between two attempts to connect."""

_DONE = {
    LinkAction.START: "The link has begun to copy.",
    LinkAction.PAUSE: "The link is being paused.",
    LinkAction.RESUME: "The link goes on.",
    LinkAction.FINALIZE: "Replication has stopped; indexes and collections are given their final form.",
    LinkAction.REVERSE: "The link changes its direction.",
}


class LinkProcess:
    """One link and what surrounds it; commands and publication have threads of their own."""

    def __init__(self, work: Assignment, each_turn: Callable[[], None] = lambda: None) -> None:
        """Nothing is opened before `open`.  `each_turn` is called whenever something is published."""
        self._work = work
        self._each_turn = each_turn
        self._door: Door | None = None
        self._trouble = ""
        self._publisher = LinkPublisher(work.rundir, work.name)
        self._one_at_a_time = threading.Lock()
        self._bus = link_server(work.socket, self.command)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._tell_always, name="publish", daemon=True)
        self._told = ("", "", "")

    def open(self) -> None:
        """Connect, however long that takes, and go on where the link was, or begin as configured.

        Raises StateError when another process of repman works on the same link.
        """
        self._bus.start()
        self._thread.start()
        attempts = Retrying(
            retry=retry_if_exception_type(LinkFailed),
            wait=wait_exponential(multiplier=0.5, max=_LONGEST_WAIT),
            after=self._tell_trouble,
        )
        self._door = attempts(self._opened)
        self._trouble = ""
        if self._work.automatic and self._door.link.status().state is State.IDLE:
            try:
                self._door.link.start(self._work.options, False)
            except (LinkRefused, LinkFailed) as error:
                LOG.error("the link cannot be started: %s", error)
                self._trouble = f"cannot be started: {error}"
        self._tell()

    def application(self) -> Flask:
        """The HTTP API of the link's dialect; only after `open`."""
        assert self._door is not None
        return self._door.application()

    def close(self) -> None:
        """Take no more commands, stop the link at a point from which it goes on, and say so."""
        if self._thread.ident is None:
            # Never opened: another process may hold the socket, and what is published is its own.
            return
        self._bus.close()
        self._stop.set()
        self._thread.join()
        if self._door is not None:
            self._door.link.close()
        self._tell(pid=0)

    def command(self, command: LinkCommand) -> Receipt:
        """Carry one command out; a refusal has the link's own reason."""
        door = self._door
        if door is None:
            sentence = f"The link is not connected yet{f': {self._trouble}' if self._trouble else ''}; try again later."
            return Receipt("refused", sentence, (("connecting", sentence),))
        LOG.info("%s asked by %s", command.action, command.user or "-")
        try:
            self._carry_out(door, command)
            self._trouble = ""
        except LinkRefused as refusal:
            return Receipt("refused", str(refusal), ((refusal.code, str(refusal)),))
        except LinkFailed as failure:
            return Receipt("failed", str(failure))
        finally:
            # Who asked looks at what is published next, and must not find what was before.
            self._tell()
        return Receipt("done", _DONE[command.action])

    def _carry_out(self, door: Door, command: LinkCommand) -> None:
        link = door.link
        match command.action:
            case LinkAction.START:
                link.start(self._work.options, command.again)
            case LinkAction.PAUSE:
                link.pause()
            case LinkAction.RESUME:
                link.resume(command.from_failure)
            case LinkAction.FINALIZE:
                link.finalize()
            case LinkAction.REVERSE:
                link.reverse()

    def _opened(self) -> Door:
        door = DIALECTS[self._work.face.dialect](self._work)
        try:
            door.link.open()
        except BaseException:
            door.link.close()
            raise
        return door

    def _tell_trouble(self, attempt: RetryCallState) -> None:
        assert attempt.outcome is not None
        trouble = str(attempt.outcome.exception())
        if trouble != self._trouble:
            LOG.warning("%s; tried again until it works", trouble)
        self._trouble = trouble
        self._tell()

    def _tell_always(self) -> None:
        while not self._stop.wait(TOLD_EVERY):
            self._tell()
            self._each_turn()

    def _tell(self, pid: int | None = None) -> None:
        with self._one_at_a_time:
            view = self._view(os.getpid() if pid is None else pid)
            try:
                self._publisher.publish(view)
            except StateError as error:
                LOG.error("%s", error)
            told = (view.state, view.phase, view.error)
            if told != self._told:
                LOG.info("state=%s phase=%s%s", view.state, view.phase, f": {view.error}" if view.error else "")
            self._told = told

    def _view(self, pid: int) -> LinkView:
        now = Moment(time.time(), time.monotonic(), pid)
        if self._door is None:
            return connecting(self._work.face, now, self._trouble)
        return view_of(self._work.face, now, self._door.link.status(), self._trouble)
