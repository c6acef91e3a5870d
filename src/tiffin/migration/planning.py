"""Whether a migration can be made, and what it would be: the mapping held against its source."""

import re
from collections import Counter
from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tiffin.migration.mapping import Mapping, Problem, problems_with
from tiffin.migration.pacing import Tell, tell_nobody
from tiffin.migration.rows import RowError, convert, legacy_id
from tiffin.migration.sources import Count, Source

ASSUMED_ROWS_PER_S = 2000
"""What a backfill reaches on small machines, for the estimate."""
SAMPLES_MAX = 20
_VALUES = re.compile(r"'[^']*'|\"[^\"]*\"|\d[\d.:+T-]*")


class BadRow(NamedTuple):
    """A row that could not be taken over as it is."""

    legacy_id: str
    reason: str


@dataclass
class Plan:
    """What was found. It can be carried out if there are no problems; bad rows would be left behind."""

    problems: list[Problem]
    states: Sequence[Count] = ()
    checked: int = 0
    """Rows that were read and converted."""
    reasons: Counter[str] = field(default_factory=Counter[str])
    """Why rows could not be taken, without their values, and how many of each."""
    samples: list[BadRow] = field(default_factory=list[BadRow])

    @property
    def rows(self) -> int:
        """All that there are."""
        return sum(count.rows for count in self.states)

    def estimate_s(self, rate: int | None) -> float:
        """How long a backfill takes at so many rows a second."""
        return self.rows / (rate or ASSUMED_ROWS_PER_S)


async def plan(
    mapping: Mapping, source: Source, check_max: int | None = None, tell: Tell = tell_nobody
) -> Plan:
    """Hold the mapping against its source: columns, types, states, and each row (`check_max` at most).

    `Unavailable` if the source does not answer.
    """
    columns = await source.columns(mapping.source.table)
    items = mapping.items
    item_columns: MappingOf[str, str] = {}
    if items is not None and items.table is not None:
        item_columns = await source.columns(items.table)
    problems = problems_with(mapping, columns, item_columns)
    if problems:
        return Plan(problems)
    if not await source.is_unique():
        problems.append(
            Problem("not_unique", f"{mapping.source.key} has no unique index: the same id could come twice")
        )
    states = await source.states()
    problems += [
        Problem("unmapped_state", f"state {count.value!r} is in {count.rows:,} rows, and not in [states]")
        for count in states
        if count.value is None or count.value not in mapping.states
    ]
    found = Plan(problems, states)
    if not problems:
        await _check_rows(mapping, source, found, check_max, tell)
    return found


async def _check_rows(
    mapping: Mapping, source: Source, found: Plan, check_max: int | None, tell: Tell
) -> None:
    total = found.rows if check_max is None else min(found.rows, check_max)
    key: str | None = None
    while found.checked < total and (rows := await source.after(key)):
        for row in rows:
            try:
                convert(mapping, row)
            except RowError as error:
                found.reasons[without_values(str(error))] += 1
                if len(found.samples) < SAMPLES_MAX:
                    found.samples.append(BadRow(legacy_id(mapping, row), str(error)))
        found.checked += len(rows)
        key = legacy_id(mapping, rows[-1])
        tell("rows checked", found.checked, total)


def without_values(reason: str) -> str:
    """A reason that many rows share."""
    return _VALUES.sub("..", reason)
