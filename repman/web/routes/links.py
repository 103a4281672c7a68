"""Links between MongoDB clusters."""

from __future__ import annotations

from repman.model.link import LinkAction
from repman.web.routes.route import Answer, Parameter, Route
from repman.web.shapes import links as shapes
from repman.web.shapes.common import ERROR
from repman.web.views import links

_ALL = "/api/links"
_ONE = f"{_ALL}/<link>"
_UNKNOWN = Answer(404, "No link of that name is configured.", schema=ERROR)
_ANSWERS = (
    Answer(200, "It is done, or goes on by itself; the link as it is now.", schema=shapes.TOLD),
    _UNKNOWN,
    Answer(409, "Refused, and why; nothing was changed.", schema=shapes.REFUSED),
    Answer(500, "It was begun and failed; the sentence says what to do.", schema=ERROR),
    Answer(503, "The link's process does not run, or is silent; then look at the link first.", schema=shapes.DOWN),
)


def _act(action: LinkAction, summary: str, *parameters: Parameter) -> Route:
    return Route(
        f"{_ONE}/actions/{action}",
        links.act(action),
        f"cluster-link-{action}",
        safe=False,
        summary=summary,
        parameters=parameters,
        answers=_ANSWERS,
    )


ROUTES: tuple[Route, ...] = (
    Route(
        _ALL,
        links.listed,
        "cluster-link-show",
        summary="*Own*: the configured links, each with its state, progress and lag; no account is shown.",
        answers=(Answer(200, "", schema=shapes.LINKS),),
    ),
    Route(
        _ONE,
        links.show,
        "cluster-link-show",
        summary="*Own*: one link; of one whose process does not run (`up` false) what was known last.",
        answers=(Answer(200, "", schema=shapes.LINK), _UNKNOWN),
    ),
    _act(
        LinkAction.START,
        "*Own*: begins to copy and then to replicate, as the link is configured.",
        Parameter("again", "also when it was finalized: everything is copied anew", kind="boolean"),
    ),
    _act(LinkAction.PAUSE, "*Own*: stops for a while; what is under way is still finished."),
    _act(
        LinkAction.RESUME,
        "*Own*: goes on after a pause.",
        Parameter("fromFailure", "also after a failure", kind="boolean"),
    ),
    _act(
        LinkAction.FINALIZE,
        "*Own*: applies what was read, ends the replication, and opens the target to its clients; stop the writes to "
        "the source before.",
    ),
    _act(LinkAction.REVERSE, "*Own*: replicates the other way, after it was finalized and when it was started so."),
)
