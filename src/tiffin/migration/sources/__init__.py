"""Reading the old system's database, whichever it is: columns, rows by range and by key, how busy it is."""

from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from tiffin.migration.rows import Row

ROWS_MAX = 500
"""A read gives no more rows: as many as one call of `Orders.adopt` takes."""


class Load(NamedTuple):
    """How busy a source is."""

    active: int
    """Statements that are being carried out, but ours."""
    lag_s: float
    """How far its farthest replica is behind; 0 without replicas, or where the source cannot tell."""


class Count(NamedTuple):
    """Rows of one value of the state column; None is null."""

    value: str | None
    rows: int


class Source(Protocol):
    """A place to read the old orders. Keys are text here, whatever their column is; all rows are of the
    mapping's columns, with `rows.LINES` where the lines have a table of their own.

    All may raise `Unavailable` if the source does not answer.
    """

    async def columns(self, table: str) -> MappingOf[str, str]:
        """The columns of a table and their types; empty if there is no such table."""
        ...

    async def is_unique(self) -> bool:
        """Whether the database itself sees to it that no key comes twice."""
        ...

    async def states(self) -> Sequence[Count]:
        """How many rows there are of each state: reads the whole table."""
        ...

    async def after(self, key: str | None, limit: int = ROWS_MAX) -> Sequence[Row]:
        """The rows with the next keys, in their order; None: from the beginning."""
        ...

    async def of_keys(self, keys: Sequence[str]) -> Sequence[Row]:
        """Those of these rows that there are. What can be no key is none."""
        ...

    async def existing(self, keys: Sequence[str]) -> set[str]:
        """Those of these keys that have a row."""
        ...

    async def load(self) -> Load:
        """How busy the source is now."""
        ...

    async def close(self) -> None:
        """Let go of it."""
        ...


def split_table(table: str) -> tuple[str | None, str]:
    """`schema.table` or `table`."""
    schema, _, name = table.rpartition(".")
    return schema or None, name


def with_lines(
    rows: Sequence[dict[str, Any]], key: str, lines: Sequence[Row], order: str, name: str
) -> Sequence[Row]:
    """Rows with their lines under `name`."""
    of_order: dict[str, list[Row]] = {str(row[key]): [] for row in rows}
    for line in lines:
        of_order[str(line[order])].append(line)
    for row in rows:
        row[name] = of_order[str(row[key])]
    return rows
