"""A followed table as it is at one place of the log, and how changes of its structure move it on; pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from repman.streams.cdc import fields as cdc_fields
from repman.streams.cdc.binlog_rows import Form
from repman.streams.cdc.changes import Followed
from repman.streams.structure.table import Column
from repman.streams.types.types_mapped import MappedTable


@dataclass(frozen=True, slots=True)
class Shape:
    """One followed table."""

    followed: Followed
    mapped: MappedTable
    columns: tuple[Column, ...]
    """All columns that the source's table has at that place of the log, in order; rows events are read by it."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of `columns`."""
        return tuple(column.name for column in self.columns)

    def forms(self) -> list[Form]:
        """How to read each column of a rows event."""
        wanted = frozenset(self.followed.columns)
        forms = []
        for name in self.names:
            column = self.mapped.mapped(name) if name in wanted else None
            forms.append(Form(wanted=False) if column is None else cdc_fields.form(self.mapped, column))
        return forms

    def key_forms(self) -> list[Form]:
        """How to read rows of which only the key counts: what was before an update or a delete."""
        key = {self.followed.columns[place] for place in self.followed.key}
        pairs = zip(self.names, self.forms(), strict=True)
        return [form if name in key else replace(form, empty=True) for name, form in pairs]

    def reshaped(self, mapped: MappedTable, columns: Sequence[Column], wanted: Collection[str]) -> Shape:
        """With other columns: all of the source's, and the names of those that are followed."""
        keys = [self.followed.columns[place] for place in self.followed.key]
        kept = tuple(column.name for column in columns if column.name in wanted)
        followed = replace(
            self.followed,
            columns=kept,
            target_columns=kept,
            key=tuple(kept.index(name) for name in keys),
        )
        return Shape(followed, mapped, tuple(columns))
