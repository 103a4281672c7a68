"""What every command of ``repman checkpoints`` begins with: the configuration, the catalogue, the engines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from repman.cli.exits import UsageFailure
from repman.cli.keyfile import OWN, places, sealing_key
from repman.cli.pidfile import claim
from repman.config.checkpoints_file import CheckpointFile, read_checkpoints
from repman.config.secrets import read_key, unseal
from repman.errors import ConfigError

if TYPE_CHECKING:
    from repman.checkpoints.catalogue import Catalogue
    from repman.checkpoints.desk import Desk
    from repman.checkpoints.model import Acts
    from repman.checkpoints.repository import Repository
    from repman.checkpoints.resource.service import Service
    from repman.model.checkpoint import ManagedCluster
    from repman.state.keys import ApiKeys


@dataclass(frozen=True, slots=True)
class Work:
    """An opened data directory."""

    desk: Desk
    keys: ApiKeys
    key: bytes = field(repr=False)
    """Opens what is encrypted in the data directory."""
    public_url: str = ""

    def service(self) -> Service:
        """The resource over it."""
        from repman.checkpoints.resource.service import Service

        return Service(self.desk, self.keys, partial(_unsealed, self.key), self.key, self.public_url)


def claimed(data_dir: Path) -> AbstractContextManager[Path]:
    """Be the only service of that data directory while the block runs; entering it raises AlreadyRunning."""
    return claim(data_dir, "checkpoints", sentence=f"a service with the data directory {data_dir} runs already")


@contextmanager
def opened(config: Path, data_dir: Path, keypath: Path | None) -> Iterator[Work]:
    """Read the configuration and open what is kept; raises ConfigError with every mistake."""
    # Loaded late: whoever asks for help needs no drivers.
    from repman.checkpoints.catalogue import Catalogue
    from repman.checkpoints.desk import Desk
    from repman.state.keys import ApiKeys

    try:
        data_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError([f"the data directory {data_dir} cannot be made: {error.strerror}"]) from error
    key = cache(lambda: sealing_key(data_dir, keypath, places().key))
    file = read_checkpoints(config, key)
    with closing(Catalogue.below(data_dir)) as catalogue, closing(ApiKeys.below(data_dir)) as keys:
        desk = Desk(file.site, catalogue, data_dir, partial(_engine, data_dir, catalogue))
        yield Work(desk, keys, key(), file.public_url)


def checked(config: Path, data_dir: Path | None, keypath: Path | None) -> CheckpointFile:
    """What the configuration says; nothing is opened or made.  Raises ConfigError with every mistake."""
    known = keypath or (data_dir / OWN if data_dir and (data_dir / OWN).exists() else places().key)
    return read_checkpoints(config, lambda: read_key(known))


def chosen(work: Work, wanted: str) -> ManagedCluster:
    """The cluster of that name or id, or the only one; raises UsageFailure."""
    clusters = work.desk.site.clusters
    fitting = [each for each in clusters if wanted in (each.name, each.id)] if wanted else list(clusters)
    if len(fitting) == 1:
        return fitting[0]
    known = ", ".join(each.name for each in clusters)
    raise UsageFailure(f"no cluster is called {wanted}; there are {known}" if wanted else f"give --cluster: {known}")


def _engine(data_dir: Path, catalogue: Catalogue, cluster: ManagedCluster) -> Acts:
    from repman.checkpoints.engine import Engine, Settings
    from repman.checkpoints.parts import Access

    return Engine(
        cluster.group,
        cluster.id,
        Access(cluster.uri, dict(cluster.parts)),
        _repository(data_dir, cluster),
        catalogue,
        data_dir,
        Settings(quota_bytes=cluster.quota_bytes),
    )


def _repository(data_dir: Path, cluster: ManagedCluster) -> Repository:
    from repman.checkpoints.repository import Directory

    if cluster.repository.startswith("s3://"):
        from repman.checkpoints.buckets import Bucket

        bucket, _, prefix = cluster.repository.removeprefix("s3://").partition("/")
        return Bucket(bucket, prefix, cluster.endpoint, cluster.region)
    return Directory(Path(cluster.repository) if cluster.repository else data_dir / "repository")


def _unsealed(key: bytes, text: str) -> str:
    return unseal(text, key)
