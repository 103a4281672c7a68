"""Where repman listens, and with which certificate: relations between those options."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from repman.config.findings import Findings

if TYPE_CHECKING:
    from repman.config.build import Values

_WILDCARDS = frozenset({"0.0.0.0", "::", "[::]", "", "*"})
_LISTENERS = (
    ("http-port", "http-bind-address", "http-server"),
    ("api-port", "api-bind", "api-server"),
    ("probes-port", "probes-bind-address", ""),
    ("streams-port", "streams-bind-address", "streams-server"),
)
"""Port, address, and the switch where there is one."""


def check_listeners(values: Values, findings: Findings) -> None:
    """No two at the same place, and certificate and key together."""
    for one, other in combinations([listener for listener in _LISTENERS if _used(values, *listener)], 2):
        ports = values.whole(one[0]), values.whole(other[0])
        binds = {values.text(one[1]), values.text(other[1])}
        # The web process tells its plain connections from those with TLS by the port alone.
        both_web = {one[0], other[0]} == {"http-port", "api-port"}
        if ports[0] == ports[1] and (both_web or len(binds) == 1 or binds & _WILDCARDS):
            findings.mistake(
                f"{one[0]} and {other[0]} are both {ports[0]}; there cannot be two at one place, choose another "
                f"{other[0]}",
                values.origin(other[0], one[0]),
            )
    files = ("monitoring-ssl-cert", "monitoring-ssl-key")
    if values.valid(*files) and bool(values.path(files[0])) != bool(values.path(files[1])):
        findings.mistake(
            "monitoring-ssl-cert and monitoring-ssl-key go together; give both, or none and repman makes its own",
            values.origin(*files),
        )
    if values.valid("api-https-bind", "api-server") and values.flag("api-https-bind") and not values.flag("api-server"):
        findings.mistake(
            "api-https-bind refuses protected paths on http-port, and api-server is off: nobody could use the API; "
            "switch api-server on",
            values.origin("api-https-bind"),
        )


def _used(values: Values, port: str, bind: str, switch: str) -> bool:
    return values.valid(port, bind, *([switch] if switch else [])) and (not switch or values.flag(switch))
