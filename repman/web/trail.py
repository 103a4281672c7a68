"""From a request to a row of the audit trail.

The door hands every route that acts through `recorded`, whether it was let in or not.  The path, declared arguments
and what the answer says of itself are kept; bodies, headers, queries that no route declares, and secrets are not.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from flask import Response, g, request
from werkzeug.exceptions import HTTPException

from repman.config.option import MASK
from repman.config.options import ALIASES, BY_NAME
from repman.errors import MonitorDown, StateError, WorkerDown
from repman.state.audit import AuditTrail, Entry

_SECRET = re.compile(r"pass|secret|token|credential|key", re.IGNORECASE)
_PART = re.compile(r"<(?:[^<>]*:)?(\w+)>")
_LONGEST_VALUE = 200
_LONGEST = 1000


def claim(name: str, proven: bool = False) -> None:
    """Note who says to be asking, or has proven it."""
    g.claimed_user, g.proven = name, proven


def recorded(
    trail: AuditTrail,
    rule: str,
    declared: Collection[str],
    arguments: Mapping[str, str],
    answer: Callable[[], Response],
) -> Response:
    """What `answer` returns or raises, after it is in the trail; `declared` are the names of the route's arguments."""
    at, began = time.time(), time.monotonic()
    status, told = 500, None
    try:
        told = answer()
        return told
    except HTTPException as stopped:
        status = stopped.code or 500
        told = stopped.response if isinstance(stopped.response, Response) else None
        raise
    except (MonitorDown, WorkerDown, StateError) as error:
        status, told = 503, Response(str(error), 503, content_type="text/plain")
        raise
    finally:
        sentence, plan, job = _outcome(told)
        trail.append(
            Entry(
                at=at,
                user=_clean(g.get("claimed_user", ""), 128),
                proven=g.get("proven", False),
                source=_clean(request.remote_addr or "", 64),
                method=request.method,
                path=_clean(shown_path(rule, arguments), _LONGEST),
                arguments=_clean(" ".join(_arguments(declared, _names_no_secret(arguments))), _LONGEST),
                cluster=_clean(arguments.get("cluster", ""), 255),
                server=_clean(_server(arguments), 255),
                status=told.status_code if told is not None else status,
                seconds=round(time.monotonic() - began, 6),
                sentence=_clean(sentence, _LONGEST),
                plan=_clean(plan, 64),
                job=_clean(job, 64),
            )
        )


def shown_path(rule: str, arguments: Mapping[str, str]) -> str:
    """The path of a request without secrets: a setting's value stands in it only when the setting is none."""
    hidden = not _names_no_secret(arguments)
    return _PART.sub(lambda part: MASK if hidden and part[1] == "value" else arguments.get(part[1], part[0]), rule)


def _names_no_secret(arguments: Mapping[str, str]) -> bool:
    """Whether a part of the path names an option that is no secret, so that a value beside it is none either."""
    words = [ALIASES.get(word, word) for name, word in arguments.items() if name not in ("cluster", "value")]
    return any(word in BY_NAME and not BY_NAME[word].secret for word in words)


def _server(arguments: Mapping[str, str]) -> str:
    if "host" in arguments and "port" in arguments:
        return f"{arguments['host']}:{arguments['port']}"
    return arguments.get("server") or arguments.get("proxy") or ""


def _arguments(declared: Collection[str], open_value: bool) -> Iterator[str]:
    for name, value in sorted(_given().items()):
        if name in declared:
            hidden = _SECRET.search(name) or (name == "value" and not open_value)
            yield f"{name}={MASK if hidden else str(value)[:_LONGEST_VALUE]}"


def _given() -> dict[str, Any]:
    try:
        body = request.get_json(force=True, silent=True)
        found: dict[str, Any] = dict(body) if isinstance(body, dict) else {}
        return found | request.form.to_dict() | request.args.to_dict()
    except (HTTPException, RecursionError, OSError):
        return {}


def _outcome(answer: Response | None) -> tuple[str, str, str]:
    """What an answer says of itself: a sentence, the plan, the job."""
    if answer is None or answer.direct_passthrough or answer.is_streamed:
        return "", "", ""
    if answer.is_json:
        document = answer.get_json(silent=True)
        if not isinstance(document, dict):
            return "", "", ""
        sentence = document.get("sentence") or document.get("error") or ""
        return str(sentence), str(document.get("plan") or ""), _identifier(document.get("job"))
    if answer.status_code >= 400 and answer.mimetype == "text/plain":
        return answer.get_data(as_text=True), "", ""
    return "", "", ""


def _identifier(job: object) -> str:
    return str(job.get("id") or "") if isinstance(job, dict) else str(job or "")


def _clean(text: str, longest: int) -> str:
    """What every database takes: no NUL, no half characters, not too long."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")[:longest]
