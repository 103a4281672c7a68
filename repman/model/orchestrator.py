"""The orchestrators that replication-manager knows, and which of them this repman can work with."""

from __future__ import annotations

ORCHESTRATORS = ("opensvc", "kube", "slapos", "local", "onpremise")
"""In the order in which the API lists them."""

_UNAVAILABLE = {
    "opensvc": "repman does not speak to OpenSVC collectors",
    "kube": "repman does not speak to Kubernetes",
    "slapos": "repman does not speak to SlapOS",
}


def why_unavailable(name: str) -> str:
    """Why no server can be started, stopped or provisioned with that orchestrator; empty: it is available."""
    if name not in _UNAVAILABLE:
        return ""
    return f"the orchestrator {name} is not available: {_UNAVAILABLE[name]}"


def orchestrators_available() -> dict[str, bool]:
    """Every orchestrator, and whether this repman can work with it."""
    return {name: not why_unavailable(name) for name in ORCHESTRATORS}
