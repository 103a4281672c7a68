"""Collections and views that are created, changed, renamed and dropped."""

from __future__ import annotations

import random
from datetime import UTC, datetime

from link_cases import Case, Outcome, alike, each_of, run_of
from link_stand import Data, Phase

COLLATION = {"locale": "fr", "strength": 2}
VALIDATOR = {"$jsonSchema": {"required": ["name"], "properties": {"name": {"bsonType": "string"}}}}


def some(database: Data, name: str = "c", first: int = 0) -> None:
    database[name].insert_many([{"_id": number, "n": number % 7} for number in range(first, first + 20)])


def create_implicitly(database: Data) -> None:
    some(database)


def create(database: Data) -> None:
    database.create_collection("c")
    some(database)


def create_empty(database: Data) -> None:
    database.create_collection("c")


def create_with_collation(database: Data) -> None:
    database.create_collection("c", collation=COLLATION)
    database.c.insert_many([{"_id": text} for text in ("côte", "coté", "cote", "Z", "a")])


def create_clustered(database: Data) -> None:
    database.create_collection("c", clusteredIndex={"key": {"_id": 1}, "unique": True, "name": "by_id"})
    some(database)


def create_clustered_with_expiry(database: Data) -> None:
    database.create_collection("c", clusteredIndex={"key": {"_id": 1}, "unique": True}, expireAfterSeconds=86400)


def without_expiry(here: Data, there: Data) -> None:
    assert here["c"].options()["expireAfterSeconds"]
    options = here["c"].options()
    del options["expireAfterSeconds"]
    assert there["c"].options() == options


def create_capped(database: Data) -> None:
    database.create_collection("c", capped=True, size=54321, max=1000)


def create_capped_in_order(database: Data) -> None:
    database.create_collection("c", capped=True, size=100_000)
    for first in (40, 0, 20):
        some(database, first=first)


def create_capped_that_overflows(database: Data) -> None:
    database.create_collection("c", capped=True, size=100_000, max=30)
    for first in (80, 40, 0, 60, 20):
        some(database, first=first)


def small_capped(database: Data) -> None:
    database.create_collection("c", capped=True, size=4096)
    append_to_capped(database)


def append_to_capped(database: Data) -> None:
    """Of so many different sizes that no two sequences drop the same documents."""
    sizes = random.Random(5)
    for _ in range(30):
        database.c.insert_one({"x": "x" * sizes.choice([0, 20, 100, 300, 900])})


def full_capped(database: Data) -> None:
    database.create_collection("c", capped=True, size=100_000, max=20)
    some(database)


def insert_into_capped_and_delete_again(database: Data) -> None:
    """Replayed where it is over already, the insert must not push anything out."""
    database.c.delete_one({"_id": 5})
    database.c.insert_one({"_id": 100})
    database.c.delete_one({"_id": 100})
    database.c.insert_one({"_id": 101})


def create_capped_of_large_size(database: Data) -> None:
    database.create_collection("c", capped=True, size=2**31, max=2**31 - 1)


def create_view(database: Data) -> None:
    some(database)
    database.create_collection("v", viewOn="c", pipeline=[{"$match": {"n": 3}}])


def create_view_with_collation(database: Data) -> None:
    some(database)
    database.create_collection("v", viewOn="c", pipeline=[], collation=COLLATION)


def create_view_of_view(database: Data) -> None:
    create_view(database)
    database.create_collection("a", viewOn="v", pipeline=[{"$project": {"n": 1}}])


def create_time_series(database: Data) -> None:
    database.create_collection("t", timeseries={"timeField": "at", "metaField": "m"})
    database.t.insert_one({"at": datetime(2026, 1, 1, tzinfo=UTC), "m": 1})


def modify_time_series(database: Data) -> None:
    database.command("collMod", "t", expireAfterSeconds=86400)
    database.command("collMod", "t", timeseries={"granularity": "minutes"})


def drop_time_series(database: Data) -> None:
    database.t.drop()


def nothing_there(here: Data, there: Data) -> None:
    assert there.list_collection_names() == []


def create_with_storage_options(database: Data) -> None:
    engine = {"wiredTiger": {"configString": "block_compressor=zlib"}}
    database.create_collection("c", storageEngine=engine, indexOptionDefaults={"storageEngine": engine})


def create_with_pre_and_post_images(database: Data) -> None:
    database.create_collection("c", changeStreamPreAndPostImages={"enabled": True})
    some(database)
    database.c.update_many({}, {"$set": {"n": 8}})


def create_with_validation(database: Data) -> None:
    database.create_collection("c", validator=VALIDATOR, validationLevel="strict", validationAction="error")
    database.c.insert_one({"_id": 1, "name": "x"})


def insert_past_the_validation(database: Data) -> None:
    database.get_collection("c").insert_one({"_id": 2}, bypass_document_validation=True)
    database.c.update_one({"_id": 2}, {"$set": {"name": 5}}, bypass_document_validation=True)


def drop_collection(database: Data) -> None:
    database.c.drop()


def drop_and_create_again(database: Data) -> None:
    for first in (100, 200, 300):
        database.c.drop()
        some(database, first=first)


def drop_view(database: Data) -> None:
    database.v.drop()


def drop_view_and_create_collection(database: Data) -> None:
    database.v.drop()
    some(database, "v", 500)


def drop_collection_and_create_view(database: Data) -> None:
    database.c.drop()
    some(database, "other")
    database.create_collection("c", viewOn="other", pipeline=[])


def drop_view_source_collection(database: Data) -> None:
    database.c.drop()


def view_only(here: Data, there: Data) -> None:
    alike(here, there)
    assert sorted(there.list_collection_names()) == ["system.views", "v"]


def drop_database(database: Data) -> None:
    database.client.drop_database(database.name)


def nothing_of_users(here: Data, there: Data) -> None:
    """Views are taken away one by one, which leaves the empty collection that they were kept in."""
    assert here.list_collection_names() == []
    left = {Phase.CLONE: [[]], Phase.APPLY: [["system.views"]], Phase.OVERLAP: [[], ["system.views"]]}
    assert there.list_collection_names() in left[Phase(here.name.rpartition("_")[2])]


def drop_database_and_begin_anew(database: Data) -> None:
    database.client.drop_database(database.name)
    some(database, "d")
    database.create_collection("v", viewOn="d", pipeline=[])


def capped(database: Data) -> None:
    database.create_collection("c", capped=True, size=4096, max=100)
    some(database)


def modify_capped_size_and_maximum(database: Data) -> None:
    database.command("collMod", "c", cappedSize=8191, cappedMax=50)


def modify_capped_size(database: Data) -> None:
    database.command("collMod", "c", cappedSize=512)


def modify_capped_to_large_size(database: Data) -> None:
    database.command("collMod", "c", cappedSize=2**31, cappedMax=2**31 - 1)


def modify_capped_maximum(database: Data) -> None:
    database.command("collMod", "c", cappedMax=10)
    some(database, first=100)


def modify_view(database: Data) -> None:
    some(database, "other")
    database.command("collMod", "v", viewOn="other", pipeline=[{"$match": {"n": {"$gt": 1}}}])


def modify_clustered_expiry(database: Data) -> None:
    database.command("collMod", "c", expireAfterSeconds=172800)


def with_pre_and_post_images(database: Data) -> None:
    database.create_collection("c", changeStreamPreAndPostImages={"enabled": True})


def set_pre_and_post_images(database: Data) -> None:
    database.command("collMod", "c", changeStreamPreAndPostImages={"enabled": True})


def unset_pre_and_post_images(database: Data) -> None:
    database.command("collMod", "c", changeStreamPreAndPostImages={"enabled": False})


def set_validation(database: Data) -> None:
    database.command("collMod", "c", validator=VALIDATOR, validationLevel="moderate", validationAction="warn")


def unset_validation(database: Data) -> None:
    database.command("collMod", "c", validator={}, validationLevel="off")


def modify_capped_size_with_validation(database: Data) -> None:
    database.command("collMod", "c", cappedSize=9000, validator=VALIDATOR, validationLevel="moderate")


def modify_clustered_expiry_with_validation(database: Data) -> None:
    database.command("collMod", "c", expireAfterSeconds=172800, validator=VALIDATOR, validationAction="warn")


def modify_pre_and_post_images_with_validation(database: Data) -> None:
    database.command("collMod", "c", changeStreamPreAndPostImages={"enabled": True}, validator=VALIDATOR)


def rename(database: Data) -> None:
    database.c.rename("renamed")
    some(database, "renamed", 100)


def rename_created(database: Data) -> None:
    some(database, "fresh")
    database.fresh.create_index("n")
    database.fresh.rename("renamed")
    database.renamed.delete_one({"_id": 3})


def rename_there_and_back(database: Data) -> None:
    database.c.rename("b")
    some(database, "b", 100)
    database.b.rename("c")
    some(database, "c", 200)
    database.c.rename("b")
    database.b.rename("c")


def rename_and_create_anew(database: Data) -> None:
    database.c.rename("old")
    some(database, "c", 300)
    database.old.update_many({}, {"$set": {"old": True}})


def exchange_names(database: Data) -> None:
    some(database, "d", 300)
    database.c.rename("tmp")
    database.d.rename("c")
    database.tmp.rename("d")
    some(database, "c", 900)


def rename_over_empty(database: Data) -> None:
    database.create_collection("d")
    database.c.rename("d", dropTarget=True)


def rename_over_nothing(database: Data) -> None:
    database.c.rename("d", dropTarget=True)
    some(database, "d", 500)


def rename_over_existing(database: Data) -> None:
    some(database, "d", 500)
    database.d.create_index("gone")
    database.c.rename("d", dropTarget=True)
    some(database, "d", 600)


def rename_many_times(database: Data) -> None:
    for number in range(10):
        some(database, f"c{number}")
        database[f"c{number}"].rename(f"b{number}")
        some(database, f"b{number}", 100)
        database[f"b{number}"].rename(f"a{number}")
        some(database, f"a{number}", 200)


def rename_to_another_database(database: Data) -> None:
    other = database.client[f"{database.name}_2"]
    database.client.admin.command("renameCollection", f"{database.name}.c", to=f"{other.name}.d")
    some(other, "d", 700)


def alike_in_both(here: Data, there: Data) -> None:
    alike(here, there)
    both = [side.client[f"{here.name}_2"] for side in (here, there)]
    assert both[1]["d"].count_documents({}) == 40
    alike(*both)


def convert_to_capped(database: Data) -> None:
    database.c.create_index("n")
    database.command("convertToCapped", "c", size=100_000)
    some(database, first=100)


def clone_as_capped(database: Data) -> None:
    database.command("cloneCollectionAsCapped", "c", toCollection="d", size=100_000)
    some(database, "d", 100)


def convert_capped_that_is_filled(database: Data) -> None:
    database.command("convertToCapped", "c", size=300)
    database.c.insert_many([{"_id": number} for number in range(1000, 1100)])


def aggregate_into_new(database: Data) -> None:
    database.c.aggregate([{"$match": {"n": 3}}, {"$out": "o"}])


def aggregate_into_existing(database: Data) -> None:
    some(database, "o", 100)
    database.o.create_index("n", unique=False, name="kept")
    database.c.aggregate([{"$match": {"n": 3}}, {"$out": "o"}])
    database.o.insert_one({"_id": 7})


def merge_into_existing(database: Data) -> None:
    some(database, "o", 10)
    database.c.aggregate([{"$set": {"x": 1}}, {"$merge": {"into": "o", "whenMatched": "merge"}}])


def odd_names(database: Data) -> None:
    for name in ("a.b.c", "ü ß", "A", "tmp", "%"):
        some(database, name)
    database["a.b.c"].rename("a.b")


def view(database: Data) -> None:
    some(database)
    database.create_collection("v", viewOn="c", pipeline=[{"$match": {"n": 3}}])


CASES = (
    Case(create_implicitly),
    Case(create),
    Case(create_empty),
    Case(create_with_collation),
    Case(create_clustered),
    Case(create_clustered_with_expiry, check=without_expiry),
    Case(create_capped),
    Case(create_capped_in_order),
    Case(create_capped_that_overflows),
    Case(append_to_capped, setup=small_capped),
    Case(insert_into_capped_and_delete_again, setup=full_capped),
    Case(create_capped_of_large_size),
    Case(create_view),
    Case(create_view_with_collation),
    Case(create_view_of_view),
    Case(create_time_series, check=nothing_there),
    Case(create_with_storage_options),
    Case(create_with_pre_and_post_images),
    Case(create_with_validation),
    Case(insert_past_the_validation, setup=create_with_validation),
    Case(drop_collection, setup=some),
    Case(drop_collection, setup=capped, label="drop_capped_collection"),
    Case(drop_and_create_again, setup=some),
    Case(drop_view, setup=view),
    Case(drop_view_and_create_collection, setup=view),
    Case(drop_collection_and_create_view, setup=some),
    Case(drop_view_source_collection, setup=view, check=view_only),
    Case(drop_database, setup=view, check=nothing_of_users),
    Case(drop_database_and_begin_anew, setup=view),
    Case(modify_capped_size_and_maximum, setup=capped),
    Case(modify_capped_size, setup=capped),
    Case(modify_capped_to_large_size, setup=capped),
    Case(modify_capped_maximum, setup=capped),
    Case(modify_view, setup=view),
    Case(modify_clustered_expiry, setup=create_clustered_with_expiry, check=without_expiry),
    Case(modify_time_series, setup=create_time_series, check=nothing_there),
    Case(drop_time_series, setup=create_time_series, check=nothing_there),
    Case(set_pre_and_post_images, setup=create),
    Case(unset_pre_and_post_images, setup=with_pre_and_post_images),
    Case(set_validation, setup=create),
    Case(unset_validation, setup=create_with_validation),
    Case(modify_capped_size_with_validation, setup=capped),
    Case(modify_clustered_expiry_with_validation, setup=create_clustered_with_expiry, check=without_expiry),
    Case(modify_pre_and_post_images_with_validation, setup=create),
    Case(rename, setup=some),
    Case(rename_created),
    Case(rename_there_and_back, setup=some),
    Case(rename_and_create_anew, setup=some),
    Case(exchange_names, setup=some),
    Case(rename_over_empty, setup=some),
    Case(rename_over_nothing, setup=some),
    Case(rename_over_existing, setup=some),
    Case(rename_many_times),
    Case(rename_to_another_database, setup=some, check=alike_in_both),
    Case(convert_to_capped, setup=some),
    Case(clone_as_capped, setup=some),
    Case(convert_capped_that_is_filled, setup=some),
    Case(aggregate_into_new, setup=some),
    Case(aggregate_into_existing, setup=some),
    Case(merge_into_existing, setup=some),
    Case(odd_names),
)
outcome = run_of()


@each_of(CASES)
def test_the_target_becomes_like_the_source(outcome: Outcome, case: Case, phase: Phase) -> None:
    outcome.require(case, phase)
