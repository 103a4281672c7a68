"""Views of what an orchestrator does: closed, with the reason, where there is none that repman can work with."""

from __future__ import annotations

from flask import Response

from repman.model.orchestrator import why_unavailable
from repman.web import replies
from repman.web.call import Call, View


def action(view: View) -> View:
    """The view; 501 and the reason on clusters whose orchestrator is not available."""
    return _behind(view, 501)


def read(view: View) -> View:
    """The view; 200 and the reason on clusters whose orchestrator is not available."""
    return _behind(view, 200)


def unavailable(reason: str, status: int) -> Response:
    """The answer in the place of what an orchestrator would do or know."""
    return replies.document({"available": False, "reason": reason}, status)


def _behind(view: View, status: int) -> View:
    def enter(call: Call) -> Response:
        if reason := why_unavailable(call.cluster.orchestrator):
            return unavailable(reason, status)
        return view(call)

    return enter
