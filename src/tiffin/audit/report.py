"""What an audit found."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

Check = Literal["dimensions", "places", "log", "deadlines", "stock", "payments", "money", "cases"]
CHECKS: tuple[Check, ...] = get_args(Check)

LISTED_MAX = 100
"""Differences a check lists; the others are only counted."""

Progress = Callable[[Check, int, int], None]
"""Hears of each check how many of its parts are done, and how many there are."""


@dataclass(frozen=True)
class Difference:
    """Something that does not fit."""

    check: Check
    where: str
    """Node and shard: `north, customer 017`."""
    subject: str
    """`order 123`, `payment 123-a`, `dish r1/soup` ..."""
    what: str


@dataclass
class Report:
    """All that was looked at, and what did not fit."""

    differences: list[Difference] = field(default_factory=list[Difference])
    """Of each check the first `LISTED_MAX`."""
    totals: Counter[Check] = field(default_factory=Counter[Check])
    """All differences, by check."""
    checked: Counter[str] = field(default_factory=Counter[str])
    """How many orders, copies, events, dishes, payments ... were looked at."""

    @property
    def is_clean(self) -> bool:
        return not self.totals.total()

    def add(self, check: Check, where: str, subject: str, what: str, times: int = 1) -> None:
        """Note a difference; `times` if it stands for several that are not told one by one."""
        self.totals[check] += times
        if sum(each.check == check for each in self.differences) < LISTED_MAX:
            self.differences.append(Difference(check, where, subject, what))
