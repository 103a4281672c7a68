"""Updates by pipelines that change much of large documents at once: hundreds of paths, and arrays that get shorter."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from link_cases import Case, Outcome, each_of, run_of
from link_stand import LONG, Data, Phase

DOCUMENTS, ITEMS = (50, 1500) if LONG else (12, 1000)


def group(number: int, items: int) -> dict[str, Any]:
    return {
        "name": f"group {number}",
        "items": [{"i": each, "state": "new", "note": "n" * 20} for each in range(items)],
    }


def groups(database: Data) -> None:
    for number in range(DOCUMENTS):
        database.c.insert_one({"_id": number, "z": 1, "groups": [group(each, ITEMS) for each in range(5)], "a": 1})


def shorter(items: str, left: int, every: int) -> dict[str, Any]:
    """The first `left` items, of which every so-manieth is changed."""
    changed = {"$mergeObjects": ["$$item", {"state": "seen", "by": {"$add": ["$$item.i", 1]}}]}
    item = {"$cond": [{"$eq": [{"$mod": ["$$item.i", every]}, 0]}, changed, "$$item"]}
    return {"$map": {"input": {"$slice": [items, left]}, "as": "item", "in": item}}


def rewritten(left: int, every: int, number: int) -> list[dict[str, Any]]:
    inner = {"$mergeObjects": ["$$group", {"items": shorter("$$group.items", left, every), "count": left}]}
    stage = {"groups": {"$map": {"input": "$groups", "as": "group", "in": inner}}, "round": number}
    return [{"$set": stage}]


def cut_and_rewrite_from_many_threads(database: Data) -> None:
    def update(number: int) -> None:
        for left in (700, 500):
            database.c.update_one({"_id": number}, rewritten(left, 7, left))

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(update, range(DOCUMENTS)))


def wide(database: Data) -> None:
    database.c.insert_many(
        [
            {
                "_id": number,
                "pad": "x" * 200_000,
                "list": [{"v": each, "t": "text"} for each in range(3000)],
                "fields": {f"f{each}": each for each in range(2000)},
            }
            for number in range(3)
        ]
    )


def change_more_paths_than_a_pipeline_has_stages(database: Data) -> None:
    changed = {f"fields.f{each}": -each for each in range(0, 2000, 2)}
    added = {f"fields.g{each}": each for each in range(500)}
    items = shorter("$list", 2500, 2)
    database.c.update_one({"_id": 0}, [{"$set": changed | added | {"list": items}}])
    database.c.update_one({"_id": 1}, [{"$unset": [f"fields.f{each}" for each in range(0, 2000, 3)]}])
    database.c.update_one({"_id": 2}, [{"$set": {"list": items, "pad": "y"}}, {"$set": dict(reversed(added.items()))}])


def small(database: Data) -> None:
    database.c.insert_many(
        [
            {"_id": number, "pad": "x" * 3000, "a": list(range(10)), "o": {"b": [[1, 2, 3], list(range(20))]}, "z": 1}
            for number in range(8)
        ]
    )


def cut_to_nothing(database: Data) -> None:
    def nothing(path: str) -> dict[str, Any]:
        return {"$filter": {"input": path, "cond": False}}

    database.c.update_one({"_id": 0}, [{"$set": {"a": nothing("$a")}}])
    database.c.update_one({"_id": 1}, [{"$set": {"a": nothing("$a"), "new": 1, "also": 2}}])
    database.c.update_one({"_id": 2}, [{"$set": {"o.b": nothing("$o.b"), "a": {"$slice": ["$a", 1]}}}])
    inner = {"$map": {"input": "$o.b", "as": "each", "in": nothing("$$each")}}
    database.c.update_one({"_id": 3}, [{"$set": {"o.b": inner, "z": 2}}])
    inner = {"$map": {"input": {"$slice": ["$o.b", 1]}, "as": "each", "in": {"$slice": ["$$each", 2]}}}
    database.c.update_one({"_id": 4}, [{"$set": {"o.b": inner}}])
    database.c.update_one({"_id": 5}, {"$push": {"a": {"$each": [], "$slice": 0}}, "$set": {"o.b.0": []}})
    database.c.update_one({"_id": 6}, [{"$set": {"a": {"$concatArrays": [nothing("$a"), [9]]}}}])
    database.c.update_one({"_id": 7}, [{"$set": {"a": nothing("$a")}}])
    database.c.update_one({"_id": 7}, {"$push": {"a": {"$each": [3, 2, 1]}}})
    database.c.update_one({"_id": 7}, {"$set": {"a.2": 5}})


PHASES = (Phase.OVERLAP, Phase.APPLY)
CASES = (
    Case(cut_and_rewrite_from_many_threads, groups, phases=(Phase.APPLY,)),
    Case(change_more_paths_than_a_pipeline_has_stages, wide, phases=PHASES),
    Case(cut_to_nothing, small, phases=PHASES),
)
outcome = run_of()


@each_of(CASES)
def test_the_target_becomes_like_the_source(outcome: Outcome, case: Case, phase: Phase) -> None:
    outcome.require(case, phase)
