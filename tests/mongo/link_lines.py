"""A line between a link and a cluster, which can be cut, or fall silent."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator

from mongo_stand import Member, ReplicaSet, free_port, wait_until


class Forwarder:
    """A port that leads to another one, until the line is cut."""

    def __init__(self, port: int) -> None:
        """Begins at once; `port` is where it leads."""
        self._to = ("127.0.0.1", port)
        self.port = free_port()
        self._lock = threading.Lock()
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._listener: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._selector = selectors.DefaultSelector()
        self._silent = threading.Event()
        self._cut = threading.Event()
        self._ending = threading.Event()
        self._asked, self._answered = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="forwarder")
        self._thread.start()
        self.mend()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def cut(self) -> None:
        """All connections break, and nobody can connect."""
        self._cut.set()
        self._change()

    def silence(self) -> None:
        """Nothing gets through any more, and nobody is told: as when a cable is pulled."""
        self._silent.set()
        self._change()

    def mend(self) -> None:
        """As before; what was sent into silence arrives now."""
        self._cut.clear()
        self._silent.clear()
        self._change()

    def end(self) -> None:
        self._ending.set()
        assert self._thread is not None
        self._thread.join()

    def _change(self) -> None:
        """Wait until the thread has seen what it is to do from now on."""
        self._answered.clear()
        self._asked.set()
        assert self._answered.wait(10)

    def _work(self) -> None:
        while not self._ending.is_set():
            if self._asked.is_set():
                self._asked.clear()
                self._obey()
                self._answered.set()
            if self._silent.is_set() or not self._selector.get_map():
                self._asked.wait(0.01)
                continue
            for key, _ in self._selector.select(0.01):
                if key.fileobj is self._listener:
                    self._accept()
                else:
                    assert isinstance(key.fileobj, socket.socket)
                    self._pass_on(key.fileobj)
        self._close()
        self._selector.close()

    def _obey(self) -> None:
        if self._cut.is_set():
            self._close()
        elif self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self._selector.register(self._listener, selectors.EVENT_READ)

    def _accept(self) -> None:
        assert self._listener is not None
        near, _ = self._listener.accept()
        try:
            far = socket.create_connection(self._to, 5)
        except OSError:
            near.close()
            return
        for one, other in ((near, far), (far, near)):
            self._pairs[one] = other
            self._selector.register(one, selectors.EVENT_READ)

    def _pass_on(self, one: socket.socket) -> None:
        other = self._pairs.get(one)
        if other is None:
            return  # its other end was closed in the same turn
        try:
            data = one.recv(1 << 16)
            if data:
                other.sendall(data)
                return
        except OSError:
            pass
        self._part(one)

    def _part(self, one: socket.socket) -> None:
        for end in (one, self._pairs[one]):
            del self._pairs[end]
            self._selector.unregister(end)
            end.close()

    def _close(self) -> None:
        while self._pairs:
            self._part(next(iter(self._pairs)))
        if self._listener is not None:
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None


@contextlib.contextmanager
def behind_forwarder(cluster: ReplicaSet) -> Iterator[Forwarder]:
    """A set of one member whose clients are sent through a forwarder; only its own goes to the member directly."""
    (member,) = cluster.members
    forwarder = Forwarder(member.port)
    readdress(member, forwarder.address)
    cluster.client.close()
    cluster.client = member.client()
    try:
        yield forwarder
    finally:
        forwarder.end()


def directly(cluster: ReplicaSet) -> str:
    """The address of its one member, which no forwarder is in front of."""
    (member,) = cluster.members
    return f"mongodb://{member.address}/?directConnection=true"


def readdress(member: Member, address: str) -> None:
    """From now on its set calls the member by that address."""
    with member.client() as client:
        config = client.admin.command("replSetGetConfig")["config"]
        config["version"] += 1
        config["members"][0]["host"] = address
        client.admin.command("replSetReconfig", config)
        wait_until(lambda: client.admin.command("hello").get("isWritablePrimary"), what="a primary")
