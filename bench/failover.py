"""How long writes stop when the writer dies, and whether one is lost.

Eight writers insert through HAProxy.  The writer is killed (or frozen); measured is the time from the kill to the
first acknowledgement of a write sent after it, and the phases in between.  Then every id that a client was told
is safe is looked for on the server that is the writer at the end.

Usage: python bench/failover.py [--fault kill|stop] [--rounds 20]
       python bench/failover.py --losses [--rounds 3] [--variant NAME ...]
Prints one JSON object; exits 1 when a write was lost, when a positive control lost none, or a goal was missed.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterable
from typing import Any

from load import Load
from report import figures, finish, say
from rig import Rig, running
from variants import VARIANTS, Preparation, nothing

from repman.model.plan import StepKind
from repman.model.snapshot import PlanView, Snapshot

FAULTS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}
GOALS = {"kill": {"p50": 400.0, "p95": 800.0}, "stop": {"p50": 4000.0}}
BACK_WITHIN = 60.0
CONTROL_WITHIN = 10.0
"""Seconds for a sabotaged cluster to come back, which it need not."""

PHASES = {
    StepKind.ROUTE_AWAY: "fence",
    StepKind.FENCE: "fence",
    StepKind.KILL: "fence",
    StepKind.STOP_RECEIVING: "drain",
    StepKind.DRAIN: "drain",
    StepKind.CATCH_UP: "drain",
    StepKind.PROMOTE: "promote",
    StepKind.FOLLOW: "follow",
    StepKind.OPEN: "route",
    StepKind.ROUTE: "route",
}


def one_round(rig: Rig, number: signal.Signals, prepare: Preparation, within: float = BACK_WITHIN) -> dict[str, Any]:
    """Kill the writer under load and see what becomes of it; the cluster is left as it is then."""
    load = Load(rig)
    load.start()
    victim = rig.writer()
    pid = rig.sandbox.pid(victim.name)
    assert pid is not None
    with prepare(rig, load):
        wall = time.time()
        os.kill(pid, number)
        killed = time.monotonic()
    back = load.acknowledged_after(killed, within)
    plan = _plan(rig, wall)
    time.sleep(0.5)
    told = load.stop()
    first = told.first_after(killed)
    snapshot = rig.snapshot()
    known = back or (snapshot.writer_alive and plan is not None and plan.state == "done")
    lost = told.lost(load.present()) if known else []
    steps = phases(snapshot, plan, victim.address, wall) if plan else {}
    if steps and first is not None:
        steps["client"] = round((first - killed) * 1000 - sum(steps[name] for name in steps if name != "rest"), 1)
    return {
        "writer": victim.name,
        "first_write_ms": None if first is None else round((first - killed) * 1000, 1),
        "acknowledged": len(told.acks),
        "acknowledged_before_kill": sum(end <= killed for _, end, _ in told.acks),
        "errors": len(told.errors),
        "lost": len(lost),
        "lost_ids": lost[:20],
        "phases_ms": steps,
        "refusals": [refusal.code for refusal in snapshot.refusals],
        "last_error": told.errors[-1][1] if told.errors else "",
    }


def _plan(rig: Rig, wall: float) -> PlanView | None:
    for kind in ("failover", "reopen"):
        try:
            return rig.plan_since(wall, kind, seconds=10.0)
        except TimeoutError:
            continue
    return None


def phases(snapshot: Snapshot, plan: PlanView, victim: str, wall: float) -> dict[str, float]:
    """Milliseconds of each phase, as the monitor tells them; `rest` follows after writes go on.

    `client`, added by the caller, is what remains until the first write: journal, HAProxy, connecting again.
    """
    noticed = [event.at for event in snapshot.events if event.server == victim and wall <= event.at <= plan.started_at]
    first = min(noticed, default=plan.started_at)
    found = {"detect": first - wall, "confirm": plan.started_at - first}
    routed = False
    for step, seconds in zip(plan.steps, plan.step_seconds, strict=False):
        name = "rest" if routed else PHASES.get(step.kind, "rest")
        found[name] = found.get(name, 0.0) + seconds
        routed = routed or step.kind is StepKind.ROUTE
    return {name: round(seconds * 1000, 1) for name, seconds in found.items()}


def speed(fault: str, rounds: int) -> int:
    """The distribution of the time without writes."""
    samples = []
    with running() as rig:
        for turn in range(rounds):
            rig.heal()
            samples.append(one_round(rig, FAULTS[fault], nothing))
            say(f"{turn + 1}/{rounds} {samples[-1]['first_write_ms']} ms, lost {samples[-1]['lost']}")
        rig.heal()
    times = [sample["first_write_ms"] for sample in samples if sample["first_write_ms"] is not None]
    found = figures(times)
    failures = _failures(samples)
    for name, goal in GOALS[fault].items():
        value = found[name]
        if value is None or value > goal:
            failures.append(f"first write {name}: {value} ms, goal {goal:.0f} ms")
    names = sorted({name for sample in samples for name in sample["phases_ms"]})
    by_phase = {name: figures([s["phases_ms"][name] for s in samples if name in s["phases_ms"]]) for name in names}
    return finish(
        "failover",
        failures,
        fault=fault,
        rounds=rounds,
        first_write_ms=found,
        phases_ms=by_phase,
        acknowledged=sum(sample["acknowledged"] for sample in samples),
        lost=sum(sample["lost"] for sample in samples),
        samples=samples,
    )


def _failures(samples: Iterable[dict[str, Any]]) -> list[str]:
    found = []
    for turn, sample in enumerate(samples, 1):
        if sample["lost"]:
            found.append(f"round {turn} lost {sample['lost']} acknowledged writes")
        if sample["first_write_ms"] is None:
            told = ", ".join(sample["refusals"]) or sample["last_error"]
            found.append(f"round {turn}: no write went through ({told})")
    return found


def losses(rounds: int, names: list[str]) -> int:
    """Every state in which a careless failover would lose writes, and the controls that must."""
    found: dict[str, Any] = {}
    failures: list[str] = []
    for name in names:
        variant = VARIANTS[name]
        samples = []
        within = CONTROL_WITHIN if variant.must_lose else BACK_WITHIN
        with running(variant.options, variant.sabotage) as rig:
            for turn in range(1 if variant.must_lose else rounds):
                if turn:
                    rig.heal()
                samples.append(one_round(rig, signal.SIGKILL, variant.prepare, within))
                say(f"{name}: {samples[-1]['first_write_ms']} ms, lost {samples[-1]['lost']}")
        lost = sum(sample["lost"] for sample in samples)
        found[name] = {"lost": lost, "must_lose": variant.must_lose, "samples": samples}
        if variant.must_lose and not lost:
            failures.append(f"{name} lost nothing: this measurement would not see a loss")
        elif not variant.must_lose:
            failures += [f"{name}: {each}" for each in _failures(samples)]
    return finish("failover-losses", failures, rounds=rounds, variants=found)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--fault", choices=sorted(FAULTS), default="kill")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--losses", action="store_true", help="loss variants and positive controls")
    parser.add_argument("--variant", action="append", choices=sorted(VARIANTS), help="with --losses: only this one")
    given = parser.parse_args()
    if given.losses:
        return losses(given.rounds or 3, given.variant or list(VARIANTS))
    return speed(given.fault, given.rounds or 20)


if __name__ == "__main__":
    sys.exit(main())
