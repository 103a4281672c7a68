"""Works on a cluster in a process of its own and ends it by SIGKILL, at the step whose number it is given.

usage: checkpoint_runner.py DIRECTORY URI STEP checkpoint | snapshot | restore JOB
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from bson import ObjectId
from checkpoint_stand import CLUSTER, GROUP, Place


def main() -> None:
    directory, uri, last, what, *rest = sys.argv[1:]
    steps = 0

    def tell(step: str) -> None:
        nonlocal steps
        if steps == int(last):
            os.kill(os.getpid(), signal.SIGKILL)
        steps += 1
        print(step, flush=True)

    place = Place(Path(directory), uri, tell=tell)
    if what == "restore":
        job = place.catalogue.restores.get(GROUP, CLUSTER, ObjectId(rest[0]))
        assert job is not None
        place.catalogue.restores.save(place.engine.restore(job))
    else:
        getattr(place.engine, what)()
    place.close()


if __name__ == "__main__":
    main()
