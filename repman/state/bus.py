"""Questions to a process of ours over a Unix socket: one question and one answer a connection.

A message is its length in four bytes, big end first, and a JSON document: a Command there and a Receipt back on
the monitor's socket, a Request there and a Reply back on the worker's, a LinkCommand there and a Receipt back on that of
a link's process.
Whoever may open the socket (its owner) may command; rights of API users are checked before.
"""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from repman.errors import LinkDown, MonitorDown, RepmanError, StateError, WorkerDown
from repman.model.command import Command, Receipt
from repman.model.link import LinkCommand
from repman.model.work import Reply, Request
from repman.state.codec import decode, encode

LOG = logging.getLogger(__name__)

MAX_REQUEST = 64 * 1024
MAX_ANSWER = 16 * 1024 * 1024
REQUEST_SECONDS = 5.0
"""How long a peer may take to say what it wants, and to take the answer."""
_LENGTH = struct.Struct(">I")
_LONGEST_ADDRESS = 107


Question = TypeVar("Question")
AnswerT = TypeVar("AnswerT")


class BusServer(Generic[Question]):
    """Answers questions with `handler`, each in its own thread, `at_once` of them at most.

    `handler` must be safe to call from several threads; what it raises becomes the answer that `troubled`
    makes of status (``refused`` or ``failed``), code and sentence.
    """

    def __init__(
        self,
        path: Path,
        asked: type[Question],
        handler: Callable[[Question], object],
        troubled: Callable[[str, str, str], object],
        at_once: int = 16,
    ) -> None:
        """Nothing is opened before `start`."""
        self._path = path
        self._asked = asked
        self._handler = handler
        self._troubled = troubled
        self._free = threading.BoundedSemaphore(at_once)
        self._listening: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self._lock = -1

    def start(self) -> None:
        """Listen; replaces what a dead process left.  Raises StateError when a living one listens there."""
        try:
            self._closing.clear()
            self._lock = _lock(self._path)
            self._listening = _listen(self._path)
        except OSError as error:
            self._unlock()
            raise StateError(
                f"The command socket {self._path} cannot be made: check that its directory exists and may be "
                f"written ({error})"
            ) from error
        self._thread = threading.Thread(target=self._accept, args=(self._listening,), name="bus", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more; commands that run go on and still answer."""
        if self._listening is None or self._thread is None:
            return
        self._closing.set()
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join(REQUEST_SECONDS)
        self._listening.close()
        self._listening = None
        self._path.unlink(missing_ok=True)
        self._unlock()

    def _unlock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                peer, _ = listening.accept()
            except OSError as error:
                if self._closing.is_set():
                    return
                LOG.warning("a command could not be accepted: %s", error)
                self._closing.wait(0.05)  # out of descriptors: wait for some to come free
                continue
            if self._free.acquire(blocking=False):
                threading.Thread(target=self._serve, args=(peer,), name="bus-peer", daemon=True).start()
            else:
                _answer(
                    peer,
                    self._troubled("refused", "busy", "Too many questions at once; try again when some have ended."),
                )

    def _serve(self, peer: socket.socket) -> None:
        try:
            _answer(peer, self._reply(peer))
        finally:
            self._free.release()

    def _reply(self, peer: socket.socket) -> object:
        try:
            question = decode(self._asked, _receive(peer, MAX_REQUEST, time.monotonic() + REQUEST_SECONDS))
        except (ValueError, OSError) as error:
            return self._troubled("refused", "malformed-command", f"This is no command, nothing was done: {error}.")
        try:
            return self._handler(question)
        except RepmanError as error:
            return self._troubled("failed", "failed", str(error))
        except Exception:
            LOG.exception("%s failed", question)
            return self._troubled("failed", "mistake", "repman made a mistake on this command; its log tells where.")


def monitor_server(path: Path, handler: Callable[[Command], Receipt], at_once: int = 16) -> BusServer[Command]:
    """The monitor's end: commands in, receipts out."""
    return BusServer(path, Command, handler, _troubled, at_once)


def link_server(path: Path, handler: Callable[[LinkCommand], Receipt], at_once: int = 8) -> BusServer[LinkCommand]:
    """A link's end: commands in, receipts out."""
    return BusServer(path, LinkCommand, handler, _troubled, at_once)


def _troubled(status: str, code: str, sentence: str) -> Receipt:
    return Receipt(status, sentence, ((code, sentence),) if status == "refused" else ())


def worker_server(path: Path, handler: Callable[[Request], Reply], at_once: int = 64) -> BusServer[Request]:
    """The worker's end: requests in, replies out."""

    def troubled(status: str, code: str, sentence: str) -> Reply:
        return Reply(status, sentence, code)

    return BusServer(path, Request, handler, troubled, at_once)


def ask(path: Path, command: Command, timeout: float) -> Receipt:
    """The monitor's answer to a command, within `timeout` seconds.

    Raises MonitorDown when no monitor listens, and when it does not answer in time: then the command may
    still be carried out.
    """
    return _ask(path, command, Receipt, timeout, _MONITOR)


def ask_worker(path: Path, request: Request, timeout: float) -> Reply:
    """The worker's answer to a request, within `timeout` seconds.  Raises WorkerDown, in the same cases."""
    return _ask(path, request, Reply, timeout, _WORKER)


def ask_link(path: Path, command: LinkCommand, timeout: float) -> Receipt:
    """A link's answer to a command, within `timeout` seconds.  Raises LinkDown, in the same cases."""
    peer = _Peer(f"process of the link {command.link}", f"link run {command.link}", LinkDown, "status of the link")
    return _ask(path, command, Receipt, timeout, peer)


@dataclass(frozen=True, slots=True)
class _Peer:
    name: str
    command: str
    down: type[RepmanError]
    status: str = "cluster's status"
    """What says whether a command was carried out."""


_MONITOR = _Peer("monitor", "monitor", MonitorDown)
_WORKER = _Peer("worker", "worker", WorkerDown)


def _ask(path: Path, question: object, answer: type[AnswerT], timeout: float, listener: _Peer) -> AnswerT:
    deadline = time.monotonic() + timeout
    who, down = listener.name, listener.down
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        try:
            _connect(peer, path, deadline)
        except TimeoutError:
            raise down(
                f"The {who} did not take the command within {timeout:g} s; nothing was done. See its log."
            ) from None
        except OSError as error:
            raise down(
                f"The {who} is not running: nobody listens on {path} ({error.strerror or error}). Start it "
                f"with `repman serve` or `repman {listener.command}`."
            ) from error
        try:
            with suppress(BrokenPipeError, ConnectionResetError):  # an answer may be there all the same
                _send(peer, encode(question), deadline)
            return decode(answer, _receive(peer, MAX_ANSWER, deadline))
        except TimeoutError:
            raise down(
                f"The {who} did not answer within {timeout:g} s; the command may still be carried out. "
                f"Look at the {listener.status} before you repeat it."
            ) from None
        except (OSError, ValueError) as error:
            raise down(
                f"The {who} went away before it answered ({error}); the command may have been carried out. "
                f"Look at the {listener.status} before you repeat it."
            ) from error


def _lock(path: Path) -> int:
    """Hold the lock beside the socket: who has it may replace the socket.  It ends with its process."""
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise StateError(
            f"Another process of repman listens on {path}; stop it, or give this one another run directory."
        ) from error
    return descriptor


def _listen(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Linux makes the socket's file with the mode of the unbound socket: there is no moment at which
        # others could open it.
        os.fchmod(listening.fileno(), 0o600)
        with _address(path) as address:
            listening.bind(address)
        listening.listen(64)
    except OSError:
        listening.close()
        raise
    return listening


@contextmanager
def _address(path: Path) -> Iterator[str]:
    """A name for the path that fits in a socket address, however deep the path lies."""
    if len(os.fsencode(path)) <= _LONGEST_ADDRESS:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


def _connect(peer: socket.socket, path: Path, deadline: float) -> None:
    with _address(path) as address:
        while True:
            peer.settimeout(_left(deadline))
            try:
                return peer.connect(address)
            except BlockingIOError:  # the queue of connections is full
                time.sleep(min(0.01, _left(deadline)))


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the time is over")
    return left


def _send(peer: socket.socket, document: bytes, deadline: float) -> None:
    peer.settimeout(_left(deadline))
    peer.sendall(_LENGTH.pack(len(document)) + document)


def _receive(peer: socket.socket, longest: int, deadline: float) -> bytes:
    (length,) = _LENGTH.unpack(_exactly(peer, _LENGTH.size, deadline))
    if length > longest:
        raise ValueError(f"a message of {length} bytes is too long")
    return _exactly(peer, length, deadline)


def _exactly(peer: socket.socket, length: int, deadline: float) -> bytes:
    received = bytearray()
    while len(received) < length:
        peer.settimeout(_left(deadline))
        part = peer.recv(length - len(received))
        if not part:
            raise ConnectionError("the connection was closed in the middle of a message")
        received += part
    return bytes(received)


def _answer(peer: socket.socket, receipt: object) -> None:
    """Send the answer, if anybody still waits for it."""
    with peer, suppress(OSError):
        _send(peer, encode(receipt), time.monotonic() + REQUEST_SECONDS)
