"""The objects of replication-manager's API: their keys, and the type of each, from tests/web/contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any

CONTRACT = Path(__file__).parents[1] / "web" / "contract"


def contract(name: str) -> dict[str, str]:
    """The keys of an object of replication-manager's API with the type of each."""
    rows = [line.split() for line in (CONTRACT / f"{name}.txt").read_text().splitlines()]
    return {row[0]: row[1] for row in rows if row and row[0] != "#"}


def misfits(document: dict[str, Any], name: str) -> list[str]:
    """The keys of the contract that the document lacks, or has with another type."""
    return [key for key, kind in contract(name).items() if key not in document or not fits(document[key], kind)]


def fits(value: Any, kind: str) -> bool:
    """Whether a value is of that type, as the files of the contract write types; ``?`` allows null."""
    if kind.endswith("?"):
        return value is None or fits(value, kind[:-1])
    whole = isinstance(value, int) and not isinstance(value, bool)
    named: dict[str, bool] = {
        "string": isinstance(value, str),
        "bool": isinstance(value, bool),
        "integer": whole,
        "number": whole or isinstance(value, float),
        "list": isinstance(value, list),
        "object": isinstance(value, dict),
        "null": value is None,
        "log": isinstance(value, dict) and value.keys() == {"buffer", "len", "line"},
        "text-or-null": isinstance(value, dict) and value.keys() == {"String", "Valid"},
        "integer-or-null": isinstance(value, dict) and value.keys() == {"Int64", "Valid"},
    }
    return named[kind] if kind in named else value in kind.split("|")
