"""From merged values to the settings of links."""

from __future__ import annotations

from typing import Protocol

from repman.config.settings_link import LinkSettings

EXPECTED_PORTS = {"percona": 2242, "mongosync": 27182}
"""Where the clients of each dialect look for it."""


class _Values(Protocol):
    def flag(self, name: str) -> bool: ...
    def text(self, name: str) -> str: ...
    def whole(self, name: str) -> int: ...
    def items(self, name: str) -> tuple[str, ...]: ...
    def shown(self) -> dict[str, object]: ...


def link_port(values: _Values) -> int:
    """Where the link's own HTTP API listens."""
    return values.whole("link-port") or EXPECTED_PORTS[values.text("link-dialect")]


def link(name: str, values: _Values) -> LinkSettings:
    """The settings of the link of that name."""
    return LinkSettings(
        name=name,
        source=values.text("link-source"),
        target=values.text("link-target"),
        dialect=values.text("link-dialect"),
        bind=values.text("link-bind"),
        port=link_port(values),
        token=values.text("link-token"),
        enabled=values.flag("link-enabled"),
        automatic=values.text("link-start") == "automatic",
        include=values.items("link-include-namespaces"),
        exclude=values.items("link-exclude-namespaces"),
        replace_target=values.text("link-target-data") == "replace",
        write_blocking=values.text("link-write-blocking"),
        reversible=values.flag("link-reversible"),
        verify=values.flag("link-verify"),
        atomic_transactions=values.flag("link-atomic-transactions"),
        options=values.shown(),
    )
