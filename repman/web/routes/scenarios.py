"""Tests that are played on a real cluster, and the traffic that goes with them."""

from __future__ import annotations

from repman.web.routes.route import CLUSTER, Answer, Parameter, Route
from repman.web.views import scenarios

_PROOF = "tests/integration/test_scenarios.py::"
_PAGE = "/api/clusters/{clusterName}"
_VERDICT = {
    "type": "object",
    "required": ["name", "result", "sentence", "seconds", "acknowledged", "lost", "longest_gap"],
    "properties": {
        "name": {"type": "string"},
        "result": {"enum": ["PASS", "FAIL", "ERR"]},
        "sentence": {"type": "string"},
        "seconds": {"type": "number"},
        "acknowledged": {"type": "integer"},
        "lost": {"type": "integer"},
        "longest_gap": {"type": "number"},
        "config-file": {"type": "string"},
        "config-init": {"type": "object"},
        "config-test": {"type": "object"},
    },
}
_TRAFFIC = {
    "type": "object",
    "required": ["on"],
    "properties": {
        "on": {"type": "boolean"},
        "sentence": {"type": "string"},
        "acknowledged": {"type": "integer"},
        "errors": {"type": "integer"},
        "longest_gap": {"type": "number"},
        "last_error": {"type": "string"},
    },
}
_DOWN = Answer(503, "the worker does not run")
_REFUSED = Answer(409, "refused: the sentence says why")
_FAILED = Answer(500, "it was begun and failed: the sentence says how")

ROUTES: tuple[Route, ...] = (
    Route(
        f"{CLUSTER}/tests",
        scenarios.names,
        "cluster-test",
        summary="The names of the tests that can be played on the cluster.",
        answers=(Answer(200, "their names", schema={"type": "array", "items": {"type": "string"}}),),
        page=f"{_PAGE}/tests",
        proof=f"{_PROOF}test_names",
    ),
    Route(
        f"{CLUSTER}/tests/actions/run/<name>",
        scenarios.run,
        "cluster-test",
        safe=False,
        summary="Play tests on the cluster: they move its writer and kill its servers under writes. `name` is one "
        "name, several with commas, or `all`; the answer comes when the last has ended.",
        parameters=(Parameter("force", "also on a cluster without the option `test`", "boolean"),),
        answers=(
            Answer(
                200,
                "how it ended; of several the first, of `all` an array",
                schema={"anyOf": [_VERDICT, {"type": "array", "items": _VERDICT}]},
            ),
            _REFUSED,
            _FAILED,
            _DOWN,
        ),
        page=f"{_PAGE}/tests/actions/run/{{testName}}",
        proof=f"{_PROOF}test_played_over_the_api",
    ),
    Route(
        f"{CLUSTER}/actions/start-traffic",
        scenarios.start_traffic,
        "cluster-traffic",
        safe=False,
        summary="Write small rows through the balancer until told otherwise.",
        parameters=(
            Parameter("threads", "how many write at once, 1 to 16 (2)", "integer"),
            Parameter("rate", "most writes a second of each, 1 to 1000 (20)", "integer"),
        ),
        answers=(
            Answer(200, "it is on", schema=_TRAFFIC),
            Answer(400, "threads or rate out of range"),
            _REFUSED,
            _FAILED,
            _DOWN,
        ),
        page=f"{_PAGE}/actions/start-traffic",
        proof=f"{_PROOF}test_traffic_over_the_api",
    ),
    Route(
        f"{CLUSTER}/actions/stop-traffic",
        scenarios.stop_traffic,
        "cluster-traffic",
        safe=False,
        summary="Write no more and remove the rows; answers with what was written.",
        answers=(Answer(200, "it is off", schema=_TRAFFIC), _REFUSED, _FAILED, _DOWN),
        page=f"{_PAGE}/actions/stop-traffic",
        proof=f"{_PROOF}test_traffic_over_the_api",
    ),
    Route(
        f"{CLUSTER}/traffic",
        scenarios.traffic,
        "cluster-traffic",
        summary="Whether traffic is on, and how many writes were acknowledged.",
        answers=(Answer(200, "its figures", schema=_TRAFFIC), _FAILED, _DOWN),
        proof=f"{_PROOF}test_traffic_over_the_api",
    ),
)
