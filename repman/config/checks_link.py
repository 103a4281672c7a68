"""Relations between the options of links."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from repman.config.build_link import link_port
from repman.config.findings import Findings, Origin
from repman.config.mongo_uri import hosts

if TYPE_CHECKING:
    from repman.config.build import Values

_NAMESPACE = re.compile(r"[^\s./\\\"$*]+\.(\*|[^\s$*][^$*]*)")
_SIDES = ("link-source", "link-target")
_SERVICES = (
    ("http-port", "http-server"),
    ("api-port", "api-server"),
    ("probes-port", ""),
    ("streams-port", "streams-server"),
)
"""Port of a process of repman, and the switch where there is one."""


def check_link(name: str, declared: Origin, values: Values, findings: Findings) -> None:
    """Two different clusters, an address that not everybody can use, namespaces that can be."""
    for side in _SIDES:
        if values.valid(side) and not values.text(side):
            findings.mistake(
                f'link {name} has no {side.removeprefix("link-")}; set {side} = "mongodb://user:password@host:27017"',
                declared,
            )
    if values.valid(*_SIDES) and hosts(values.text("link-source")) & hosts(values.text("link-target")):
        findings.mistake(
            f"link {name}: link-source and link-target name the same host; a link needs two clusters",
            values.origin("link-target", "link-source"),
        )
    if values.valid("link-bind", "link-token") and not values.text("link-token") and not _loopback(values):
        findings.mistake(
            f"link {name}: {values.text('link-bind')!r} can be reached from other machines; set link-token, or link-bind "
            '= "127.0.0.1"',
            values.origin("link-bind"),
        )
    for option in ("link-include-namespaces", "link-exclude-namespaces"):
        for namespace in values.items(option) if values.valid(option) else ():
            if not _NAMESPACE.fullmatch(namespace):
                findings.mistake(
                    f"link {name}: {option} has {namespace!r}; write database.* or database.collection",
                    values.origin(option),
                )
    _reversible(name, values, findings)


def check_links_of_all(links: dict[str, Values], service: Values, findings: Findings) -> None:
    """No two listeners at one port, and none where a process of repman listens.

    Addresses are not compared: one port on several addresses of a machine is no gain for a link, and a port that is
    taken would keep its process from starting.
    """
    taken = {
        service.whole(port): port
        for port, switch in _SERVICES
        if service.valid(port, *([switch] if switch else [])) and (not switch or service.flag(switch))
    }
    for name, values in links.items():
        if not values.valid("link-port", "link-dialect", "link-enabled") or not values.flag("link-enabled"):
            continue
        port = link_port(values)
        if port in taken:
            findings.mistake(
                f"link {name} and {taken[port]} both listen on port {port}; give the link another link-port",
                values.origin("link-port", "link-dialect"),
            )
        taken.setdefault(port, f"link {name}")


def _reversible(name: str, values: Values, findings: Findings) -> None:
    names = ("link-reversible", "link-write-blocking")
    if values.valid(*names) and values.flag(names[0]) and values.text(names[1]) != "both":
        findings.mistake(
            f'link {name}: link-reversible needs link-write-blocking = "both", so that no write is lost when the '
            "direction changes; set it, or link-reversible = false",
            values.origin(*names),
        )


def _loopback(values: Values) -> bool:
    bind = values.text("link-bind").strip("[]")
    try:
        return ipaddress.ip_address(bind).is_loopback
    except ValueError:
        return bind == "localhost"
