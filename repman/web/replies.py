"""The forms of an answer: text as the API's page has it, JSON, and errors that say what to do."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from flask import Response, abort, request

from repman.model.problem import Refusal

Document = Mapping[str, Any] | list[Any] | tuple[Any, ...] | None


def text(body: str, status: int = 200) -> Response:
    """A plain text, exactly as given."""
    return Response(body, status, content_type="text/plain; charset=utf-8")


def document(body: Document, status: int = 200) -> Response:
    """A JSON document."""
    encoded = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Response(encoded, status, content_type="application/json")


def error(status: int, sentence: str, **more: Any) -> Response:
    """A JSON error; `sentence` says what is wrong and what to do."""
    return document({"error": sentence, **more}, status)


def stop(answer: Response) -> NoReturn:
    """End the request with that answer."""
    abort(answer)


def refused(sentence: str, reasons: Iterable[Refusal]) -> Response:
    """409: nothing was changed, and every reason for it."""
    return error(409, sentence, reasons=[reason(each) for each in reasons])


def reason(refusal: Refusal) -> dict[str, str]:
    """A refusal in the API's form."""
    return {"code": refusal.code, "sentence": refusal.sentence, "server": refusal.server}


def too_many_wait(instead: str) -> Response:
    """503: so many wait already that others would find no thread; says what to do instead."""
    answer = error(503, f"Too many wait here already; {instead}.", code="busy")
    answer.headers["Retry-After"] = "1"
    return answer


def missing_grant(user: str, grant: str) -> Response:
    """403 with the contract's text; who asks for JSON explicitly is also told which grant is missing."""
    if asks_for_json():
        answer = error(403, "No valid ACL", user=user, missing_grant=grant)
    else:
        answer = text("No valid ACL", 403)
    answer.headers["X-Repman-Missing-Grant"] = grant
    return answer


def asks_for_json() -> bool:
    """Whether the client names ``application/json`` in its Accept header (``*/*`` does not count)."""
    return any(kind.lower() == "application/json" for kind, quality in request.accept_mimetypes if quality > 0)
