"""The driver against a real HAProxy whose agent checks are mute, so that only the driver speaks."""

import resource
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from haproxy_stand import Balancer, Peer, agent_lines, free_port, running, wait_until

from repman.errors import DeadlineExceeded, StepFailed
from repman.model.decision import Routes
from repman.proxies.haproxy import Haproxy

pytestmark = pytest.mark.integration
W, R = "service_write", "service_read"


@dataclass
class Stand:
    peers: list[Peer]
    balancer: Balancer
    driver: Haproxy

    def routes(self, writer: str, *readers: str) -> Routes:
        by_name = {peer.name: peer.address for peer in self.peers}
        return Routes(by_name.get(writer, ""), tuple(by_name[name] for name in readers))

    def address(self, name: str) -> str:
        return next(peer.address for peer in self.peers if peer.name == name)

    def new_driver(self) -> Haproxy:
        names = {peer.address: peer.name for peer in self.peers}
        return Haproxy("haproxy1", self.balancer.socket, W, R, names)

    def check_of(self, name: str) -> str:
        """The result of HAProxy's own latest check of a server in the write backend."""
        lines = self.balancer.ask(f"show stat {W} 4 -1").splitlines()
        fields = next(line.split(",") for line in lines if line.startswith(f"{W},{name},"))
        return fields[36].removeprefix("* ")

    def writes(self) -> set[str]:
        return {self.balancer.reached() for _ in range(6)}


def make(tmp_path: Path, lines: str | None = None, start: bool = True) -> Stand:
    peers = [Peer(f"db{number}") for number in (1, 2, 3)]
    nobody = free_port()
    plain = "\n".join(f"  server {peer.name} {peer.address} {lines}" for peer in peers)
    servers = {
        backend: agent_lines(peers, role, nobody) if lines is None else plain
        for backend, role in ((W, "write"), (R, "read"))
    }
    balancer = Balancer(tmp_path, servers)
    stand = Stand(peers, balancer, None)  # type: ignore[arg-type]
    stand.driver = stand.new_driver()
    if start:
        balancer.start()
    return stand


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    made = make(tmp_path)
    with running(made.balancer, *made.peers):
        yield made


def test_route_is_immediate_and_observed(stand: Stand) -> None:
    stand.driver.route(stand.routes("db2", "db1", "db3"), 1.0)
    assert stand.writes() == {"db2"}
    assert {stand.balancer.reached(R) for _ in range(6)} == {"db1", "db3"}
    seen = stand.driver.observe(1.0)
    assert seen.answered
    assert seen.error == ""
    assert seen.write == (stand.address("db2"),)
    assert seen.read == (stand.address("db1"), stand.address("db3"))
    assert seen.left_in_maintenance == ()


def test_route_changes_only_what_differs(stand: Stand) -> None:
    stand.driver.route(stand.routes("db1", "db2"), 1.0)
    with stand.balancer.connect() as session:
        assert session.recv(10) == b"db1\n"
        before = stand.balancer.ask(f"show stat {W} 4 -1").splitlines()[1].split(",")[21]
        for _ in range(5):
            stand.driver.route(stand.routes("db1", "db3"), 1.0)
            stand.driver.route(stand.routes("db1", "db2"), 1.0)
        assert stand.balancer.ask(f"show stat {W} 4 -1").splitlines()[1].split(",")[21] == before
        session.sendall(b"still\n")
        assert session.recv(10) == b"still\n"


def test_away_cuts_sessions_and_sends_no_new_ones(stand: Stand) -> None:
    stand.driver.route(stand.routes("db1", "db2", "db3"), 1.0)
    sessions = [stand.balancer.connect() for _ in range(20)]
    for session in sessions:
        assert session.recv(10) == b"db1\n"
    started = time.monotonic()
    stand.driver.away(stand.address("db1"), 1.0)
    assert time.monotonic() - started < 0.5
    assert stand.driver.observe(1.0).write == ()
    for session in sessions:
        assert session.recv(10) == b""
        session.close()
    assert stand.writes() == {""}
    assert stand.driver.observe(1.0).read == (stand.address("db2"), stand.address("db3"))


def test_away_of_a_server_that_is_down_already_keeps_it_out_when_it_returns(stand: Stand) -> None:
    stand.driver.route(stand.routes("db1"), 1.0)
    stand.peers[0].stop()
    wait_until(lambda: "db1" not in stand.balancer.up())
    stand.driver.away(stand.address("db1"), 1.0)
    stand.peers[0].start()
    wait_until(lambda: stand.check_of("db1") == "L4OK")
    assert stand.driver.observe(1.0).write == ()


def test_no_writer_means_no_write(stand: Stand) -> None:
    stand.driver.route(stand.routes("", "db1", "db2", "db3"), 1.0)
    assert stand.writes() == {""}


def test_a_writer_that_haproxy_cannot_reach_is_said_and_not_lifted_for_ever(stand: Stand) -> None:
    stand.driver.route(stand.routes("db2", "db1"), 1.0)
    stand.peers[0].stop()
    wait_until(lambda: stand.check_of("db1") == "L4CON")
    stand.driver.route(stand.routes("db1"), 1.0)
    wait_until(lambda: "db1" not in stand.balancer.up(W))
    with pytest.raises(StepFailed, match="own check"):
        stand.driver.route(stand.routes("db1"), 1.0)
    assert stand.balancer.up(W) == set()


def test_a_reader_that_haproxy_cannot_reach_is_no_failure(stand: Stand) -> None:
    stand.driver.route(stand.routes("db1", "db2", "db3"), 1.0)
    stand.peers[2].stop()
    wait_until(lambda: "db3" not in stand.balancer.up(R))
    for _ in range(3):
        stand.driver.route(stand.routes("db1", "db2", "db3"), 1.0)


def test_a_returned_writer_is_put_in_without_waiting_for_haproxys_check(tmp_path: Path) -> None:
    made = make(tmp_path, start=False)
    made.balancer = Balancer(tmp_path, {b: agent_lines(made.peers, "x", free_port(), "60s") for b in (W, R)})
    made.driver = made.new_driver()
    with running(made.balancer, *made.peers):
        made.balancer.start()
        made.driver.route(made.routes("db1"), 1.0)
        made.balancer.ask(f"set server {W}/db2 health down")
        made.driver.route(made.routes("db2"), 1.0)
        assert made.writes() == {"db2"}


def test_an_operators_maintenance_is_reported_and_left(stand: Stand) -> None:
    stand.driver.route(stand.routes("db1", "db2", "db3"), 1.0)
    stand.balancer.ask(f"set server {R}/db2 state maint")
    stand.balancer.ask(f"set server {R}/db3 state drain")
    stand.driver.route(stand.routes("db1", "db2", "db3"), 1.0)
    seen = stand.driver.observe(1.0)
    assert seen.left_in_maintenance == (stand.address("db2"), stand.address("db3"))
    assert seen.read == ()
    stand.balancer.ask(f"set server {W}/db2 state maint")
    with pytest.raises(StepFailed, match="operator"):
        stand.driver.route(stand.routes("db2"), 1.0)


def test_without_agent_maintenance_is_used_and_taken_back(tmp_path: Path) -> None:
    made = make(tmp_path, "check inter 200ms")
    with running(made.balancer, *made.peers):
        made.driver.route(made.routes("db1", "db2", "db3"), 1.0)
        assert made.writes() == {"db1"}
        time.sleep(0.5)  # two checks of HAProxy that pass must not bring the others back
        assert made.writes() == {"db1"}
        assert made.driver.observe(1.0).left_in_maintenance == ()
        restarted = made.new_driver()
        assert restarted.observe(1.0).left_in_maintenance == ()
        made.balancer.ask(f"set server {W}/db3 weight 100%;set server {W}/db3 state maint")
        assert restarted.observe(1.0).left_in_maintenance == (made.address("db3"),)
        restarted.route(made.routes("db2", "db1"), 1.0)
        assert made.writes() == {"db2"}
        assert {made.balancer.reached(R) for _ in range(4)} == {"db1"}
        with made.balancer.connect() as session:
            assert session.recv(10) == b"db2\n"
            restarted.away(made.address("db2"), 1.0)
            assert session.recv(10) == b""


def test_without_any_check_maintenance_is_used(tmp_path: Path) -> None:
    made = make(tmp_path, "weight 10")
    with running(made.balancer, *made.peers):
        made.driver.route(made.routes("db3"), 1.0)
        assert made.writes() == {"db3"}
        made.new_driver().route(made.routes("db1"), 1.0)
        assert made.writes() == {"db1"}


def test_the_driver_wins_against_an_agent_answer_that_was_under_way(tmp_path: Path) -> None:
    """An agent that holds its `up` back until the driver has said `down`."""
    asked, release = threading.Event(), threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def agent() -> None:
        connection, _ = listener.accept()
        asked.set()
        release.wait(5)
        time.sleep(0.01)
        connection.sendall(b"up\n")
        connection.close()

    made = make(tmp_path, start=False)
    port = listener.getsockname()[1]
    made.balancer = Balancer(
        tmp_path, {W: agent_lines(made.peers[:1], "x", port), R: agent_lines(made.peers, "x", free_port())}
    )
    made.driver = Haproxy("h", made.balancer.socket, W, R, {made.peers[0].address: "db1"})
    speaking = threading.Thread(target=agent, daemon=True)
    speaking.start()
    with running(made.balancer, *made.peers), listener:
        made.balancer.start()
        assert asked.wait(5)
        threading.Timer(0.005, release.set).start()
        made.driver.away(made.address("db1"), 1.0)
        speaking.join()
        until = time.monotonic() + 0.1
        while time.monotonic() < until:
            assert made.driver.observe(1.0).write == ()


def test_trouble_is_told_not_raised_by_observe(tmp_path: Path) -> None:
    made = make(tmp_path, start=False)
    with running(made.balancer, *made.peers):
        seen = made.driver.observe(0.2)
        assert not seen.answered
        assert "stats socket" in seen.error
        with pytest.raises(StepFailed, match="check that it runs"):
            made.driver.away(made.address("db1"), 0.2)
        made.balancer.start()
        wrong = Haproxy("h", made.balancer.socket, "nowhere", R, {made.address("db1"): "db1"})
        assert "Can't find backend" in wrong.observe(0.2).error
        unknown = Haproxy("h", made.balancer.socket, W, R, {made.address("db1"): "dbx"})
        assert "has no service_write/dbx" in unknown.observe(0.2).error
        assert "does not know: service_write/db1" in unknown.observe(0.2).error
        with pytest.raises(StepFailed, match="no server service_write/dbx"):
            unknown.away(made.address("db1"), 0.2)
        with pytest.raises(StepFailed, match="no server service_write/dbx"):
            unknown.route(made.routes("db1"), 0.2)
        with pytest.raises(StepFailed, match=r"no server for 127\.0\.0\.1:1"):
            made.driver.away("127.0.0.1:1", 0.2)


def test_a_frozen_haproxy_costs_no_more_than_the_timeout(tmp_path: Path) -> None:
    path = f"{tmp_path}/mute.sock"
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(path)
        mute.listen()
        driver = Haproxy("h", path, W, R, {"a:1": "a"})
        started = time.monotonic()
        seen = driver.observe(0.2)
        assert 0.15 < time.monotonic() - started < 0.6
        assert "frozen" in seen.error
        with pytest.raises(DeadlineExceeded):
            driver.route(Routes("a:1"), 0.1)


def test_runtime_over_tcp(tmp_path: Path) -> None:
    made = make(tmp_path, start=False)
    port = free_port()
    config = tmp_path / "haproxy.cfg"
    config.write_text(
        config.read_text().replace("defaults\n", f"  stats socket ipv4@127.0.0.1:{port} level admin\ndefaults\n")
    )
    with running(made.balancer, *made.peers):
        made.balancer.start()
        names = {peer.address: peer.name for peer in made.peers}
        driver = Haproxy("h", f"127.0.0.1:{port}", W, R, names)
        driver.route(made.routes("db3"), 1.0)
        assert made.writes() == {"db3"}


def test_observe_is_cheap(stand: Stand) -> None:
    stand.driver.observe(1.0)
    best = 1.0
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_THREAD)
        for _ in range(100):
            stand.driver.observe(1.0)
        after = resource.getrusage(resource.RUSAGE_THREAD)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        best = min(best, used / 100)
    print(f"observe: {best * 1e6:.0f} us of CPU")
    assert best < 500e-6
