"""The dialect's sentences for what a link refuses, and for requests that nobody can answer."""

from __future__ import annotations

from repman.errors import LinkRefused

_NOT_PAUSED = "cannot resume: not paused or not resuming from failure"
_REFUSALS = {
    ("start", "already-running"): "already running",
    ("start", "is-paused"): "paused",
    ("pause", "not-running"): "cannot pause: not running",
    ("pause", "cloning"): "cannot pause: Change Replication is not running",
    ("resume", "not-paused"): _NOT_PAUSED,
    ("resume", "not-failed"): _NOT_PAUSED,
    ("finalize", "cloning"): "clone is not completed",
    ("finalize", "catching-up"): "initial sync is not completed",
}
_HTTP = {
    400: ("bad-request", "Bad Request"),
    401: ("unauthorized", "Unauthorized"),
    403: ("forbidden", "Forbidden"),
    404: ("not-found", "Endpoint not found"),
    405: ("method-not-allowed", "Method Not Allowed"),
    413: ("too-large", "Request Entity Too Large"),
}
_TOLD = frozenset({400, 401, 403})
"""Where a sentence says more than the status does."""


def refusal_text(call: str, refusal: LinkRefused, failure: str) -> str:
    """What a caller of ``start``, ``pause``, ``resume`` or ``finalize`` is told; `failure` is why the link failed."""
    if call == "finalize" and refusal.code == "has-failed":
        return f"failed state: {failure}"
    return _REFUSALS.get((call, refusal.code), str(refusal))


def http_error(status: int, sentence: str) -> tuple[str, str]:
    """Code and text for a status of 400 or more."""
    code, text = _HTTP.get(status, ("internal", "Internal Server Error"))
    return code, f"{text}: {sentence}" if status in _TOLD else text
