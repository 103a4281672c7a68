"""How long writes pause when the writer is moved by hand, what clients notice, and whether a write is lost.

Eight writers insert through HAProxy while `repman ctl switchover` is asked for through the API.  Measured is the
longest time between two acknowledged writes, from shortly before the order to shortly after its end.

Usage: python bench/switchover.py [--rounds 20]
Prints one JSON object; exits 1 when a write was lost, a switchover failed, or the goal was missed.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from load import Load
from report import figures, finish, say
from rig import Rig, running

from repman.cli.api import cluster_path
from repman.cli.demo_place import CLUSTER
from repman.errors import RepmanError

GOAL_MS = 250.0
MARGIN = 0.5


def one_round(rig: Rig) -> dict[str, Any]:
    """Move the writer under load."""
    load = Load(rig)
    load.start()
    old, wall, began = rig.writer(), time.time(), time.monotonic()
    try:
        answer = rig.api.act(cluster_path(CLUSTER, "actions", "switchover"))["sentence"]
        failed = False
    except RepmanError as error:
        answer, failed = str(error), True
    ended = time.monotonic()
    load.acknowledged_after(ended, 30.0)
    time.sleep(MARGIN)
    told = load.stop()
    plan = None if failed else rig.plan_since(wall, "switchover")
    steps = (
        [(str(step.kind), seconds) for step, seconds in zip(plan.steps, plan.step_seconds, strict=False)]
        if plan
        else []
    )
    inside = [done for _, done, _ in told.acks if began <= done <= ended + MARGIN]
    return {
        "from": old.name,
        "to": rig.writer().name,
        "failed": failed,
        "answer": answer,
        "seconds": round(ended - began, 3),
        "gap_ms": round(told.longest_gap(began - MARGIN, max(ended, max(inside, default=ended))) * 1000, 1),
        "errors": len(told.errors),
        "acknowledged": len(told.acks),
        "lost": len(told.lost(load.present())),
        "steps_ms": [[kind, round(seconds * 1000, 1)] for kind, seconds in steps],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=20)
    given = parser.parse_args()
    samples = []
    with running() as rig:
        for turn in range(given.rounds):
            rig.heal()
            samples.append(one_round(rig))
            say(f"{turn + 1}/{given.rounds} gap {samples[-1]['gap_ms']} ms, errors {samples[-1]['errors']}")
        rig.heal()
    gaps = figures([sample["gap_ms"] for sample in samples])
    failures = [f"round {turn}: {each['answer']}" for turn, each in enumerate(samples, 1) if each["failed"]]
    failures += [f"round {turn} lost {each['lost']} writes" for turn, each in enumerate(samples, 1) if each["lost"]]
    if gaps["p50"] is None or gaps["p50"] > GOAL_MS:
        failures.append(f"longest gap p50: {gaps['p50']} ms, goal {GOAL_MS:.0f} ms")
    return finish(
        "switchover",
        failures,
        rounds=given.rounds,
        gap_ms=gaps,
        errors=figures([sample["errors"] for sample in samples]),
        acknowledged=sum(sample["acknowledged"] for sample in samples),
        lost=sum(sample["lost"] for sample in samples),
        samples=samples,
    )


if __name__ == "__main__":
    sys.exit(main())
