"""Definitions are alike where servers make no difference, and not where they do."""

from __future__ import annotations

from typing import Any

import pytest
from bson import Int64

from repman.link.likeness import DefinitionDifference, index_differences, option_differences

ID = {"v": 2, "key": {"_id": 1}, "name": "_id_"}


def index(**fields: Any) -> dict[str, Any]:
    return {"v": 2, "key": {"a": 1, "b": -1}, "name": "a_1_b_-1", **fields}


def test_numbers_are_alike_whatever_their_type() -> None:
    assert option_differences({"capped": True, "size": 4096}, {"size": Int64(4096), "capped": True}) == []
    assert index_differences([index(expireAfterSeconds=5)], [index(expireAfterSeconds=5.0)]) == []


@pytest.mark.parametrize(
    ("here", "there", "name"),
    [
        ({"size": 4096}, {"size": 8192}, "size"),
        ({"capped": True}, {}, "capped"),
        ({"x": True}, {"x": 1}, "x"),
        ({"validator": {"a": 1, "b": 1}}, {"validator": {"b": 1, "a": 1}}, "validator"),
        ({"pipeline": [{"$match": {}}]}, {"pipeline": []}, "pipeline"),
    ],
)
def test_options_that_differ(here: dict[str, Any], there: dict[str, Any], name: str) -> None:
    differing = DefinitionDifference(f"option {name}", here.get(name), there.get(name))
    assert option_differences(here, there) == [differing]


def test_the_order_of_keys_matters_and_that_of_fields_does_not() -> None:
    turned = {"name": "a_1_b_-1", "key": {"a": 1, "b": -1}, "unique": True}
    assert index_differences([index(unique=True)], [turned]) == []
    (found,) = index_differences([index()], [index(key={"b": -1, "a": 1})])
    assert found.what == "index a_1_b_-1"


def test_what_tells_of_one_server_is_left_out() -> None:
    here = index(background=True, ns="d.c", collation={"locale": "simple"})
    assert index_differences([here], [index(v=1)]) == []


def test_indexes_that_only_one_side_has() -> None:
    only = {"key": {"a": 1, "b": -1}, "name": "a_1_b_-1"}
    assert index_differences([ID, index()], [ID]) == [DefinitionDifference("index a_1_b_-1", only, None)]
    assert index_differences([ID, None], [ID, index()]) == [DefinitionDifference("index a_1_b_-1", None, only)]
