"""The probe process over real sockets."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from haproxy_stand import CLUSTER, Peer, Probes, running, wait_until

from repman.errors import ConfigError
from repman.probes.process import run

pytestmark = pytest.mark.integration
PATH = f"/clusters/{CLUSTER}/servers/db1/master-status"


@pytest.fixture(scope="module")
def probes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Probes]:
    peers = [Peer("db1"), Peer("db2")]
    made = Probes(tmp_path_factory.mktemp("run"), peers)
    with running(made, *peers):
        made.publish("db1", ["db2"])
        made.start()
        yield made


class Client:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 2)
        self.got = b""

    def say(self, text: str) -> None:
        self.socket.sendall(text.encode())

    def say_until_stuck(self, text: str) -> None:
        """Send piece by piece; raises TimeoutError when a piece is not taken."""
        left = memoryview(text.encode())
        while left:
            left = left[self.socket.send(left[:65536]) :]

    def response(self, body: bool = True) -> tuple[int, dict[str, str], str]:
        while b"\r\n\r\n" not in self.got:
            self._more()
        head, _, self.got = self.got.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {line.partition(": ")[0].lower(): line.partition(": ")[2] for line in lines}
        length = int(headers["content-length"]) if body else 0
        while len(self.got) < length:
            self._more()
        text, self.got = self.got[:length], self.got[length:]
        return int(first.split(" ")[1]), headers, text.decode()

    def _more(self) -> None:
        data = self.socket.recv(65536)
        assert data, "closed in mid-answer"
        self.got += data

    def rest(self) -> str:
        try:
            return (self.got + b"".join(iter(lambda: self.socket.recv(65536), b""))).decode()
        finally:
            self.socket.close()


def ask(probes: Probes, text: str) -> tuple[int, dict[str, str], str]:
    client = Client(probes.port)
    try:
        client.say(text)
        return client.response()
    finally:
        client.socket.close()


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        (PATH, 200, "200 -Valid Master!"),
        ("/api" + PATH, 200, "200 -Valid Master!"),
        (PATH.replace("db1", "db2"), 503, "503 -Not a Valid Master!"),
        (PATH.replace("db1", "id-db1"), 200, "200 -Valid Master!"),
        (PATH.replace("master-status", "is-slave"), 503, "503 -Not a Valid Slave!"),
        (PATH.replace("db1/master-status", "db2/slave-status"), 200, "200 -Valid Slave!"),
        (PATH.replace(CLUSTER, "nowhere"), 500, "No cluster!"),
        (PATH.replace(CLUSTER, "..%2F..%2Fetc"), 500, "No cluster!"),
        (PATH.replace("db1", "nobody"), 503, "503 -Not a Valid Master!"),
        ("/healthz", 200, "ok"),
    ],
)
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_the_contract(probes: Probes, path: str, status: int, text: str, version: str) -> None:
    got, headers, body = ask(probes, f"GET {path} HTTP/{version}\r\nHost: x\r\n\r\n")
    assert (got, body) == (status, text)
    assert headers["content-type"].startswith("text/plain")
    known = status != 500 and path != "/healthz"
    assert bool(re.fullmatch(r"\d+\.\d", headers.get("x-repman-age", ""))) == known


def test_host_and_port(probes: Probes) -> None:
    address = probes.publish("db1", ["db2"]).writer.replace(":", "/")
    path = f"/clusters/{CLUSTER}/servers/{address}/is-master"
    assert ask(probes, f"GET {path} HTTP/1.1\r\n\r\n")[0] == 200


def test_the_age_is_told_and_a_new_table_answers_at_once(probes: Probes) -> None:
    probes.publish("db1", ["db2"], age=17.0)
    status, headers, _ = ask(probes, f"GET {PATH} HTTP/1.1\r\n\r\n")
    assert status == 200
    assert 17.0 <= float(headers["x-repman-age"]) < 18.0
    probes.publish("db2", ["db1"])
    assert ask(probes, f"GET {PATH} HTTP/1.1\r\n\r\n")[0] == 503
    probes.publish("db1", ["db2"])
    assert ask(probes, f"GET {PATH} HTTP/1.1\r\n\r\n")[0] == 200


def test_keep_alive_pipelining_and_close(probes: Probes) -> None:
    client = Client(probes.port)
    request = f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n"
    for _ in range(3):
        client.say(request)
        assert client.response()[0] == 200
    other = request.replace("db1", "db2")
    client.say((request + other) * 50 + request[:30])
    assert [client.response()[0] for _ in range(100)] == [200, 503] * 50
    client.say(request[30:].replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n") + request)
    assert client.response()[1]["connection"] == "close"
    assert client.rest() == ""


def test_http_1_0(probes: Probes) -> None:
    client = Client(probes.port)
    client.say(f"OPTIONS {PATH} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert client.response()[1]["connection"] == "keep-alive"
    client.say(f"GET {PATH} HTTP/1.0\r\n\r\n")
    answer = client.rest()
    assert answer.startswith("HTTP/1.0 200 OK\r\n")
    assert answer.endswith("\r\n\r\n200 -Valid Master!")


def test_head_has_no_body(probes: Probes) -> None:
    client = Client(probes.port)
    client.say(f"HEAD {PATH} HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert client.rest().endswith("\r\n\r\n")


def test_byte_by_byte(probes: Probes) -> None:
    client = Client(probes.port)
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for letter in f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n":
        client.say(letter)
    assert client.response()[0] == 200
    client.socket.close()


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("nonsense\r\n\r\n", 400),
        ("GET / HTTP/3.0\r\n\r\n", 400),
        (f"POST {PATH} HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 405),
        (f"GET {PATH} HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 400),
        ("GET / HTTP/1.1\r\nX: " + "x" * 9000, 431),
        ("GET /" + "x" * 9000 + " HTTP/1.1\r\n\r\n", 431),
        ("GET /elsewhere HTTP/1.1\r\nConnection: close\r\n\r\n", 404),
    ],
)
def test_bad_requests_are_answered_and_closed(probes: Probes, text: str, status: int) -> None:
    client = Client(probes.port)
    client.say(text)
    client.socket.shutdown(socket.SHUT_WR)
    assert client.rest().startswith(f"HTTP/1.1 {status} ")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (f"write {CLUSTER} db1\n", "up\n"),
        (f"write {CLUSTER} db2\r\n", "down\n"),
        (f"read {CLUSTER} db2\n", "up\n"),
        (f"read {CLUSTER} nobody\n", "down\n"),
        ("write nowhere db1\n", ""),
        (f"write {CLUSTER}\n", ""),
        ("write " + "x" * 9000, ""),
    ],
)
def test_agent(probes: Probes, line: str, told: str) -> None:
    client = Client(probes.port)
    client.say(line)
    assert client.rest() == told


def test_sigterm_ends_it_cleanly_with_connections_open(tmp_path: Path) -> None:
    peer = Peer("db1")
    probes = Probes(tmp_path, [peer])
    with running(probes, peer):
        probes.start()
        client = Client(probes.port)
        client.say(f"GET {PATH} HTTP/1.1\r\n\r\n")
        assert client.response()[2] == "No cluster!"
        assert probes.stop(signal.SIGTERM) == 0
        assert client.rest() == ""


def test_a_client_that_never_reads_neither_fills_the_memory_nor_delays_the_end(tmp_path: Path) -> None:
    peer = Peer("db1")
    probes = Probes(tmp_path, [peer])
    with running(probes, peer):
        probes.publish("db1", [])
        probes.start()
        assert probes.process is not None
        client = Client(probes.port)
        client.socket.settimeout(1.0)
        with pytest.raises(TimeoutError):
            client.say_until_stuck(f"GET {PATH} HTTP/1.1\r\n\r\n" * 300_000)
        assert ask(probes, f"GET {PATH} HTTP/1.1\r\n\r\n")[0] == 200
        pages = int(Path(f"/proc/{probes.process.pid}/statm").read_text().split()[1])
        assert pages * 4096 < 60e6
        assert probes.stop(signal.SIGTERM) == 0
        client.socket.close()


def listeners(port: int) -> int:
    """How many sockets of this machine listen on the port."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(f":{port:04X}") and row[3] == "0A" for row in rows)


def test_processes_may_share_a_port(tmp_path: Path) -> None:
    peer = Peer("db1")
    first, second = (Probes(tmp_path, [peer], share_port=True) for _ in range(2))
    second.port = first.port
    with running(first, second, peer):
        first.publish("db1", [])
        first.start()
        second.start()
        wait_until(lambda: listeners(first.port) == 2)
        assert first.stop() == 0
        for _ in range(5):
            assert ask(first, f"GET {PATH} HTTP/1.1\r\n\r\n")[0] == 200


def test_a_taken_port_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(ConfigError, match="probes-port"):
        run(tmp_path, "127.0.0.1", other.getsockname()[1])


def test_the_process_is_small() -> None:
    code = "import sys, repman.probes.process; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    roots = {name.partition(".")[0] for name in loaded.split()}
    assert "asyncio" in roots
    assert not roots & {"flask", "sqlalchemy", "pymysql", "pymongo", "apscheduler", "gunicorn", "typer", "rich"}
    ours = {name for name in loaded.split() if name.startswith("repman.")}
    rooms = {name.split(".")[1] for name in ours}
    assert rooms <= {"errors", "model", "probes", "state"}
