from __future__ import annotations

import bson
import pytest

from repman.link.percona.filters import NamespaceFilter, from_document

SEEN = ("db_0.c0", "db_1.c0", "db_1.c1", "db_1.c2", "db_2.c0", "db_2.c1", "db_2.c2", "db_3.c0", "db_3.c1")

CASES = {
    "both empty": ((), (), SEEN),
    "include only": (
        ("db_0.*", "db_1.c0", "db_1.c1"),
        (),
        ("db_0.c0", "db_1.c0", "db_1.c1"),
    ),
    "exclude only": (
        (),
        ("db_0.*", "db_1.c0", "db_1.c1"),
        ("db_1.c2", "db_2.c0", "db_2.c1", "db_2.c2", "db_3.c0", "db_3.c1"),
    ),
    "both": (
        ("db_0.*", "db_1.c0", "db_1.c1", "db_2.c0", "db_2.c1"),
        ("db_0.*", "db_1.c0", "db_3.c1"),
        ("db_1.c1", "db_2.c0", "db_2.c1"),
    ),
    "one database": (("db_1.*",), (), ("db_1.c0", "db_1.c1", "db_1.c2")),
    "one collection": (("db_1.c1",), (), ("db_1.c1",)),
    "all but one database": ((), ("db_1.*",), tuple(name for name in SEEN if not name.startswith("db_1."))),
    "all but one collection": ((), ("db_1.c1",), tuple(name for name in SEEN if name != "db_1.c1")),
    "the same database in both": (("db_1.*",), ("db_1.*",), ()),
    "the same collection in both": (("db_1.c1",), ("db_1.c1",), ()),
    "a collection that does not exist": (("db_1.c1x",), (), ()),
    "a database less one collection": (("db_1.*",), ("db_1.c1",), ("db_1.c0", "db_1.c2")),
    "a database excluded whole wins over its collection": (("db_1.c1", "db_2.c0"), ("db_1.*",), ("db_2.c0",)),
    "whole, then a name": (("db_1.*", "db_1.c0"), (), ("db_1.c0", "db_1.c1", "db_1.c2")),
    "a name, then whole": (("db_1.c0", "db_1.*"), (), ("db_1.c0", "db_1.c1", "db_1.c2")),
    "a database without a dot names no collection": (("db_1",), (), ()),
    "a database without a dot excludes no collection": ((), ("db_1",), SEEN),
    "an empty entry": (("",), (), ()),
    "an empty entry beside another": (("", "db_0.c0"), ("",), ("db_0.c0",)),
    "no other wildcards": (("*.*", "db_*.c0", "db_1.c*"), (), ()),
    "case matters": (("DB_0.*", "db_1.C0"), (), ()),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_selects(case: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]) -> None:
    include, exclude, expected = case
    made = NamespaceFilter(include, exclude)
    assert tuple(name for name in SEEN if made.selects(*name.split(".", 1))) == expected


def test_names_of_collections_may_have_dots_and_other_signs() -> None:
    made = NamespaceFilter(("db.a.b", "db.x$y-z é", "other.*"), ("other.a.*",))
    assert made.selects("db", "a.b")
    assert not made.selects("db", "a")
    assert made.selects("db", "x$y-z é")
    assert not made.selects("other", "a.*")
    assert made.selects("other", "a.b"), "the star stands for all only where it is the whole name"


@pytest.mark.parametrize(
    ("include", "exclude", "whole"),
    [
        ((), (), True),
        (("db.*",), (), True),
        (("db.a", "db.*"), (), True),
        (("db.a",), (), False),
        (("other.*",), (), False),
        ((), ("db.a",), False),
        ((), ("db.*",), False),
        (("db.*",), ("db.a",), False),
        ((), ("other.*",), True),
        ((), ("db",), True),
    ],
)
def test_whole_databases(include: tuple[str, ...], exclude: tuple[str, ...], whole: bool) -> None:
    assert NamespaceFilter(include, exclude).selects_whole("db") is whole


def test_a_filter_survives_being_kept() -> None:
    made = NamespaceFilter(("db_0.*", "db_1.a.b"), ("db_0.c0",))
    kept = bson.decode(bson.encode(made.document()))
    assert kept["kind"] == "percona"
    again = from_document(kept)
    assert again == made
    assert (again.selects("db_0", "c1"), again.selects("db_0", "c0"), again.selects("db_1", "a.b")) == (
        True,
        False,
        True,
    )
