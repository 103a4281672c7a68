"""A real OpenSSH server for tests: on a free loopback port, run as the test's own user, with keys of its own."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from repman.orchestrators import network
from repman.orchestrators.ssh import Ssh, SshAccess

_CONFIG = """
ListenAddress 127.0.0.1:{port}
HostKey {place}/host_key
AuthorizedKeysFile {place}/authorized_keys
PidFile {place}/sshd.pid
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PubkeyAuthentication yes
PermitRootLogin prohibit-password
MaxStartups 100
"""


class Sshd:
    """One sshd, its keys, and how to log in."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.port = network.free_ports(1)[0]
        self.private_key = self.make_key("user_key")
        self.make_key("host_key")
        shutil.copy(place / "user_key.pub", place / "authorized_keys")
        self.known_hosts = place / "known_hosts"
        self.know("host_key")
        (place / "sshd_config").write_text(_CONFIG.format(port=self.port, place=place))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def access(self) -> SshAccess:
        return SshAccess(
            user=getpass.getuser(), port=self.port, private_key=self.private_key, known_hosts=self.known_hosts
        )

    @property
    def ssh(self) -> Ssh:
        return Ssh(self.access)

    def make_key(self, name: str) -> Path:
        path = self.place / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
        return path

    def know(self, key: str, file: str = "known_hosts") -> Path:
        """Write a file of known hosts in which this sshd has that key."""
        kind, text = (self.place / f"{key}.pub").read_text().split()[:2]
        path = self.place / file
        path.write_text(f"[127.0.0.1]:{self.port} {kind} {text}\n")
        return path

    def start(self) -> None:
        program = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        if program is None:
            pytest.fail("sshd is not installed: install openssh-server (scripts/test does)")
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        with open(self.place / "sshd.log", "ab") as log:
            self._process = subprocess.Popen(
                [program, "-D", "-e", "-f", str(self.place / "sshd_config")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 10
        while not self._listens():
            assert self._process.poll() is None, (self.place / "sshd.log").read_text()
            assert time.monotonic() < deadline, "sshd does not listen"
            time.sleep(0.01)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(10)
            self._process = None

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


START = """
home=$(dirname "$(grep -l "^port = $REPLICATION_MANAGER_HOST_PORT\\$" {sandbox}/*/server.cnf)")
setsid --fork {server} --defaults-file="$home/server.cnf" </dev/null >>"$home/error.log" 2>&1
"""
"""Starts the server of a sandbox that has the port it is told."""

PROVISION = """
set -e
home=$(dirname "$(grep -l "^port = $REPLICATION_MANAGER_HOST_PORT\\$" {sandbox}/*/server.cnf)")
account=$(stat -c %U "$home/tmp")
umask 077
{{
    echo "FLUSH PRIVILEGES;"
    echo "CREATE USER '$REPLICATION_MANAGER_HOST_USER'@'%' IDENTIFIED BY '$REPLICATION_MANAGER_HOST_PASSWORD';"
    echo "GRANT ALL ON *.* TO '$REPLICATION_MANAGER_HOST_USER'@'%' WITH GRANT OPTION;"
    echo "CREATE USER '$REPLICATION_MANAGER_REPLICATION_USER'@'%' IDENTIFIED BY"
    echo " '$REPLICATION_MANAGER_REPLICATION_PASSWORD';"
    echo "GRANT REPLICATION SLAVE, SLAVE MONITOR ON *.* TO '$REPLICATION_MANAGER_REPLICATION_USER'@'%';"
}} >"$home/tmp/accounts.sql"
[ "$(id -u)" != 0 ] || chown "$account" "$home/tmp/accounts.sql"
{install} --no-defaults --datadir="$home/data" --user="$account" --force --skip-test-db --tmpdir="$home/tmp" \\
    --innodb-log-file-size=64M --extra-file="$home/tmp/accounts.sql" </dev/null
rm "$home/tmp/accounts.sql"
"""

UNPROVISION = """
rm -r "$(dirname "$(grep -l "^port = $REPLICATION_MANAGER_HOST_PORT\\$" {sandbox}/*/server.cnf)")/data"
"""
