"""What routes that wish something of the monitor have in common: parameters and answers."""

from __future__ import annotations

from repman.web.routes.route import Answer, Parameter
from repman.web.shapes import receipt
from repman.web.shapes.services import UNAVAILABLE

TO = Parameter("to", "the wished new writer, by id, name or `host:port`; `prefmaster` means the same")
PREFMASTER = Parameter("prefmaster", "the same as `to`, in replication-manager's word")
FORCE = Parameter("force", "do it even where it is refused without", kind="boolean")

RECEIPTS = (
    Answer(200, "`done`, or `unchanged` because the aim was reached already.", schema=receipt.RECEIPT),
    Answer(409, "Refused, with every reason; nothing was changed.", schema=receipt.RECEIPT),
    Answer(500, "It was begun and failed; the sentence says where the cluster stands now.", schema=receipt.RECEIPT),
)
"""What every wish that the monitor fulfils answers."""
NO_SUCH_SERVER = Answer(
    404, "The wished server is not of this cluster; nothing was changed.", schema=receipt.UNKNOWN_SERVER
)
NO_ORCHESTRATOR = Answer(
    501,
    "The cluster's orchestrator (opensvc, kube, slapos) is not available, with the reason; nothing was done.",
    schema=UNAVAILABLE,
)
