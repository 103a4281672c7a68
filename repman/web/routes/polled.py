"""What other programs ask for again and again."""

from __future__ import annotations

from repman.web.acl import PUBLIC
from repman.web.call import View
from repman.web.routes.route import Answer, Parameter, Route
from repman.web.shapes.common import ALIVE, ERROR, INTEGER, STRING, each, one_of, record
from repman.web.views import metrics, polled

_PROOFS = "tests/integration/test_page_reads.py::"
_HEARTBEAT = record(
    {**each("uuid secret cluster master", STRING), **each("id hosts failed", INTEGER), "status": one_of("A", "S")},
    "Heartbeat",
)


def _public(path: str, view: View, summary: str, answers: tuple[Answer, ...], proof: str, *given: Parameter) -> Route:
    return Route(path, view, PUBLIC, summary=summary, parameters=given, answers=answers, proof=_PROOFS + proof)


def _heartbeat(path: str) -> Route:
    return _public(
        path,
        polled.heartbeat,
        "Who this repman is and whether it acts, for a peer; the secret is never told.",
        (Answer(200, "", schema=_HEARTBEAT),),
        "test_the_heartbeat_has_no_secret",
    )


ROUTES: tuple[Route, ...] = (
    _public(
        "/api/prometheus",
        polled.metrics,
        "All clusters as metrics in Prometheus' text format, each with the label `cluster`, and all links (`link`).",
        (Answer(200, "", "text/plain"),),
        "test_the_metrics_can_be_scraped",
    ),
    _public(
        "/metrics",
        metrics.exposition,
        "Everything for Prometheus, with names, units and types of its conventions; docs/metrics.md explains each.",
        (Answer(200, "", "text/plain"),),
        "test_what_prometheus_scrapes_has_well_formed_names",
    ),
    _heartbeat("/api/heartbeat"),
    _heartbeat("/heartbeat"),
    _public(
        "/api/timeout",
        polled.wait,
        "Answers late, to try a client's patience.",
        (Answer(200, "", schema=ALIVE), Answer(503, "Others are waiting here already.", schema=ERROR)),
        "test_an_answer_can_be_late",
        Parameter("seconds", "how late, 1 to 20; 2 when it is not given", kind="integer"),
    ),
)
