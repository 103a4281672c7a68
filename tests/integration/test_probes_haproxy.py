"""A real HAProxy asking the real probe process: roles by agent and by HTTP check, and what survives whom."""

import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from haproxy_stand import CLUSTER, Balancer, Peer, Probes, agent_lines, running, wait_until

from repman.proxies.haproxy import Haproxy

pytestmark = pytest.mark.integration
W, R = "service_write", "service_read"
ALL = {"db1", "db2", "db3"}


@dataclass
class Stand:
    peers: list[Peer]
    probes: Probes
    balancer: Balancer
    driver: Haproxy

    def writes(self) -> set[str]:
        return {self.balancer.reached() for _ in range(6)}


def http_lines(peers: list[Peer], port: int, tail: str) -> str:
    servers = "\n".join(
        f"  server {peer.name} {peer.address} check inter 200ms fall 1 rise 1 addr 127.0.0.1 port {port}"
        for peer in peers[:1]
    )
    return f"  option httpchk GET /clusters/{CLUSTER}/servers/{peers[0].name}/{tail}\n{servers}"


def make(tmp_path: Path, kind: str = "agent") -> Stand:
    peers = [Peer(name) for name in sorted(ALL)]
    probes = Probes(tmp_path / "run", peers)
    if kind == "agent":
        lines = {W: agent_lines(peers, "write", probes.port), R: agent_lines(peers, "read", probes.port)}
    else:
        lines = {
            W: http_lines(peers, probes.port, "master-status"),
            R: http_lines(peers, probes.port, "slave-status"),
        }
    balancer = Balancer(tmp_path, lines)
    names = {peer.address: peer.name for peer in peers}
    return Stand(peers, probes, balancer, Haproxy("h", balancer.socket, W, R, names))


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    made = make(tmp_path)
    with running(made.balancer, made.probes, *made.peers):
        made.probes.publish("db1", ["db2", "db3"])
        made.probes.start()
        made.balancer.start()
        wait_until(lambda: made.balancer.up(W) == {"db1"} and made.balancer.up(R) == {"db2", "db3"})
        yield made


def test_roles_follow_the_published_table(stand: Stand) -> None:
    assert stand.writes() == {"db1"}
    assert {stand.balancer.reached(R) for _ in range(4)} == {"db2", "db3"}
    stand.probes.publish("db3", ["db1"])
    wait_until(lambda: stand.balancer.up(W) == {"db3"} and stand.balancer.up(R) == {"db1"})
    assert stand.writes() == {"db3"}


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_killed_or_frozen_probes_leave_the_routing(stand: Stand, how: int) -> None:
    assert stand.probes.process is not None
    with stand.balancer.connect() as session:
        assert session.recv(10) == b"db1\n"
        stand.probes.process.send_signal(how)
        time.sleep(2.0)  # several checks, and a frozen one's timeout, must change nothing
        assert stand.balancer.up(W) == {"db1"}
        assert stand.balancer.up(R) == {"db2", "db3"}
        session.sendall(b"still\n")
        assert session.recv(10) == b"still\n"
        assert stand.writes() == {"db1"}


def test_an_answer_that_is_too_old_leaves_the_routing(stand: Stand) -> None:
    stand.probes.publish("db2", ["db1"], age=61.0)
    time.sleep(1.0)  # several checks must change nothing
    assert stand.balancer.up(W) == {"db1"}
    stand.probes.publish("db1", ["db2"], age=61.0, policy="fail")
    wait_until(lambda: stand.balancer.up(W) == set())


def test_haproxy_restarted_comes_up_by_probes_alone(stand: Stand) -> None:
    stand.probes.publish("db2", ["db1"])
    stand.balancer.stop()
    stand.balancer.start()
    wait_until(lambda: stand.balancer.up(W) == {"db2"} and stand.balancer.up(R) == {"db1"})
    assert stand.writes() == {"db2"}


def test_push_and_probes_together_switch_at_once_and_stay(stand: Stand) -> None:
    """What a switchover does: nobody, then the next one; an agent never brings the old writer back."""
    for old, new in (("db1", "db2"), ("db2", "db3"), ("db3", "db1")) * 3:
        address = next(peer.address for peer in stand.peers if peer.name == old)
        readers = sorted(ALL - {new})
        stand.probes.publish("", readers)
        stand.driver.away(address, 1.0)
        for _ in range(20):
            assert stand.writes() == {""}
        stand.driver.route(stand.probes.publish(new, readers), 1.0)
        started = time.monotonic()
        while time.monotonic() - started < 0.5:
            assert stand.writes() == {new}


def test_a_plain_http_check_follows_the_probes(tmp_path: Path) -> None:
    made = make(tmp_path, "http")
    with running(made.balancer, made.probes, *made.peers):
        made.probes.publish("db1", [])
        made.probes.start()
        made.balancer.start()
        wait_until(lambda: made.balancer.up(W) == {"db1"} and made.balancer.up(R) == set())
        made.probes.publish("db2", ["db1"])
        wait_until(lambda: made.balancer.up(W) == set() and made.balancer.up(R) == {"db1"})


def test_a_push_to_a_plain_http_check_needs_no_maintenance(tmp_path: Path) -> None:
    made = make(tmp_path, "http")
    with running(made.balancer, made.probes, *made.peers):
        made.probes.publish("db1", [])
        made.probes.start()
        made.balancer.start()
        wait_until(lambda: made.balancer.up(W) == {"db1"} and made.balancer.up(R) == set())
        made.probes.publish("", [])
        made.driver.away(made.peers[0].address, 1.0)
        time.sleep(0.5)  # the next checks must agree
        assert made.balancer.up(W) == set()
        made.driver.route(made.probes.publish("db1", ["db1"]), 1.0)
        assert made.balancer.up(W) == {"db1"}
        time.sleep(0.5)
        assert made.balancer.up(W) == made.balancer.up(R) == {"db1"}
        assert "MAINT" not in made.balancer.ask("show stat")


def test_an_http_check_that_knows_no_roles_ends_in_maintenance(tmp_path: Path) -> None:
    """A check that passes on every server would bring each of them back for ever."""
    made = make(tmp_path, "http")
    config = tmp_path / "haproxy.cfg"
    config.write_text(config.read_text().replace(f"/clusters/{CLUSTER}/servers/db1/master-status", "/healthz"))
    with running(made.balancer, made.probes, *made.peers):
        made.probes.publish("db2", [])
        made.probes.start()
        made.balancer.start()
        nobody = made.probes.publish("", [])

        def stays_down() -> bool:
            made.driver.route(nobody, 1.0)
            return "MAINT" in made.balancer.ask(f"show stat {W} 4 -1")

        wait_until(stays_down)
        assert made.driver.observe(1.0).left_in_maintenance == ()
        made.driver.route(made.probes.publish("db1", []), 1.0)
        assert made.balancer.up(W) == {"db1"}
