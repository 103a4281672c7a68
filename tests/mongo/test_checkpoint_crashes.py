"""repman is killed at each step of checkpoints, snapshots and restores; whoever comes next puts everything in order."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from bson import ObjectId
from checkpoint_stand import CLUSTER, GROUP, Place, Sharded, state
from mongo_stand import wait_until

from repman.checkpoints.balancer import born
from repman.checkpoints.model import RestoreJob, RestoreRequest
from repman.errors import CheckpointFailed

ROUNDS = int(os.environ.get("REPMAN_ROUNDS", "3"))
"""Up to 3, the first step of each kind; a long series takes all."""
RUNNER = Path(__file__).with_name("checkpoint_runner.py")


def run(directory: Path, uri: str, step: int, *what: str) -> tuple[list[str], int]:
    """The steps that were told, and how the process ended."""
    done = subprocess.run(
        [sys.executable, str(RUNNER), str(directory), uri, str(step), *what], capture_output=True, text=True, timeout=60
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr[-2000:]
    return done.stdout.splitlines(), done.returncode


def fill(cluster: Sharded) -> None:
    for number, one in enumerate(cluster.shards.values()):
        one.client.shop.orders.insert_many([{"_id": each, "n": number} for each in range(500)])
        one.client.shop.orders.create_index("n")


def change(cluster: Sharded, number: int) -> None:
    for one in cluster.shards.values():
        one.client.shop.orders.update_many({"_id": {"$lt": 50}}, {"$set": {"round": number}})
        one.client.shop.orders.insert_one({"_id": 1000 + number})


def chosen(steps: list[str]) -> list[int]:
    """The first step of each kind; in a long series all."""
    return [*range(len(steps))] if ROUNDS > 3 else sorted({steps.index(step) for step in steps})


@pytest.mark.parametrize("what", ["checkpoint", "snapshot"])
def test_killed_at_each_step(cluster: Sharded, copy: Sharded, tmp_path: Path, what: str) -> None:
    fill(cluster)
    steps, code = run(tmp_path / "first", cluster.uri, 10_000, what)
    assert code == 0
    stopped = restored = 0
    for number in chosen(steps):
        # Each in a new directory: the first checkpoint takes a snapshot, too.
        directory = tmp_path / str(number)
        told, code = run(directory, cluster.uri, number, what)
        assert (code, len(told)) == (-signal.SIGKILL, number)
        stopped += cluster.balancer() == "off"
        place = Place(directory, cluster.uri)
        place.engine.repair()
        assert cluster.balancer() == "full"
        assert cluster.config.client.config.repman.count_documents({}) == 0
        checkpoints = place.catalogue.checkpoints.list(GROUP, CLUSTER)
        assert all(each.completed is not None for each in checkpoints)
        for each in checkpoints:
            if each.restorable:
                restored += 1
                place.restored(copy.sets, overwrite=True, checkpoint=each.id)
                assert {name: state(one) for name, one in copy.shards.items()} == {
                    name: state(one) for name, one in cluster.shards.items()
                }
        for each in place.catalogue.snapshots.list(GROUP, CLUSTER):
            assert each.complete or each.reasons
        if number == 0 or number == chosen(steps)[-1]:
            change(cluster, number)
            assert place.engine.checkpoint().restorable
        place.close()
    # Control: some of the kills did leave the balancer stopped, and some a checkpoint that is restorable.
    assert what == "snapshot" or (stopped > 0 and restored > 0)


def test_the_balancer_that_was_off_stays_off(cluster: Sharded, tmp_path: Path) -> None:
    cluster.stop_balancer()
    steps, _ = run(tmp_path, cluster.uri, 10_000, "checkpoint")
    _, code = run(tmp_path, cluster.uri, steps.index("balancer: restart"), "checkpoint")
    assert code == -signal.SIGKILL
    place = Place(tmp_path, cluster.uri)
    assert any("stays stopped" in each for each in place.engine.repair())
    assert cluster.balancer() == "off"
    place.close()


def test_the_next_checkpoint_repairs_too(cluster: Sharded, tmp_path: Path) -> None:
    steps, _ = run(tmp_path, cluster.uri, 10_000, "checkpoint")
    run(tmp_path, cluster.uri, steps.index("balancer: restart"), "checkpoint")
    assert cluster.balancer() == "off"
    place = Place(tmp_path, cluster.uri)
    assert place.engine.checkpoint().restorable
    assert cluster.balancer() == "full"
    place.close()


def test_a_restore_killed_at_each_step_is_finished_by_the_next(cluster: Sharded, copy: Sharded, tmp_path: Path) -> None:
    fill(cluster)
    place = Place(tmp_path, cluster.uri)
    place.engine.checkpoint()
    change(cluster, 7)
    made = place.engine.checkpoint()
    targets = tuple((name, one.uri) for name, one in copy.sets.items())
    expected = {name: state(one) for name, one in cluster.shards.items()}

    def job() -> RestoreJob:
        request = RestoreRequest(GROUP, CLUSTER, checkpoint=made.id, targets=targets, overwrite=True)
        begun = RestoreJob(ObjectId(), request, datetime.now(UTC))
        place.catalogue.restores.save(begun)
        return begun

    steps, code = run(tmp_path, cluster.uri, 10_000, "restore", str(job().id))
    assert code == 0
    for number in chosen(steps):
        mine = job()
        _, code = run(tmp_path, cluster.uri, number, "restore", str(mine.id))
        assert code == -signal.SIGKILL
        place.engine.restore(mine)
        assert {name: state(one) for name, one in copy.shards.items()} == expected
        monitor = copy.shards["shard_0"].client.admin.command("getParameter", 1, ttlMonitorEnabled=1)
        assert monitor["ttlMonitorEnabled"] is True
    place.close()


def test_a_living_checkpoint_is_left_alone(cluster: Sharded, tmp_path: Path) -> None:
    """A second process is refused while the first one has the balancer stopped."""
    hold = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, start_new_session=True
    )
    try:
        wish = {
            "_id": "balancer", "checkpoint": ObjectId(), "running": True, "autosplit": True,
            "host": os.uname().nodename, "process": hold.pid, "born": born(hold.pid),
        }  # fmt: skip
        cluster.config.client.config.repman.insert_one(wish)
        cluster.stop_balancer()
        place = Place(tmp_path, cluster.uri)
        with pytest.raises(Exception, match="is under way in process"):
            place.engine.checkpoint()
        with pytest.raises(Exception, match="is under way in process"):
            place.engine.repair()
        assert cluster.balancer() == "off"
    finally:
        hold.kill()
        hold.communicate()
    wait_until(lambda: place.engine.repair(), 5, "the wish of the dead process to be fulfilled")
    assert cluster.balancer() == "full"
    place.close()


def test_a_balancer_that_could_not_be_started_is_started_by_the_same_process(cluster: Sharded, tmp_path: Path) -> None:
    def fail(step: str) -> None:
        if step == "balancer: restart":
            raise RuntimeError("the config servers do not answer")

    place = Place(tmp_path, cluster.uri, tell=fail)
    with pytest.raises(RuntimeError):
        place.engine.checkpoint()
    assert cluster.balancer() == "off"
    (kept,) = place.catalogue.checkpoints.list(GROUP, CLUSTER)
    assert (kept.restorable, kept.completed is not None) == (False, True)
    place.close()
    place = Place(tmp_path, cluster.uri)
    assert any("runs again" in each for each in place.engine.capture())
    assert cluster.balancer() == "full"
    place.close()


@pytest.mark.parametrize("step", ["balancer: stopped", "moment: tokens", "balancer: restart"])
def test_config_servers_that_elect_meanwhile_leave_no_balancer_stopped(
    cluster: Sharded, copy: Sharded, tmp_path: Path, step: str
) -> None:
    def step_down(told: str) -> None:
        if told == step and not downs:
            downs.append(told)
            cluster.config.step_down()

    downs: list[str] = []
    place = Place(tmp_path, cluster.uri, tell=step_down)
    fill(cluster)
    with contextlib.suppress(CheckpointFailed):
        place.engine.checkpoint()
    assert downs == [step]
    assert cluster.balancer() == "full"
    (made,) = place.catalogue.checkpoints.list(GROUP, CLUSTER)
    assert made.restorable or made.reasons
    if made.restorable:
        place.restored(copy.sets, overwrite=True, checkpoint=made.id)
        assert {name: state(one) for name, one in copy.shards.items()} == {
            name: state(one) for name, one in cluster.shards.items()
        }
    assert place.engine.checkpoint().restorable
    place.close()
