"""What a sandbox writes, and how it tells its processes and ports from others'."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from repman.errors import SandboxError
from repman.orchestrators import description, haproxy_files, network, process
from repman.orchestrators.builder import new_password
from repman.orchestrators.description import Account, BalancerEntry, Description, ServerEntry

SERVERS = tuple(
    ServerEntry(
        name=f"db{number}",
        host="127.0.0.1",
        port=13000 + number,
        socket=f"/s/run/db{number}.sock",
        pid_file=f"/s/db{number}/mariadbd.pid",
        datadir=f"/s/db{number}/data",
        config=f"/s/db{number}/server.cnf",
        log=f"/s/db{number}/error.log",
        start=("/usr/sbin/mariadbd", f"--defaults-file=/s/db{number}/server.cnf"),
    )
    for number in (1, 2, 3)
)
HAPROXY = BalancerEntry(
    host="127.0.0.1",
    write_port=14001,
    read_port=14002,
    stats_socket="/s/run/haproxy.sock",
    pid_file="/s it/haproxy/haproxy.pid",
    config="/s it/haproxy/haproxy.cfg",
    start=("/usr/sbin/haproxy", "-D", "-f", "/s it/haproxy/haproxy.cfg"),
)
WHOLE = Description(
    format=description.FORMAT,
    complete=True,
    cluster="demo",
    version="10.11.6-MariaDB",
    run_as="mysql",
    socket_dir="/s/run",
    probes_port=14003,
    servers=SERVERS,
    haproxy=HAPROXY,
    monitor=Account("repman", "secret-one"),
    replication=Account("repman_repl", "secret-two"),
    application=Account("app", "secret-three"),
)


def test_the_description_comes_back_as_it_was(tmp_path: Path) -> None:
    description.write(tmp_path, WHOLE)
    assert description.read(tmp_path) == WHOLE
    assert (tmp_path / "sandbox.json").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["sandbox.json"]


def test_passwords_do_not_show() -> None:
    assert "secret" not in repr(WHOLE)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', "\xff"])
def test_a_damaged_description_says_what_to_do(tmp_path: Path, text: str) -> None:
    (tmp_path / "sandbox.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(SandboxError, match="repman sandbox destroy"):
        description.read(tmp_path)


def test_a_description_of_another_release_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sandbox.json").write_bytes(msgspec.json.encode(replace(WHOLE, format=99)))
    with pytest.raises(SandboxError, match="another release"):
        description.read(tmp_path)


def test_no_description_is_no_sandbox(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="repman sandbox create"):
        description.read(tmp_path)


def test_haproxy_asks_for_every_server_in_both_roles() -> None:
    text = haproxy_files.configuration(HAPROXY, SERVERS, "shop", ("127.0.0.1", 14003))
    for server in SERVERS:
        for role in ("write", "read"):
            assert (
                f'server {server.name} {server.address} check agent-check agent-addr 127.0.0.1 agent-port 14003 agent-send "{role} shop {server.address}\\n"'
                in text
            )
    assert "bind 127.0.0.1:14001" in text
    assert "pidfile /s\\ it/haproxy/haproxy.pid" in text
    assert "$" not in text


def test_every_server_starts_down_in_both_backends() -> None:
    version, header, *rows = haproxy_files.all_down(SERVERS, ("127.0.0.1", 14003)).splitlines()
    assert version == "1"
    columns = header.removeprefix("# ").split()
    values = [dict(zip(columns, row.split(), strict=True)) for row in rows]
    assert {(row["be_name"], row["srv_name"]) for row in values} == {
        (backend, server.name) for backend in ("service_write", "service_read") for server in SERVERS
    }
    assert {(row["srv_op_state"], row["srv_admin_state"], row["srv_check_health"]) for row in values} == {
        ("0", "0", "0")
    }


def test_passwords_need_no_quoting_and_do_not_repeat() -> None:
    made = {new_password() for _ in range(100)}
    assert len(made) == 100
    assert all(password.isalnum() and password.isascii() and len(password) >= 20 for password in made)


def test_free_ports_are_free_distinct_and_not_the_kernels() -> None:
    ports = network.free_ports(20)
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert len(set(ports)) == 20
    assert all(network.port_is_free(port) for port in ports)
    assert first <= 11240 or max(ports) < first


def test_a_port_somebody_listens_on_is_not_free() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        assert not network.port_is_free(listening.getsockname()[1])


def test_a_silent_listener_does_not_greet() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        assert not network.greets(listening.getsockname()[1], 0.1)
    assert not network.greets(network.free_ports(1)[0], 0.1)


@pytest.mark.parametrize("text", ["", "x", "-", "12x", "\n"])
def test_a_broken_pid_file_is_no_pid(tmp_path: Path, text: str) -> None:
    (tmp_path / "pid").write_text(text)
    assert process.read_pid(tmp_path / "pid") is None
    assert process.read_pid(tmp_path / "missing") is None


def test_a_process_is_ours_by_program_and_arguments_only(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    argument = f"{60 + os.getpid() / 1e7}"
    with subprocess.Popen(["sleep", argument]) as sleeper:
        try:
            pid_file.write_text(str(sleeper.pid))
            ours = process.Mark(frozenset({"sleep"}), (argument,))
            deadline = time.monotonic() + 5
            while process.find(ours, pid_file) is None and time.monotonic() < deadline:
                time.sleep(0.001)  # a program that is being started has no arguments yet
            assert process.find(ours, pid_file) == sleeper.pid
            assert process.find(ours, tmp_path / "missing") == sleeper.pid
            assert process.find(process.Mark(frozenset({"mariadbd"}), (argument,)), pid_file) is None
            assert process.find(process.Mark(frozenset({"sleep"}), (argument, "x")), pid_file) is None
        finally:
            sleeper.kill()
    assert process.find(ours, pid_file) is None


def test_a_program_that_ends_at_once_is_told(tmp_path: Path) -> None:
    mark = process.Mark(frozenset({"sh"}), ("never",))
    with pytest.raises(SandboxError, match="so sad"):
        process.spawn(("/bin/sh", "-c", "echo so sad"), mark, tmp_path / "pid", tmp_path / "log")
