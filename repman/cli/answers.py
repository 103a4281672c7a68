"""What an answer of the API that is no success means: the error that says what to do, and so the exit code."""

from __future__ import annotations

import json
from typing import Any

import requests

from repman.cli.exits import NotAuthorised, UsageFailure
from repman.errors import (
    ConfigError,
    LinkDown,
    MonitorDown,
    Refused,
    RepmanError,
    UnknownCluster,
    UnknownServer,
    WorkerDown,
)
from repman.model.problem import Refusal

_NO_SERVER = ("Server Not Found", "503 -Not a Valid Server!")
_NO_WRITER = ("Master failed", "Leader is failed can not promote")
"""Texts of replication-manager's API, whose codes say nothing."""


def check(answer: requests.Response) -> None:
    """Turn an answer that is no success into the error that says what to do."""
    if answer.ok:
        return
    told, code, fields = sentence(answer), answer.status_code, _fields(answer)
    if code == 401:
        raise NotAuthorised(f"{told}: log in with `repman ctl login`, or give --user and --password")
    if code == 403:
        raise NotAuthorised(f"{told}{_missing_grant(answer)}")
    if code == 409 or told in _NO_WRITER or fields.get("available") is False:
        raise Refused(_refusals(fields, told))
    if fields.get("code") == "link-down":
        raise LinkDown(told)
    if code == 503 and "Retry-After" not in answer.headers:  # with it, somebody is busy and nobody down
        raise WorkerDown(told) if "worker" in told.lower() else MonitorDown(told)
    if "no cluster" in told.lower():
        raise UnknownCluster(f"{told.rstrip('.')}; `repman ctl status` without --cluster names those there are")
    if "known" in fields:
        raise UnknownServer(told)
    if told in _NO_SERVER:
        raise UnknownServer("the cluster has no such server; `repman ctl topology` names those there are")
    if mistakes := fields.get("mistakes"):
        raise ConfigError([str(each) for each in mistakes])
    if code in (400, 404, 413):
        raise UsageFailure(told)
    raise RepmanError(f"{told} (HTTP {code})")


def sentence(answer: requests.Response) -> str:
    """What the API said, in its own words."""
    fields = _fields(answer)
    for name in ("error", "message", "sentence", "msg", "reason"):
        if isinstance(fields.get(name), str) and fields[name]:
            return str(fields[name])
    text = answer.text.strip()
    html = text.startswith("<")
    return text.splitlines()[0][:300] if text and not html else f"HTTP {answer.status_code} {answer.reason}"


def _fields(answer: requests.Response) -> dict[str, Any]:
    try:
        document = answer.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _missing_grant(answer: requests.Response) -> str:
    grant = _fields(answer).get("missing_grant") or answer.headers.get("X-Repman-Missing-Grant", "")
    return f": the grant {grant} is missing" if grant else ""


def _refusals(fields: dict[str, Any], told: str) -> tuple[Refusal, ...]:
    """The reasons given, or the sentence as the only one."""
    given = fields.get("reasons")
    found = [_refusal(item) for item in given] if isinstance(given, list) else []
    return tuple(found) or (Refusal(str(fields.get("code") or "refused"), told),)


def _refusal(item: object) -> Refusal:
    if not isinstance(item, dict):
        return Refusal("refused", str(item))
    code, told, server = (str(item.get(name, "")) for name in ("code", "sentence", "server"))
    return Refusal(code, told or json.dumps(item), server)
