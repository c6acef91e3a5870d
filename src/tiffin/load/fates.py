"""What becomes of an order, as two tables: how it is paid, how it ends. Both are drawn for every order."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, Protocol, TypeVar

End = Literal[
    "confirmed", "left", "cancelled_before_acceptance", "cancelled_after_acceptance", "rejected", "unanswered"
]


@dataclass(frozen=True)
class Payment:
    """A way to pay: the sandbox provider's sources, tried one after the other until one pays."""

    name: str
    share: float
    method: Literal["cash", "online"]
    sources: tuple[str, ...] = ()
    after_s: float = 5.0
    """Seconds of the order's day between placing and paying."""
    parts: int = 1
    """So many payments, each of a part of the total; each source pays one."""

    @property
    def never(self) -> bool:
        return self.method == "online" and not self.sources


@dataclass(frozen=True)
class Ending:
    """How the way of a paid order ends."""

    name: str
    share: float
    end: End


PAYMENTS: Sequence[Payment] = (
    Payment("cash", 0.50, "cash"),
    Payment("online", 0.34, "online", ("tok_ok",)),
    Payment("online, in two parts", 0.02, "online", ("tok_ok", "tok_ok"), parts=2),
    Payment("online, late", 0.03, "online", ("tok_ok",), after_s=720),
    Payment("online, slowly", 0.02, "online", ("tok_slow",)),
    Payment("online, declined first", 0.03, "online", ("tok_declined", "tok_ok")),
    Payment("online, slowly declined first", 0.01, "online", ("tok_slow_declined", "tok_ok")),
    Payment("online, notice repeated", 0.02, "online", ("tok_repeat",)),
    Payment("online, reply lost", 0.003, "online", ("tok_lost_reply",)),
    Payment("online, reply to the refund lost", 0.013, "online", ("tok_lost_refund_reply",)),
    Payment("online, provider failed first", 0.004, "online", ("tok_error",)),
    Payment("online, never", 0.01, "online"),
)

ENDINGS: Sequence[Ending] = (
    Ending("delivered and confirmed", 0.82, "confirmed"),
    Ending("delivered, never confirmed", 0.10, "left"),
    Ending("cancelled before acceptance", 0.025, "cancelled_before_acceptance"),
    Ending("cancelled in the free minute", 0.02, "cancelled_after_acceptance"),
    Ending("rejected by the restaurant", 0.03, "rejected"),
    Ending("never answered by the restaurant", 0.005, "unanswered"),
)


class _Shared(Protocol):
    @property
    def share(self) -> float: ...


_Row = TypeVar("_Row", bound=_Shared)


def draw(table: Sequence[_Row], rng: Random) -> _Row:
    """A row of the table, as often as its share says."""
    limits = list(itertools.accumulate(row.share for row in table))
    return rng.choices(table, cum_weights=limits)[0]
