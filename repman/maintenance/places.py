"""Where a server's files are, for the jobs that work on files."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from repman.config.settings import ClusterSettings
from repman.errors import JobFailed, RepmanError
from repman.orchestrators.local import LocalOrchestrator
from repman.orchestrators.sandbox import Sandbox

_STOP_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Place:
    """A server whose files and process are within our reach on this host."""

    address: str
    datadir: Path
    error_log: Path
    _orchestrator: LocalOrchestrator

    @property
    def fresh(self) -> Path:
        """Where its new data are laid out; beside the old ones, so that taking their place is one rename."""
        return self.datadir.with_name(f"{self.datadir.name}.repman-new")

    @property
    def aside(self) -> Path:
        """Where its old data are kept until the new ones serve."""
        return self.datadir.with_name(f"{self.datadir.name}.repman-old")

    @property
    def running(self) -> bool:
        """Whether its process exists.  Raises RepmanError."""
        return self._orchestrator.running(self.address)

    def stop(self) -> None:
        """End its process; kill it when it does not end by itself.  Raises RepmanError."""
        if not self.running:
            return
        try:
            self._orchestrator.stop(self.address, _STOP_SECONDS)
        except RepmanError:
            self._orchestrator.kill(self.address, _STOP_SECONDS)

    def start(self) -> None:
        """Start it as a read-only server, not waiting until it answers.  Raises RepmanError."""
        self._orchestrator.start(self.address)

    @property
    def usable(self) -> bool:
        """Whether its data directory is there and looks like one."""
        return (self.datadir / "mysql").is_dir() and (self.datadir / "ibdata1").is_file()

    def make_empty(self) -> None:
        """Move what there is of its data aside and make an empty server with our accounts.  Raises RepmanError."""
        self.put_aside()
        self._orchestrator.provision(self.address, _STOP_SECONDS)

    def put_aside(self) -> None:
        """Move its data out of the way; what an earlier try has put there is older and stays.  Raises JobFailed."""
        if not self.datadir.exists():
            return
        try:
            if self.aside.exists():
                shutil.rmtree(self.datadir)
            else:
                self.datadir.rename(self.aside)
        except OSError as error:
            raise JobFailed(f"{self.datadir} cannot be moved aside: {error}") from error

    def take_fresh(self) -> None:
        """Give the new data the place and the owner of the old ones.  Raises JobFailed."""
        try:
            owner = self.datadir.parent.stat()
            _own(self.fresh, owner.st_uid, owner.st_gid)
            self.put_aside()
            self.fresh.rename(self.datadir)
        except OSError as error:
            raise JobFailed(f"the new data cannot take their place at {self.datadir}: {error}") from error

    def clear(self) -> None:
        """Remove new data that were never used."""
        shutil.rmtree(self.fresh, ignore_errors=True)

    def forget_old(self) -> None:
        """Remove the data that were put aside.  Raises JobFailed."""
        try:
            if self.aside.exists():
                shutil.rmtree(self.aside)
        except OSError as error:
            raise JobFailed(f"the old data cannot be removed, do so by hand: {error}") from error


class Places:
    """The servers of a cluster whose files are within our reach."""

    def __init__(self, cluster: ClusterSettings) -> None:
        self._found: dict[str, Place] = {}
        self._reason = (
            f"the servers of {cluster.policy.name} are not processes of this host (option prov-orchestrator), so their "
            "files are out of repman's reach; use the logical method"
        )
        if cluster.orchestrator != "local" or cluster.sandbox is None:
            return
        try:
            sandbox = Sandbox.load(cluster.sandbox)
            orchestrator = LocalOrchestrator(cluster.sandbox)
        except RepmanError as error:
            self._reason = str(error)
            return
        self._found = {
            entry.address: Place(entry.address, Path(entry.datadir), Path(entry.log), orchestrator)
            for entry in sandbox.servers
        }

    def find(self, address: str) -> Place | None:
        """That server's place, or None."""
        return self._found.get(address)

    def get(self, address: str) -> Place:
        """That server's place.  Raises JobFailed with the reason when it is out of reach."""
        if address not in self._found:
            raise JobFailed(f"The files of {address} cannot be reached: {self._reason}")
        return self._found[address]


def _own(directory: Path, user: int, group: int) -> None:
    """Give a tree to its server's account, as far as we may (only root may, and only root need)."""
    if os.geteuid() != 0:
        return
    os.chown(directory, user, group)
    os.chmod(directory, 0o700)
    for path, directories, files in os.walk(directory):
        for name in (*directories, *files):
            os.chown(os.path.join(path, name), user, group, follow_symlinks=False)
