"""Ranges, limits, names: what a copy decides without asking anybody."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from repman.errors import StreamFailed
from repman.streams.convert import ranges
from repman.streams.convert.limits import Budget
from repman.streams.convert.ranges import WHOLE, Range
from repman.streams.job import Endpoint, Family, Limits, Mode, StreamSettings, TableChoice
from repman.streams.structure import mapping
from repman.streams.structure.table import Column, Engine, ForeignKey, Key, KeyPart, Structure, Table, Type, Version

MARIADB = Version(Engine.MARIADB, (10, 11, 0))
POSTGRESQL = Version(Engine.POSTGRESQL, (15, 0))


def table(*keys: str, rows: int = 10_000_000, size: int = 1 << 30, **more: object) -> Table:
    columns = tuple(Column(f"k{number}", Type(name, name)) for number, name in enumerate(keys))
    key = Key("PRIMARY", tuple(KeyPart(column.name) for column in columns), True) if keys else None
    return Table("d", "t", columns, key, estimated_rows=rows, estimated_bytes=size, **more)  # type: ignore[arg-type]


def holds(part: Range, value: tuple[int, ...]) -> bool:
    low, high = (None if end is None else tuple(map(int, end)) for end in (part.low, part.high))
    return (low is None or value > low) and (high is None or value <= high)


@pytest.mark.parametrize("ends", [(0, 10_000), (-5, 5), (7, 7), (-(2**63), 2**63 - 1)])
def test_each_number_is_in_exactly_one_range(ends: tuple[int, int]) -> None:
    parts = ranges.divide(Engine.MARIADB, table("bigint"), "t", lambda sql: [ends])
    for value in {ends[0], ends[1], ends[0] - 1, ends[1] + 1, sum(ends) // 2, *range(-10, 10)}:
        assert sum(holds(part, (value,)) for part in parts) == 1


def test_conditions_hold_what_their_range_holds() -> None:
    composite = table("int", "int")
    parts = ranges.between([("1", "2"), ("1", "5"), ("3", "0")])
    for pair in itertools.product(range(5), range(7)):
        found = []
        for part in parts:
            sql = ranges.condition(Engine.MARIADB, composite, part)
            python = sql.replace("`k0`", str(pair[0])).replace("`k1`", str(pair[1])).replace(" AND ", " and ")
            python = python.replace(" OR ", " or ").replace(" = ", " == ")
            found.append(bool(eval(python)) if python else True)
            assert found[-1] == holds(part, pair)
        assert sum(found) == 1


@pytest.mark.parametrize("made", [table(), table("float"), table("blob", "int"), table("int", rows=10, size=100)])
def test_what_cannot_be_divided_is_one_range(made: Table) -> None:
    assert ranges.divide(Engine.MARIADB, made, "t", lambda sql: [(1, 100)]) == (WHOLE,)


def test_other_keys_are_walked_from_end_to_end() -> None:
    asked: list[str] = []

    def ask(sql: str) -> list[tuple[str, ...]]:
        asked.append(sql)
        return [(f"it's {len(asked)}",)] if len(asked) < 3 else []

    parts = ranges.divide(Engine.MARIADB, table("varchar"), "t", ask)
    assert parts == ranges.between([("it's 1",), ("it's 2",)])
    assert "`k0` > 'it''s 2'" in asked[-1]


def test_a_budget_gives_exactly_what_there_is() -> None:
    budget = Budget(Limits(events=10), copied=3)
    assert [budget.take(5), budget.take(5), budget.take(5)] == [5, 2, 0]
    assert budget.reason == "EVENT_LIMIT_REACHED"
    budget.give_back(2)
    assert (budget.reason, budget.take(5)) == ("", 2)
    assert Budget(Limits(events=3), copied=3).reason == "EVENT_LIMIT_REACHED"
    unlimited = Budget(Limits())
    assert (unlimited.take(10**9), unlimited.reason) == (10**9, "")


def test_time_that_was_spent_counts() -> None:
    now = [100.0]
    budget = Budget(Limits(seconds=10), spent=4.0, clock=lambda: now[0])
    assert budget.take(5) == 5
    now[0] = 106.0
    assert (budget.take(5), budget.reason) == (0, "TIME_LIMIT_REACHED")


def endpoint(family: Family, schema: str = "") -> Endpoint:
    return Endpoint(family, "h", 1, "u", "p", "d", schema)


def settings(source: Family, target: Family, *choices: TableChoice) -> StreamSettings:
    return StreamSettings("s", "c", Mode.CONVERT, endpoint(source), endpoint(target), choices, Path("/nowhere"))


def test_names_that_are_too_long_stay_different() -> None:
    names = ["x" * 62 + letter for letter in "abc"] + ["ä" * 40, "ä" * 39 + "ö"]
    for engine in (Engine.POSTGRESQL, Engine.MYSQL):
        made = [mapping.fitting_name(engine, name) for name in names]
        assert len(set(made)) == len(names)
        assert all(len(name.encode()) <= 63 for name in made) or engine.is_mysql
    assert mapping.fitting_name(Engine.POSTGRESQL, "short") == "short"


@pytest.mark.parametrize(
    ("name", "place"),
    [("t", ("public", "t")), ("s.t", ("s", "t")), ("public.a.b", ("public", "a.b")), ("t.", ("public", "t."))],
)
def test_a_name_of_postgresql_may_have_its_schema(name: str, place: tuple[str, str]) -> None:
    assert mapping.place_of(endpoint(Family.POSTGRESQL), name) == place


def test_tables_that_would_meet_in_the_target_are_refused() -> None:
    tables = tuple(Table(schema, name, ()) for schema, name in (("s", "t"), ("public", "s_t")))
    wanted = settings(Family.POSTGRESQL, Family.MYSQL, TableChoice("s.t"), TableChoice("s_t"))
    with pytest.raises(StreamFailed, match="would both become s_t"):
        mapping.mapped_tables(wanted, Structure(POSTGRESQL, tables), MARIADB, {})
    with pytest.raises(StreamFailed, match="has no table absent"):
        mapping.mapped_tables(
            settings(Family.MYSQL, Family.MYSQL, TableChoice("absent")), Structure(MARIADB, ()), MARIADB, {}
        )


def test_what_refers_to_an_automatic_key_has_its_type() -> None:
    big = Type("bigint", "bigint(20) unsigned", unsigned=True)
    parent = Table("d", "p", (Column("id", big, auto=True),))
    child = Table(
        "d", "c", (Column("p", big), Column("x", big)), foreign_keys=(ForeignKey("f", ("p",), "d", "p", ("id",)),)
    )
    grandchild = Table("d", "g", (Column("c", big),), foreign_keys=(ForeignKey("f", ("c",), "d", "c", ("p",)),))
    found = mapping.narrow_columns([grandchild, child, parent])
    assert found == {("d", "p"): {"id"}, ("d", "c"): {"p"}, ("d", "g"): {"c"}}
