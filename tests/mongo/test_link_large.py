"""Clones of much data, and of many collections and indexes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from link_stand import LONG, LinkStand, differences, linked
from mongo_stand import ReplicaSet
from pymongo import IndexModel

from repman.link.options import LinkOptions

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200 if LONG else 120)]
PATIENT = 900.0
MEGABYTES = 2000 if LONG else 30
IN_SEGMENTS = 1600 if LONG else 30
COLLECTIONS = 10_000 if LONG else 120


@pytest.fixture
def stand(source: ReplicaSet, target: ReplicaSet) -> Iterator[LinkStand]:
    with linked(source, target) as made:
        yield made


def numbers(number: int) -> Any:
    return number


def of_types(number: int) -> Any:
    """No two are equal."""
    return (number, number + 0.5, f"key {number}", {"n": number})[number % 4]


def fill(stand: LinkStand, name: str, megabytes: int, identity: Callable[[int], Any] = numbers) -> None:
    here = stand.source.client.db[name]
    for first in range(0, megabytes * 100, 1000):
        here.insert_many([{"_id": identity(number), "x": "x" * 9_970} for number in range(first, first + 1000)])


def cloned(stand: LinkStand, options: LinkOptions | None = None) -> None:
    stand.start(options)
    stand.cloned(PATIENT)
    stand.in_sync()
    stand.caught_up()
    stand.finalized(PATIENT)
    assert differences(stand.source, stand.target) == []


def test_one_collection(stand: LinkStand) -> None:
    fill(stand, "c", MEGABYTES)
    cloned(stand)


def test_two_collections(stand: LinkStand) -> None:
    fill(stand, "c", MEGABYTES // 2)
    fill(stand, "d", MEGABYTES // 2)
    cloned(stand)


def test_ids_of_several_types(stand: LinkStand) -> None:
    fill(stand, "c", MEGABYTES, of_types)
    cloned(stand)


@pytest.mark.parametrize("identity", [numbers, of_types])
def test_a_capped_collection(stand: LinkStand, identity: Callable[[int], Any]) -> None:
    stand.source.client.db.create_collection("c", capped=True, size=(MEGABYTES // 2) << 20)
    fill(stand, "c", MEGABYTES, identity)
    cloned(stand)


@pytest.mark.parametrize("segment", [500_000_000, 0], ids=["explicit", "automatic"])
def test_segments(stand: LinkStand, segment: int) -> None:
    fill(stand, "c", IN_SEGMENTS)
    cloned(stand, LinkOptions(segment_bytes=segment))


def test_many_collections(stand: LinkStand) -> None:
    for number in range(COLLECTIONS):
        stand.source.client[f"db{number % 10}"][f"c{number}"].insert_one({"_id": number})
    cloned(stand)


def test_many_indexes(stand: LinkStand) -> None:
    for number in range(COLLECTIONS // 50):
        here = stand.source.client.db[f"c{number}"]
        here.create_indexes([IndexModel(f"f{each}", unique=each % 2 == 0, sparse=True) for each in range(50)])
        here.insert_one({"_id": number, "f1": 1})
    cloned(stand)
