"""From merged values to the settings of the processes of servers."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from repman.config.settings_provisioning import SshSettings
from repman.config.values import credential


class _Values(Protocol):
    def flag(self, name: str) -> bool: ...
    def text(self, name: str) -> str: ...
    def whole(self, name: str) -> int: ...
    def number(self, name: str) -> float: ...
    def path(self, name: str) -> Path | None: ...


def ssh(values: _Values) -> SshSettings | None:
    """How this cluster's hosts are reached; None: they are not."""
    if values.text("prov-orchestrator") != "onpremise" or not values.flag("onpremise-ssh"):
        return None
    account = credential(values.text("onpremise-ssh-credential"))
    return SshSettings(
        user=account.user,
        password=account.password,
        port=values.whole("onpremise-ssh-port"),
        private_key=values.path("onpremise-ssh-private-key"),
        known_hosts=values.path("onpremise-ssh-known-hosts"),
        connect_timeout=values.number("onpremise-ssh-connect-timeout"),
        start_script=values.path("onpremise-ssh-start-db-script"),
        stop_script=values.path("onpremise-ssh-stop-db-script"),
        provision_script=values.path("onpremise-ssh-provision-db-script"),
        unprovision_script=values.path("onpremise-ssh-unprovision-db-script"),
        start_proxy_script=values.path("onpremise-ssh-start-proxy-script"),
        stop_proxy_script=values.path("onpremise-ssh-stop-proxy-script"),
    )
