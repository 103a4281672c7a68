from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from repman.link.mongosync.filters import Entry, Filter, from_document


def filtered(include: list[dict[str, Any]] | None = None, exclude: list[dict[str, Any]] | None = None) -> Filter:
    return Filter(msgspec.convert(include or [], tuple[Entry, ...]), msgspec.convert(exclude or [], tuple[Entry, ...]))


SALES = {"database": "sales", "collectionsRegex": {"pattern": "^accounts_.+$", "options": "i"}}
SELECTED = [
    ("everything", filtered(), ["a.b"], []),
    ("a database", filtered([{"database": "a"}]), ["a.b", "a.c"], ["ab.b", "b.a", "A.b"]),
    ("named collections", filtered([{"database": "a", "collections": ["b", "c.d"]}]), ["a.b", "a.c.d"], ["a.c", "b.b"]),
    ("two entries", filtered([SALES, {"database": "marketing"}]),
     ["sales.accounts_1", "sales.ACCOUNTS_x", "marketing.any"], ["sales.accounts_", "sales.my_accounts_1", "hr.x"]),
    ("not anchored", filtered([{"databaseRegex": {"pattern": "al"}}]), ["sales.x", "alpha.x"], ["beta.x"]),
    ("regex of databases, named collections", filtered([{"databaseRegex": {"pattern": "^s"}, "collections": ["x"]}]),
     ["sales.x", "s.x"], ["sales.y", "t.x"]),
    ("both regexes", filtered([{"databaseRegex": {"pattern": "^s"}, "collectionsRegex": {"pattern": "\\d$"}}]),
     ["s.x1"], ["s.x", "t.x1"]),
    ("exclude alone", filtered(None, [{"database": "a", "collections": ["b"]}]), ["a.c", "b.b"], ["a.b"]),
    ("include, then exclude", filtered([{"database": "a"}], [{"databaseRegex": {"pattern": "."}, "collections": ["b"]}]),
     ["a.c"], ["a.b", "c.c"]),
    ("x ignores spaces", filtered([{"databaseRegex": {"pattern": "^ a b $ # both", "options": "x"}}]), ["ab.c"], ["a.c"]),
    ("s lets a dot match a line end", filtered([{"database": "a", "collectionsRegex": {"pattern": "b.c", "options": "s"}}]),
     ["a.b\nc"], []),
    ("without s it does not", filtered([{"database": "a", "collectionsRegex": {"pattern": "b.c"}}]), ["a.b.c"], ["a.b\nc"]),
    ("m anchors at lines", filtered([{"database": "a", "collectionsRegex": {"pattern": "^c", "options": "m"}}]),
     ["a.b\nc"], ["a.bc"]),
    ("words are ASCII", filtered([{"database": "a", "collectionsRegex": {"pattern": r"^\w+$"}}]), ["a.bc_1"], ["a.bé"]),
    ("other letters have cases", filtered([{"database": "a", "collectionsRegex": {"pattern": "é", "options": "i"}}]),
     ["a.É"], ["a.E"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("selection", "inside", "outside"), [row[1:] for row in SELECTED], ids=[r[0] for r in SELECTED]
)
def test_what_is_selected(selection: Filter, inside: list[str], outside: list[str]) -> None:
    for namespace in inside:
        assert selection.selects(*namespace.split(".", 1)), namespace
    for namespace in outside:
        assert not selection.selects(*namespace.split(".", 1)), namespace


@pytest.mark.parametrize("selection", [row[1] for row in SELECTED], ids=[row[0] for row in SELECTED])
def test_a_filter_is_the_same_after_it_was_kept(selection: Filter) -> None:
    kept = selection.document()
    assert kept["kind"] == "mongosync"
    assert from_document(kept) == selection


@pytest.mark.parametrize("document", [{}, {"include": []}, {"include": [{}], "exclude": []}])
def test_what_was_not_kept_by_us_is_told(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        from_document(document)


def test_what_is_kept_is_written_as_it_was_asked() -> None:
    exclude = [{"databaseRegex": {"pattern": "x"}}]
    kept = filtered([SALES, {"database": "marketing"}], exclude).document()
    assert kept == {"kind": "mongosync", "include": [SALES, {"database": "marketing"}], "exclude": exclude}


WHOLE = [
    ("no filter", filtered(), True, True),
    ("included", filtered([{"database": "a"}]), True, True),
    ("by regex", filtered([{"databaseRegex": {"pattern": "a"}}]), True, True),
    ("a part", filtered([{"database": "a", "collections": ["b"]}]), False, True),
    ("a part and the whole", filtered([{"database": "a", "collections": ["b"]}, {"database": "a"}]), True, True),
    ("a pattern is a part, even if it matches all", filtered([{"database": "a", "collectionsRegex": {"pattern": ""}}]),
     False, True),
    ("another one", filtered([{"database": "b"}]), False, False),
    ("less a part", filtered(None, [{"database": "a", "collections": ["b"]}]), False, True),
    ("less the whole", filtered([{"database": "a"}], [{"databaseRegex": {"pattern": "^a"}}]), False, False),
    ("less another one", filtered(None, [{"database": "b"}]), True, True),
]  # fmt: skip


@pytest.mark.parametrize(("selection", "whole", "reached"), [row[1:] for row in WHOLE], ids=[row[0] for row in WHOLE])
def test_whether_a_database_is_carried_whole_or_at_all(selection: Filter, whole: bool, reached: bool) -> None:
    assert selection.selects_whole("a") is whole
    assert selection.reaches("a") is reached


REFUSED = [
    ({}, "either `database` or `databaseRegex`"),
    ({"database": "a", "databaseRegex": {"pattern": "a"}}, "either `database` or `databaseRegex`"),
    ({"database": "a", "collections": ["b"], "collectionsRegex": {"pattern": "b"}}, "either `collections` or"),
    ({"database": ""}, "must not be empty"),
    ({"database": "a", "collections": []}, "must not be empty"),
    ({"database": "a", "collections": [""]}, "must not be empty"),
    ({"database": "a", "collection": ["b"]}, "unknown field `collection`"),
    ({"database": "a", "collections": "b"}, "Expected `array | null`"),
    ({"databaseRegex": "a"}, "Expected `object | null`"),
    ({"databaseRegex": {"options": "i"}}, "required field `pattern`"),
    ({"databaseRegex": {"pattern": "a", "options": "g"}}, "option 'g' of a pattern is not one of i, m, s and x"),
    ({"databaseRegex": {"pattern": "("}}, "cannot be used here"),
    ({"databaseRegex": {"pattern": r"a\z"}}, "cannot be used here"),
    ({"databaseRegex": {"pattern": r"\Qa\E"}}, "cannot be used here"),
    ({"databaseRegex": {"pattern": "(?<name>a)"}}, "cannot be used here"),
    ({"databaseRegex": {"pattern": "a{,3}"}}, "as in {0,3}"),
    ({"databaseRegex": {"pattern": "^[[:alpha:]]+$"}}, "write its characters"),
]


@pytest.mark.parametrize(("entry", "words"), REFUSED, ids=[str(row[0]) for row in REFUSED])
def test_an_entry_without_a_meaning_is_refused(entry: dict[str, Any], words: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=re.escape(words)):
        filtered([entry])


def test_what_belongs_to_the_server_or_to_a_link_cannot_be_asked_for() -> None:
    asked = [{"database": name} for name in ("admin", "local", "mongosync_reserved_for_internal_use", "shop")]
    mistakes = filtered([*asked, {"database": "shop", "collections": ["x", "system.views"]}]).mistakes()
    assert [mistake.split()[1] for mistake in mistakes] == [
        "admin", "local", "mongosync_reserved_for_internal_use", "system.views",
    ]  # fmt: skip
    assert filtered(None, [{"database": "admin"}]).mistakes() == []
