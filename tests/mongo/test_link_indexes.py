"""Indexes: while replication goes on nothing in them may refuse, delete or hide what the source allows; in the end they
are what the source has.
"""

from __future__ import annotations

from typing import Any

from bson import Int64
from link_cases import Act, Case, Outcome, each_of, nothing, run_of
from link_stand import Data, Phase
from pymongo import ASCENDING, DESCENDING, GEO2D, GEOSPHERE, HASHED, TEXT, IndexModel

PHASES = (Phase.CLONE, Phase.APPLY)
NEVER = 2**31 - 1
COLLATION = {"locale": "fr", "strength": 2}


def some(database: Data) -> None:
    database.c.insert_many([{"_id": number, "a": number, "b": -number, "t": f"word{number}"} for number in range(20)])


def without_restrictions(here: Data, there: Data) -> None:
    """The indexes are there before the end, and nothing in them refuses, deletes or hides anything."""
    some_without_restrictions(here, there)
    for name in here.list_collection_names():
        wanted, found = here[name].index_information(), there[name].index_information()
        assert set(wanted) == set(found)
        for each, spec in wanted.items():
            assert ("expireAfterSeconds" in spec) == ("expireAfterSeconds" in found[each])


def some_without_restrictions(here: Data, there: Data) -> None:
    """Where some have the keys of others until these become unique."""
    for name in there.list_collection_names():
        found = there[name].index_information()
        assert set(found) <= set(here[name].index_information())
        for spec in found.values():
            assert spec.get("expireAfterSeconds", NEVER) == NEVER
            assert not {"unique", "hidden", "prepareUnique"} & set(spec)


def made(label: str, *keys: Any, setup: Act = some, phases: tuple[Phase, ...] = PHASES, **options: Any) -> Case:
    """An index is created while documents come and go."""

    def change(database: Data) -> None:
        database.c.create_index(list(keys), name=label, **options)
        database.c.insert_one({"_id": 100, "a": 100, "b": 100, "t": "late"})

    return Case(change, setup, meanwhile=without_restrictions, phases=phases, label=f"create_{label}")


def collated(database: Data) -> None:
    database.create_collection("c", collation=COLLATION)
    some(database)


def listed(database: Data) -> None:
    some(database)
    database.c.insert_many([{"_id": f"l{number}", "l": list(range(number)), "a": [{"b": 1}, 2]} for number in range(5)])


def create_inherited_and_simple_collation(database: Data) -> None:
    database.c.create_index("a", name="inherited")
    database.c.create_index("b", name="simple", collation={"locale": "simple"})
    database.c.create_index("t", name="other", collation={"locale": "en", "strength": 1})


def create_unique_and_not_with_the_same_keys(database: Data) -> None:
    database.c.create_index("a", name="one", unique=True)
    database.c.create_index("a", name="two")
    database.c.create_index("b", name="three")
    database.c.create_index("b", name="four", unique=True, sparse=True)
    database.c.create_index("b", name="five", unique=True)


def create_several_of_which_some_fail(database: Data) -> None:
    for name, options in (("idx_1", {"unique": True}), ("idx_2", {}), ("idx_3", {"collation": COLLATION})):
        database.c.create_index("a", name=name, **options)


def prepare_unique(database: Data) -> None:
    database.c.create_index("a", name="prepared", prepareUnique=True)


def create_many(database: Data) -> None:
    database.c.create_indexes([IndexModel([(f"f{number}", 1)]) for number in range(60)])


def create_on_missing_collection(database: Data) -> None:
    database.d.create_index("a", unique=True)


def indexed(database: Data) -> None:
    some(database)
    create_indexes(database)


def create_indexes(database: Data) -> None:
    database.c.create_indexes(
        [
            IndexModel("a", name="plain"),
            IndexModel("b", name="unique", unique=True),
            IndexModel("at", name="ttl", expireAfterSeconds=1260),
            IndexModel("t", name="hidden", hidden=True),
        ]
    )


def drop_indexes(database: Data) -> None:
    for name in ("plain", "unique", "ttl", "hidden"):
        database.c.drop_index(name)


def create_and_drop(database: Data) -> None:
    create_indexes(database)
    drop_indexes(database)


def drop_all(database: Data) -> None:
    database.c.drop_indexes()


def drop_by_keys(database: Data) -> None:
    database.command("dropIndexes", "c", index={"a": 1})


def drop_and_create_otherwise(database: Data) -> None:
    """The same names stand for other indexes."""
    drop_indexes(database)
    database.c.create_index([("a", -1), ("b", 1)], name="plain")
    database.c.create_index("b", name="unique")
    database.c.create_index("at", name="ttl", expireAfterSeconds=60)
    database.c.create_index("t", name="hidden", collation=COLLATION)


def modified(*changes: dict[str, Any], label: str) -> Case:
    def change(database: Data) -> None:
        for each in changes:
            database.command("collMod", "c", index=each)

    return Case(change, indexed, meanwhile=without_restrictions, phases=PHASES, label=label)


def make_unique(database: Data) -> None:
    database.command("collMod", "c", index={"name": "plain", "prepareUnique": True})
    database.command("collMod", "c", index={"name": "plain", "unique": True})


def make_unique_by_keys(database: Data) -> None:
    database.command("collMod", "c", index={"keyPattern": {"a": 1}, "prepareUnique": True})
    database.command("collMod", "c", index={"keyPattern": {"a": 1}, "unique": True})


def modify_what_waits_for_the_end(database: Data) -> None:
    """The target cannot have the second index before the first one is unique."""
    database.c.create_index("at", name="one", unique=True, sparse=True)
    database.c.create_index("at", name="two", sparse=True)
    database.command("collMod", "c", index={"name": "two", "expireAfterSeconds": 90})


def unprepare_unique(database: Data) -> None:
    database.command("collMod", "c", index={"name": "plain", "prepareUnique": True})
    database.command("collMod", "c", index={"name": "plain", "prepareUnique": False})


def create_with_many_properties(database: Data) -> None:
    options: tuple[dict[str, Any], ...] = (
        {"unique": True, "sparse": True, "hidden": True},
        {"expireAfterSeconds": 3600, "hidden": True},
        {"expireAfterSeconds": 7200, "unique": True, "partialFilterExpression": {"a": {"$gt": 3}}},
        {"unique": True, "hidden": True, "collation": COLLATION},
        {"prepareUnique": True, "expireAfterSeconds": 10_000_000},
    )
    for number, each in enumerate(options):
        database.c.create_index(f"p{number}", name=f"p{number}", **each) if "unique" not in each else None
        database.c.create_index([("_id", 1), (f"q{number}", 1)], name=f"q{number}", **_compound(each))


def _compound(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name != "expireAfterSeconds"}


def modify_many_properties(database: Data) -> None:
    database.command("collMod", "c", index={"name": "ttl", "expireAfterSeconds": 7, "hidden": True})
    database.command("collMod", "c", index={"name": "plain", "hidden": True})
    database.command("collMod", "c", index={"name": "hidden", "hidden": False})
    database.command("collMod", "c", index={"keyPattern": {"a": 1}, "expireAfterSeconds": 90})
    database.command("collMod", "c", index={"name": "unique", "hidden": True})
    make_unique(database)


def rename_with_indexes(database: Data) -> None:
    database.c.rename("d")
    database.d.create_index("late", name="late", unique=True, sparse=True)
    database.d.drop_index("ttl")


def duplicates_for_a_while(database: Data) -> None:
    """The source's index is unique: what two documents exchange would be refused by a unique one of the target."""
    with database.client.start_session() as session, session.start_transaction():
        for number in range(20):
            database.c.delete_one({"_id": number}, session=session)
        database.c.insert_many([{"_id": -1 - number, "b": -number} for number in range(20)], session=session)


def wildcards(database: Data) -> None:
    database.c.create_index("$**", name="all")
    database.c.create_index("x.$**", name="below")
    database.c.create_index("$**", name="projected", wildcardProjection={"a": 1, "b.c": 1})


def awkward_names(database: Data) -> None:
    for number, name in enumerate(("a.b", "$x", "ü ß", "x" * 200)):
        database.c.create_index(f"f{number}", name=name, unique=True, sparse=True)
    database.c.drop_index("$x")


def odd_directions(database: Data) -> None:
    keys = {"a": 5, "b": -2.5, "t": Int64(1)}
    database.command("createIndexes", "c", indexes=[{"key": keys, "name": "odd"}])


def older_version(database: Data) -> None:
    """As a cluster has it that was once MongoDB 3.2."""
    database.c.create_index("a", name="old", v=1)


def texts(database: Data) -> None:
    database.c.create_index(
        [("t", TEXT), ("u", TEXT)], name="text", weights={"t": 5}, default_language="german", language_override="lang"
    )


def geo(database: Data) -> None:
    database.c.create_index([("flat", GEO2D), ("a", 1)], name="flat", bits=20, min=-200, max=200)
    database.c.create_index([("round", GEOSPHERE)], name="round")
    database.c.insert_one({"flat": [1, 2], "round": {"type": "Point", "coordinates": [1.0, 2.0]}})


CASES = (
    made("single", ("a", ASCENDING)),
    made("descending", ("a", DESCENDING)),
    made("compound", ("a", ASCENDING), ("b", DESCENDING), ("t", ASCENDING)),
    made("dotted", ("a.b.0.c", ASCENDING)),
    made("of_hashed_ids", ("_id", HASHED)),
    made(
        "with_storage_options",
        ("a", ASCENDING),
        storageEngine={"wiredTiger": {"configString": "prefix_compression=false"}},
    ),
    made("with_collation", ("a", ASCENDING), collation=COLLATION),
    made("unique", ("a", ASCENDING), unique=True),
    made("sparse", ("a", ASCENDING), sparse=True),
    made("partial", ("a", ASCENDING), partialFilterExpression={"b": {"$gt": 5}}),
    made("partial_unique", ("a", ASCENDING), partialFilterExpression={"b": {"$gt": 5}}, unique=True),
    made("hashed", ("a", HASHED)),
    made("compound_hashed", ("a", HASHED), ("b", ASCENDING)),
    made("text_of_all_fields", ("$**", TEXT)),
    made("multikey", ("l", ASCENDING), setup=listed),
    made("multikey_compound", ("a.b", ASCENDING), ("t", ASCENDING), setup=listed),
    made("ttl", ("at", ASCENDING), phases=tuple(Phase), expireAfterSeconds=1260),
    made("ttl_at_once", ("at", ASCENDING), expireAfterSeconds=0),
    made("hidden", ("a", ASCENDING), hidden=True),
    Case(awkward_names, some, meanwhile=without_restrictions),
    Case(wildcards, some, meanwhile=without_restrictions),
    Case(texts, some, meanwhile=without_restrictions),
    Case(geo, some, meanwhile=without_restrictions),
    Case(odd_directions, some, meanwhile=without_restrictions),
    Case(
        older_version,
        some,
        phases=(Phase.CLONE,),
    ),
    Case(create_inherited_and_simple_collation, collated, meanwhile=without_restrictions),
    Case(create_unique_and_not_with_the_same_keys, some, meanwhile=some_without_restrictions),
    Case(create_several_of_which_some_fail, some, meanwhile=some_without_restrictions),
    Case(prepare_unique, some, meanwhile=without_restrictions),
    Case(create_many, some),
    Case(create_on_missing_collection),
    Case(create_with_many_properties, some, meanwhile=without_restrictions),
    Case(create_and_drop, some),
    Case(drop_indexes, indexed),
    Case(drop_all, indexed),
    Case(drop_by_keys, indexed),
    Case(drop_and_create_otherwise, indexed, meanwhile=without_restrictions),
    Case(rename_with_indexes, indexed, meanwhile=without_restrictions),
    Case(duplicates_for_a_while, indexed),
    modified({"name": "plain", "hidden": True}, label="hide"),
    modified({"keyPattern": {"a": 1}, "hidden": True}, label="hide_by_keys"),
    modified({"name": "hidden", "hidden": False}, label="unhide"),
    modified({"name": "ttl", "expireAfterSeconds": 60}, label="modify_ttl"),
    modified({"keyPattern": {"at": 1}, "expireAfterSeconds": 61}, label="modify_ttl_by_keys"),
    modified({"name": "plain", "expireAfterSeconds": 62}, label="add_ttl"),
    modified({"keyPattern": {"t": 1}, "hidden": False}, label="unhide_by_keys"),
    Case(make_unique, indexed, meanwhile=without_restrictions),
    Case(make_unique_by_keys, indexed, meanwhile=without_restrictions),
    Case(
        modify_what_waits_for_the_end,
        some,
        phases=(Phase.APPLY,),
    ),
    Case(unprepare_unique, indexed, meanwhile=without_restrictions),
    Case(modify_many_properties, indexed, meanwhile=without_restrictions),
    Case(nothing, indexed, meanwhile=without_restrictions, phases=(Phase.CLONE,), label="nothing_but_the_clone"),
)
outcome = run_of()


@each_of(CASES)
def test_the_target_becomes_like_the_source(outcome: Outcome, case: Case, phase: Phase) -> None:
    outcome.require(case, phase)
