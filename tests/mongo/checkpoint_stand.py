"""A sharded cluster without mongos: config servers and two shards of one member each, and what checkpoints do to it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bson import SON
from mongo_stand import ReplicaSet

MAJORITY = {"w": "majority"}


class Sharded:
    """Config servers and shards; every shard is registered, a mongos there is none."""

    def __init__(self, directory: Path, shards: int = 2, register: bool = True) -> None:
        names = [f"shard_{number}" for number in range(shards)]
        with ThreadPoolExecutor(shards + 1) as pool:
            config = pool.submit(ReplicaSet, directory, "config", 1, ("--configsvr",), 64)
            made = [pool.submit(ReplicaSet, directory, f"set_{name}", 1, ("--shardsvr",), 64) for name in names]
            self.config = config.result()
            self.shards = {name: each.result() for name, each in zip(names, made, strict=True)}
        if register:
            for name in names:
                self.register(name)

    def register(self, name: str) -> None:
        member = self.shards[name].members[0]
        host = f"{self.shards[name].name}/{member.address}"
        self.config.client.admin.command(
            SON([("_configsvrAddShard", host), ("name", name), ("writeConcern", MAJORITY)])
        )

    @property
    def uri(self) -> str:
        return self.config.uri

    @property
    def sets(self) -> dict[str, ReplicaSet]:
        """Each part's set by the name that targets of a restore are given for."""
        return {self.config.name: self.config, **self.shards}

    def balancer(self) -> str:
        """`full` or `off`."""
        found: dict[str, Any] = self.config.client.admin.command("_configsvrBalancerStatus", 1)
        return str(found["mode"])

    def start_balancer(self) -> None:
        self.config.client.admin.command("_configsvrBalancerStart", 1)

    def stop_balancer(self) -> None:
        self.config.client.admin.command("_configsvrBalancerStop", 1)

    def stop(self) -> None:
        for each in (*self.shards.values(), self.config):
            each.stop()
