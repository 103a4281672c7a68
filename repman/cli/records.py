"""JSON of the API as tables for a terminal.  Pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

Row = Mapping[str, Any]
Column = tuple[str, str | Callable[[Row], object]]
"""A heading, and the key of the value or what makes it of a row."""

_FRACTION = 1e-3


def table(rows: Iterable[Row], columns: Sequence[Column], empty: str = "none") -> RenderableType:
    """One line for each row, or a word when there is none."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading, _ in columns:
        made.add_column(heading, overflow="fold")
    for row in rows:
        made.add_row(*(Text(_cell(row, source)) for _, source in columns))
    return made if made.row_count else Text(empty, "dim")


def anything(document: Any, preferred: Sequence[str] = (), empty: str = "none") -> RenderableType:
    """A document of the API whatever its shape; of rows the preferred keys, or all that are plain."""
    if isinstance(document, Mapping):
        nested = document and all(isinstance(value, Mapping) and not _nullable(value) for value in document.values())
        return anything(list(document.values()), preferred, empty) if nested else facts(document)
    if not isinstance(document, list) or not document:
        return Text(plain(document) if document else empty, "" if document else "dim")
    rows = [row for row in document if isinstance(row, Mapping)]
    if len(rows) < len(document):
        return Group(*(Text(plain(item)) for item in document))
    return table(rows, [(heading(key), key) for key in _keys(rows, preferred)])


def facts(document: Row) -> RenderableType:
    """Names and values, one a line."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    for name, value in document.items():
        grid.add_row(Text(str(name), "dim"), Text(plain(value), overflow="fold"))
    return grid


def plain(value: Any) -> str:
    """A value in a word: what may be missing is empty, as it is where the API wraps it with its validity."""
    if isinstance(value, Mapping):
        if _nullable(value):
            given = [item for key, item in value.items() if key != "Valid"]
            return plain(given[0]) if value["Valid"] else ""
        return ", ".join(f"{name}={plain(item)}" for name, item in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}" if value % 1 >= _FRACTION else f"{value:.0f}"
    if isinstance(value, list | tuple):
        return ", ".join(plain(item) for item in value)
    return "" if value is None else str(value)


def moment(seconds: Any) -> str:
    """Unix seconds as local time, empty for none."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(float(seconds))) if seconds else ""


def size(count: Any) -> str:
    """Bytes in a unit that people read."""
    return "" if count is None else decimal(int(count))


def heading(key: str) -> str:
    """A key as the heading of a column."""
    words = "".join(f" {letter}" if letter.isupper() else letter for letter in key.replace("_", " "))
    return words.strip().upper()


def _cell(row: Row, source: str | Callable[[Row], object]) -> str:
    return plain(row.get(source) if isinstance(source, str) else source(row))


def _keys(rows: Sequence[Row], preferred: Sequence[str]) -> list[str]:
    found = dict.fromkeys(key for row in rows for key in row)
    wanted = [key for key in preferred if key in found]
    return wanted or [key for key in found if all(_simple(row.get(key)) for row in rows)]


def _simple(value: Any) -> bool:
    return not isinstance(value, list | Mapping) or (isinstance(value, Mapping) and _nullable(value))


def _nullable(value: Row) -> bool:
    return "Valid" in value and len(value) == 2
