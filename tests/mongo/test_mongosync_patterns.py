"""A pattern that is taken selects what the server's own regular expressions would select."""

from __future__ import annotations

import pytest
from mongo_stand import ReplicaSet

from repman.link.mongosync.filters import Regex

NAMES = ["accounts_1", "ACCOUNTS_1", "my accounts_1", "a", "ab", "a.b", "a-b", "a1", "é", "É", "aé", "b\nc", "b c", "x]y",
         "1", "a_b", "", "aaa", "\u017f", "k", "s$", "{a,2}", "#", "a#b"]  # fmt: skip
PATTERNS = [
    ("^accounts_.+$", "i"), ("accounts", ""), ("", ""), ("^a$", ""), ("A", "i"), (r"^\w+$", ""), (r"\d", ""), (r"\s", ""),
    (r"^[a-z]+$", ""), (r"^[^a-z]+$", "i"), ("b.c", ""), ("b.c", "s"), ("^c$", ""), ("^c$", "m"), ("^ a b $", "x"),
    ("a # a comment\n b", "x"), (r"a\#b", "x"), ("[ ]", "x"), ("é", ""), ("é", "i"), ("^aÉ$", "i"), (r"[]x]y", ""),
    (r"^(?:a|1)\b", ""), (r"^(a)\1+$", ""), ("^a{2,}", ""), ("^a++a", ""), ("^(?>a+)a", ""), ("a(?=b)", ""),
    ("(?<!a)b", ""), ("(?i)ACC", ""), ("(?i:ACC)ounts", ""), ("(?P<n>a)(?P=n)", ""), (r"\Aa\Z", ""), (r"s\$", ""),
    (r"\x61b", ""), ("a.b", ""), (r"a\.b", ""), (r"[\w.]+-", ""), ("^.$", ""), ("a|b", ""), ("[a-]b", ""),
    (r"^\S$", ""), (r"^\D$", ""), (r"^\W$", ""), ("^k$", "i"), ("^s$", "i"), ("^[k]$", "i"), ("a$", "mi"), ("[--a]", ""),
    ("[&&a]", ""), ("[[a]", ""), (r"\R", ""), (r"\h", ""), (r"\N", ""), (r"\a", ""), (r"\e", ""), (r"[\b]", ""), (r"\07", ""),
]  # fmt: skip


def test_patterns_match_what_they_match_on_the_server(source: ReplicaSet) -> None:
    source.client.names.names.insert_many([{"name": name} for name in NAMES])
    taken = 0
    for pattern, options in PATTERNS:
        try:
            ours = Regex(pattern, options)
        except ValueError:  # refused, so nothing can differ
            continue
        taken += 1
        found = source.client.names.names.find({"name": {"$regex": pattern, "$options": options}})
        assert [name for name in NAMES if ours.matches(name)] == [each["name"] for each in found], (pattern, options)
    assert taken > 45


@pytest.mark.parametrize("pattern", [r"a\z", "(?<n>a)", r"\h", r"[[:alpha:]]", "a{,2}"])
def test_what_only_the_server_knows_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        Regex(pattern)
