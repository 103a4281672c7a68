"""Filters: what they let through is there, and nothing else, whatever collections are called in between."""

from __future__ import annotations

import pytest
from link_cases import Case, Outcome, each_of, nothing, run_of
from link_stand import Data, Phase, database_differences, databases, linked, replicated
from mongo_stand import ReplicaSet

EVERYTHING = [f"db_{database}.coll_{collection}" for database in range(4) for collection in range(3)]
INCLUDED = ["db_0.*", "db_1.coll_0", "db_1.coll_1"]
FILTERS = {
    "include": (
        {"includeNamespaces": INCLUDED},
        ["db_0.coll_0", "db_0.coll_1", "db_0.coll_2", "db_1.coll_0", "db_1.coll_1"],
    ),
    "exclude": (
        {"excludeNamespaces": INCLUDED},
        ["db_1.coll_2", *(name for name in EVERYTHING if name[:4] in ("db_2", "db_3"))],
    ),
    "both": (
        {
            "includeNamespaces": [*INCLUDED, "db_2.coll_0", "db_2.coll_1"],
            "excludeNamespaces": ["db_0.*", "db_1.coll_0", "db_3.coll_1"],
        },
        ["db_1.coll_1", "db_2.coll_0", "db_2.coll_1"],
    ),
}
"""What is asked for, and what is to be on the target."""


@pytest.mark.parametrize("phase", [Phase.CLONE, Phase.APPLY], ids=lambda phase: phase.value)
@pytest.mark.parametrize("which", FILTERS)
def test_filters(source: ReplicaSet, target: ReplicaSet, which: str, phase: Phase) -> None:
    body, expected = FILTERS[which]

    def change() -> None:
        for name in EVERYTHING:
            database, collection = name.split(".")
            source.client[database][collection].insert_one({"_id": name})
            source.client[database][collection].create_index("x", unique=True)

    with linked(source, target) as stand:
        replicated(stand, phase, change, **body)
    found = [
        f"{name}.{each}" for name in databases(target.client) for each in target.client[name].list_collection_names()
    ]
    assert sorted(found) == sorted(expected)
    for name in databases(target.client):
        assert all(
            "only on the source" in each for each in database_differences(source.client[name], target.client[name])
        )


def some(database: Data, name: str = "in0", first: int = 0) -> None:
    database[name].insert_many([{"_id": number} for number in range(first, first + 10)])


def in_and_out(database: Data) -> None:
    some(database, "in0")
    some(database, "out", 100)
    database.out.create_index("x", unique=True, sparse=True)


def with_view(database: Data) -> None:
    in_and_out(database)
    database.create_collection("in1", viewOn="in0", pipeline=[])
    database.create_collection("out1", viewOn="in0", pipeline=[])


def rename_inside(database: Data) -> None:
    database.in0.rename("in1")
    some(database, "in1", 200)


def rename_out(database: Data) -> None:
    database.in0.rename("other")
    some(database, "other", 200)


def rename_out_and_in(database: Data) -> None:
    rename_out(database)
    database.other.rename("in1")
    some(database, "in1", 300)


def rename_in(database: Data) -> None:
    database.out.rename("in1")
    some(database, "in1", 200)
    database.in1.delete_one({"_id": 101})
    database.in1.drop_index("x_1")


def rename_in_over_another(database: Data) -> None:
    database.out.rename("in0", dropTarget=True)
    some(database, "in0", 200)


def rename_out_over_another(database: Data) -> None:
    database.in0.rename("out", dropTarget=True)
    some(database, "out", 200)


def rename_outside(database: Data) -> None:
    database.out.rename("other")
    some(database, "other", 200)


def exchange(database: Data) -> None:
    database.in0.rename("tmp")
    database.out.rename("in0")
    database.tmp.rename("out")
    some(database, "in0", 400)
    some(database, "out", 500)


def aggregate_into_included(database: Data) -> None:
    database.out.aggregate([{"$out": "in0"}])
    database.out.aggregate([{"$out": "in1"}])


def aggregate_into_excluded(database: Data) -> None:
    database.in0.aggregate([{"$out": "other"}])


def convert_to_capped(database: Data) -> None:
    database.command("convertToCapped", "in0", size=100_000)
    database.command("convertToCapped", "out", size=100_000)
    some(database, "in0", 400)


def drop_database(database: Data) -> None:
    database.client.drop_database(database.name)


def drop_database_and_begin_anew(database: Data) -> None:
    drop_database(database)
    in_and_out(database)


def outside_only(database: Data) -> None:
    some(database, "other")
    database.other.drop()


def create_view(database: Data) -> None:
    database.create_collection("in1", viewOn="out", pipeline=[])
    database.create_collection("other", viewOn="in0", pipeline=[])


def move_to_another_database(database: Data) -> None:
    """Which is included as a whole."""
    other = f"{database.name}_2"
    database.client.admin.command("renameCollection", f"{database.name}.out", to=f"{other}.anything")
    database.client.admin.command("renameCollection", f"{database.name}.in0", to=f"{other}.more")


def only_what_is_included(here: Data, there: Data) -> None:
    def included(database: Data) -> list[str]:
        return [name for name in database.list_collection_names() if name.startswith("in")]

    assert {*there.list_collection_names()} - {"system.views"} == {*included(here)}
    assert all("only on the source" in each for each in database_differences(here, there))


def also_in_the_other_database(here: Data, there: Data) -> None:
    only_what_is_included(here, there)
    both = [side.client[f"{here.name}_2"] for side in (here, there)]
    assert sorted(both[1].list_collection_names()) == ["anything", "more"]
    assert database_differences(*both) == []


CASES = (
    Case(rename_inside, in_and_out, only_what_is_included),
    Case(rename_out, in_and_out, only_what_is_included),
    Case(rename_out_and_in, in_and_out, only_what_is_included),
    Case(rename_in, in_and_out, only_what_is_included),
    Case(rename_in_over_another, in_and_out, only_what_is_included),
    Case(rename_out_over_another, in_and_out, only_what_is_included),
    Case(rename_outside, in_and_out, only_what_is_included),
    Case(exchange, in_and_out, only_what_is_included),
    Case(aggregate_into_included, in_and_out, only_what_is_included),
    Case(aggregate_into_excluded, in_and_out, only_what_is_included),
    Case(convert_to_capped, in_and_out, only_what_is_included),
    Case(drop_database, with_view, only_what_is_included),
    Case(drop_database_and_begin_anew, with_view, only_what_is_included),
    Case(outside_only, nothing, only_what_is_included),
    Case(create_view, in_and_out, only_what_is_included),
    Case(move_to_another_database, in_and_out, also_in_the_other_database),
)
outcome = run_of(
    includeNamespaces=[
        "ballast.*",
        *(
            name
            for case in CASES
            for phase in case.phases
            for database in [f"{case.name}_{phase.value}"]
            for name in (f"{database}.in0", f"{database}.in1", f"{database}_2.*")
        ),
    ]
)


@each_of(CASES)
def test_names_come_and_go(outcome: Outcome, case: Case, phase: Phase) -> None:
    outcome.require(case, phase)
