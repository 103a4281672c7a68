"""Values of a followed table made fields of the target's lines; pure.

To PostgreSQL a field is one of CSV, to MySQL a literal of SQL.  Both are joined with commas, and both spell NULL as the
bare word, as every text is in quotes: whole rows are made, compared and kept without a look into their fields.
"""

from __future__ import annotations

from collections.abc import Callable

from repman.streams.cdc.binlog_rows import NULL, Form
from repman.streams.types import values_rows
from repman.streams.types.types_mapped import Mapped, MappedTable, Rule

CSV_TEXT = """b'"' + {}.replace(b'"', b'""') + b'"'"""
CSV_WITHOUT_NUL = """b'"' + {}.replace(b'"', b'""').replace(b'\\0', b'') + b'"'"""
Field = Callable[[bytes], bytes]
_CODECS = {
    "latin1": "cp1252", "latin2": "iso8859-2", "latin5": "iso8859-9", "latin7": "iso8859-13", "ucs2": "utf-16-be",
    "utf16": "utf-16-be", "utf16le": "utf-16-le", "utf32": "utf-32-be", "cp1250": "cp1250", "cp1251": "cp1251",
    "cp1256": "cp1256", "cp1257": "cp1257", "cp850": "cp850", "cp852": "cp852", "cp866": "cp866", "koi8r": "koi8-r",
    "koi8u": "koi8-u", "greek": "iso8859-7", "hebrew": "iso8859-8", "tis620": "tis-620", "macroman": "mac-roman",
    "macce": "mac-latin2", "big5": "big5", "gb2312": "gb2312", "gbk": "gbk", "gb18030": "gb18030", "sjis": "shift-jis",
    "cp932": "cp932", "ujis": "euc-jp", "eucjpms": "euc-jp", "euckr": "euc-kr",
}  # fmt: skip
"""Python's names of MySQL's character sets that are not UTF-8 and not part of it."""
_NUMERIC = frozenset({Rule.PLAIN, Rule.NUMBER, Rule.BOOLEAN, Rule.MONEY})
_NUMBERS = ("bigint", "int", "smallint", "tinyint", "mediumint", "decimal")
UTF8 = frozenset({"", "utf8mb4", "utf8mb3", "utf8", "ascii", "binary"})


def field(table: MappedTable, mapped: Mapped) -> Field:
    """What makes a field of the text of a value that is not NULL."""
    if table.target_version.engine.is_mysql:
        return _literal(table, mapped)
    return values_rows.field(table, mapped)


def template(table: MappedTable, mapped: Mapped) -> str | None:
    """`field` as an expression of Python, where that is simple; None where it is not."""
    if table.target_version.engine.is_mysql:
        return None
    if mapped.rule is Rule.TEXT and table.source_version.engine.is_mysql:
        return CSV_WITHOUT_NUL
    if values_rows.converter(table, mapped) is not None:
        return None
    return "{}" if mapped.unquoted else CSV_TEXT


def _literal(table: MappedTable, mapped: Mapped) -> Field:
    turn = values_rows.converter(table, mapped)
    binary = values_rows.is_bytes(table, mapped)
    bare = not binary and mapped.rule in _NUMERIC and mapped.declared.lower().startswith(_NUMBERS)

    def made(value: bytes) -> bytes:
        found = value if turn is None else turn(value)
        if found is None:
            return NULL
        if bare:
            return found
        if binary:
            return b"x'" + found.hex().encode() + b"'"
        return b"'" + found.replace(b"\\", b"\\\\").replace(b"'", b"''") + b"'"

    return made


def form(table: MappedTable, mapped: Mapped) -> Form:
    """How the rows events of a table's column are to be read and made fields."""
    kind = mapped.source.type
    expression = template(table, mapped)
    labels = tuple(label.encode() for label in kind.labels)
    return Form(
        unsigned=kind.unsigned,
        labels=labels,
        binary=(kind.length or 0) if kind.name == "binary" else 0,
        codec=codec(kind.charset) if kind.name not in ("enum", "set") else "",
        kind=kind.name if kind.name in ("uuid", "inet4", "inet6") else "",
        convert=None if expression is not None else field(table, mapped),
        template=expression or "{}",
    )


def codec(charset: str) -> str:
    """Python's name of a character set of MySQL; empty for UTF-8.  Raises KeyError for one that Python does not know."""
    return "" if charset in UTF8 else _CODECS[charset]
