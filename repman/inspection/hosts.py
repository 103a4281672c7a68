"""The end of a file on the host of a server, fetched over SSH."""

from __future__ import annotations

from collections.abc import Callable

from repman.config.settings import ClusterSettings
from repman.errors import HostError, LookFailed
from repman.provisioning.choice import ssh_of

MOST = 1_000_000
"""Bytes of a file that are fetched: its end."""

Fetch = Callable[[str, float], bytes]
"""The end of the file of that path, within so many seconds.  Raises LookFailed."""


def fetcher(cluster: ClusterSettings, address: str) -> Fetch | None:
    """How files of the server's host are fetched; None when the cluster has no SSH."""
    if cluster.orchestrator != "onpremise" or cluster.ssh is None:
        return None
    ssh = ssh_of(cluster.ssh)
    host = address.rpartition(":")[0].strip("[]")

    def fetch(path: str, seconds: float) -> bytes:
        try:
            finished = ssh.run(host, ["tail", "-c", str(MOST), "--", path], seconds)
        except HostError as error:
            raise LookFailed(str(error), "host-failed") from error
        if finished.status:
            raise LookFailed(f"{path} on {host} cannot be read: {finished.errors.strip()}", "unreadable")
        return finished.output

    return fetch
