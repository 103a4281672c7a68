"""The envelope of every answer, and the names of errors.  Pure but for Flask's response."""

from __future__ import annotations

from typing import Any

from flask import Response

from repman.errors import HistoryLost, LinkFailed, LinkRefused, RepmanError
from repman.link.serving import document
from repman.link.status import Status

BAD_STATE = "InvalidStateTransition"
BAD_BODY = "InvalidRequestBody"
MISSING = "MissingField"
UNKNOWN = "UnknownField"
UNSUPPORTED = "UnsupportedOption"
NOT_READY = "NotReadyToCommit"
NOT_REVERSIBLE = "NotReversible"
NOT_EMPTY = "DestinationNotEmpty"
HISTORY_LOST = "OplogRolledOver"
INTERNAL = "InternalError"

_BY_CODE = {
    "catching-up": NOT_READY,
    "cloning": NOT_READY,
    "not-reversible": NOT_REVERSIBLE,
    "target-not-empty": NOT_EMPTY,
    "unsupported": UNSUPPORTED,
}
"""Names for the codes of `LinkRefused`; every other code tells of a state."""

_BY_STATUS = {
    400: BAD_BODY,
    401: "Unauthorized",
    403: "Forbidden",
    404: "UnknownEndpoint",
    405: "MethodNotAllowed",
    413: "RequestTooLarge",
}

_HISTORY_LOST_WORDS = "oplog history is lost"
"""Stand in `Status.error` when the source's oplog no longer holds what is needed."""


class ApiError(RepmanError):
    """A call is answered with an error; nothing was changed."""

    def __init__(self, name: str, sentence: str, status: int = 400) -> None:
        self.name = name
        """One word for programs."""
        self.status = status
        """The HTTP status: 400 when the caller can do better, 500 when the link cannot."""
        super().__init__(sentence)


def accepted() -> Response:
    """The answer to a call that was carried out."""
    return document({"success": True})


def progressing(progress: dict[str, Any]) -> Response:
    """The answer to a question for the progress."""
    return document({"progress": progress, "success": True})


def refused(error: ApiError) -> Response:
    """The answer to a call that was not carried out."""
    return document({"success": False, "error": error.name, "errorDescription": str(error)}, error.status)


def http_refusal(status: int, sentence: str) -> Response:
    """The answer to a request that is no call of this API, or that nobody may make."""
    return refused(ApiError(_BY_STATUS.get(status, BAD_BODY if status < 500 else INTERNAL), sentence, status))


def named(error: LinkRefused | LinkFailed) -> ApiError:
    """What the link said, under this API's names."""
    if isinstance(error, LinkRefused):
        return ApiError(_BY_CODE.get(error.code, BAD_STATE), str(error))
    return ApiError(HISTORY_LOST if isinstance(error, HistoryLost) else INTERNAL, str(error), 500)


def failure(status: Status) -> ApiError:
    """What a link that stopped by itself answers to everything, `resume` excepted."""
    why = status.error or "the replication failed"
    name = HISTORY_LOST if _HISTORY_LOST_WORDS in why else INTERNAL
    advice = "when the cause is gone, POST /api/v1/resume or start the program again"
    return ApiError(name, f"{why}; {advice}", 500)
