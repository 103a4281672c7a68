"""Every scenario, run by the real loop in virtual time with clients writing all along, and judged by its history."""

from __future__ import annotations

import pytest

from simulation.scenarios import SCENARIOS, Scenario
from simulation.simulator import Simulation
from simulation.wishes import WISHES


def judged(scenario: Scenario, sim: Simulation) -> list[str]:
    """Everything that is wrong with a finished run."""
    found = sim.recorder.finish((sim.proxy,), scenario.converges, scenario.apart)
    wrong = [sentence for sentence in found if sentence.partition(":")[0] not in scenario.tolerated]
    if scenario.writer is not None and sim.writer != scenario.writer:
        wrong.append(f"the writer is {sim.writer!r}, not {scenario.writer!r}")
    if scenario.plans is not None and tuple(sim.plans) != scenario.plans:
        wrong.append(f"plans were {sim.plans}")
    if missing := scenario.refused - sim.refusals():
        wrong.append(f"never refused for {missing}, but for {sim.refusals()}")
    return wrong


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    "scenario",
    [
        pytest.param(one, id=one.name, marks=[pytest.mark.xfail(reason=one.known, strict=True)] if one.known else [])
        for one in (*SCENARIOS, *WISHES)
    ],
)
def test_scenario(scenario: Scenario, seed: int) -> None:
    sim = scenario.build(seed=seed)
    sim.run(scenario.seconds)
    assert not judged(scenario, sim)
    if scenario.converges:
        end = sim.world.now()
        assert sim.acknowledged(end - 5.0) > 50
