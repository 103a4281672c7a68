"""Links between MongoDB clusters: shown from what their processes publish, and steered over their sockets."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from flask import Response

from repman.config.settings_link import LinkSettings
from repman.errors import LinkDown
from repman.model.link import LinkAction, LinkCommand, LinkView
from repman.model.problem import Refusal
from repman.state.publication import age
from repman.web import replies
from repman.web.call import Call, House, View
from repman.web.parameters import flag
from repman.web.render.links import render_link

_SECONDS = 120.0
"""Within which a link answers: before a finalize does, all that was read is applied."""

Known = tuple[LinkSettings, LinkView | None, float]
"""A configured link, what it published last, and how many seconds ago."""


def known_links(house: House) -> Iterator[Known]:
    """Every link that is configured."""
    return (_known(house, link) for link in house.settings.links)


def listed(call: Call) -> Response:
    """All of them."""
    return replies.document([render_link(*known) for known in known_links(call.house)])


def show(call: Call) -> Response:
    """One."""
    return replies.document(render_link(*_known(call.house, _link(call))))


def act(action: LinkAction) -> View:
    """That action on the link in the path."""
    return partial(_act, action)


def _act(action: LinkAction, call: Call) -> Response:
    link = _link(call)
    command = LinkCommand(
        action,
        link.name,
        call.user.name,
        again=flag("again"),
        from_failure=flag("fromFailure"),
    )
    try:
        receipt = call.house.ask_link(command, _SECONDS)
    except LinkDown as down:
        return replies.error(503, str(down), code="link-down")
    if receipt.status == "refused":
        return replies.refused(receipt.sentence, [Refusal(code, told) for code, told in receipt.refusals])
    if receipt.status != "done":
        return replies.error(500, receipt.sentence)
    document = render_link(*_known(call.house, link))
    return replies.document({"status": receipt.status, "sentence": receipt.sentence, "link": document})


def _link(call: Call) -> LinkSettings:
    """The link in the path.  Ends the request with 404 when none of that name is configured."""
    found = call.house.settings.link(call.arguments["link"])
    if found is None:
        sentence = f"No link is called {call.arguments['link']!r}; GET /api/links lists those there are."
        replies.stop(replies.error(404, sentence))
    return found


def _known(house: House, link: LinkSettings) -> Known:
    view = house.links.get(link.name)
    return link, view, float("inf") if view is None else age(view)
