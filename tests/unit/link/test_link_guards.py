from __future__ import annotations

import pytest

from repman.errors import LinkFailed
from repman.link.connection import Cluster
from repman.link.guards import require_pair


def cluster(name: str, version: tuple[int, ...], identity: object = None) -> Cluster:
    """One that nobody is connected to: only what is known of it counts here."""
    made = Cluster("mongodb://nobody.invalid", name)
    made.version, made.identity = version, identity or name
    return made


@pytest.mark.parametrize(
    ("source", "target"),
    [((6, 0, 5), (6, 0, 5)), ((6, 0, 99), (6, 0, 1)), ((6, 0, 5), (7, 0, 0)), ((6, 0, 5), (8, 0, 1))],
)
def test_a_target_may_be_as_old_as_the_source_or_newer(source: tuple[int, ...], target: tuple[int, ...]) -> None:
    require_pair(cluster("source", source), cluster("target", target))


def test_a_target_of_an_older_major_version_is_refused() -> None:
    with pytest.raises(LinkFailed) as caught:
        require_pair(cluster("source", (7, 0, 13)), cluster("target", (6, 0, 17)))
    assert str(caught.value) == (
        "version check: the source (MongoDB 7.0.13) is newer than the target (6.0.17); replicate to the same or a newer "
        "major version"
    )


def test_a_cluster_and_itself_are_refused() -> None:
    with pytest.raises(LinkFailed, match="source and target are the same cluster"):
        require_pair(cluster("source", (6, 0, 5), "one"), cluster("target", (6, 0, 5), "one"))
