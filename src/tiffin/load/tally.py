"""What a run has seen so far, and what it amounts to in the end."""

from collections import Counter
from dataclasses import dataclass, field

from tiffin.load.latency import Latencies, Percentiles

UNEXPECTED_KEPT = 50

PLACED_IN_ALL = "quote and place"
"""From the moment a customer meant to order, to the acknowledgement: what an open loop is about."""


@dataclass(frozen=True)
class Snapshot:
    """A run under way, for a progress display."""

    phase: str
    """What is being done: "restaurants", "customers" or "orders"."""
    done: int
    total: int
    counts: Counter[str] = field(default_factory=Counter[str])
    """Orders placed, refused, paid, accepted, delivered, completed, cancelled; answers that never came."""
    refused: Counter[str] = field(default_factory=Counter[str])
    in_flight: int = 0
    orders_per_s: float = 0.0
    p99_s: float = 0.0
    """Of placing, from the intended moment."""
    unexpected: int = 0


@dataclass(frozen=True)
class Summary:
    """What a run amounts to."""

    orders: int
    placed: int
    refused: Counter[str]
    """Orders that were never placed, by the code they were refused with."""
    refusals: Counter[tuple[str, str]]
    """Every refusal on the way, by operation and code; most were followed by another try."""
    payments: Counter[str]
    outcomes: Counter[tuple[str, str]]
    """Orders by fate and by the state their actors left them in."""
    resent: int
    """Answers that never came, or said "not now"; each was asked after or sent again."""
    cases: Counter[tuple[str, str]]
    """By kind and by what came of them."""
    answers: Counter[str]
    """How the cases were decided that somebody had to agree to."""
    given: int
    """Orders whose customers got something back by a case."""
    read_back: int
    """Cases whose customers found among the payments what had been quoted."""
    unexpected: list[str]
    """What should not have happened, the first ones in words."""
    unexpected_count: int
    latencies: dict[str, Percentiles]
    duration_s: float
    busiest_of_day: tuple[str, int, int]
    """City, second of the day and orders of the fullest second of the day itself."""
    busiest_placed: int
    """Most orders acknowledged within one second of the run."""


class Tally:
    """Counts what happens. `placing` is the time from the intended moment to the acknowledgement."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.refusals: Counter[tuple[str, str]] = Counter()
        self.payments: Counter[str] = Counter()
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.cases: Counter[tuple[str, str]] = Counter()
        self.answers: Counter[str] = Counter()
        self.unexpected: list[str] = []
        self.unexpected_count = 0
        self.resent = 0
        self.placing = Latencies()
        self._operations: dict[str, Latencies] = {}
        self._placed_in: Counter[int] = Counter()

    def took(self, operation: str, duration_s: float) -> None:
        latencies = self._operations.get(operation)
        if latencies is None:
            latencies = self._operations[operation] = Latencies()
        latencies.add(duration_s)

    def placed(self, now: float, intended: float) -> None:
        self.counts["placed"] += 1
        self._placed_in[int(now)] += 1
        self.placing.add(now - intended)

    def wrong(self, text: str) -> None:
        self.unexpected_count += 1
        if len(self.unexpected) < UNEXPECTED_KEPT:
            self.unexpected.append(text)

    def summary(self, orders: int, duration_s: float, busiest_of_day: tuple[str, int, int]) -> Summary:
        latencies = {PLACED_IN_ALL: self.placing.percentiles()}
        latencies |= {name: each.percentiles() for name, each in self._operations.items()}
        return Summary(
            orders=orders,
            placed=self.counts["placed"],
            refused=self.refused,
            refusals=self.refusals,
            payments=self.payments,
            outcomes=self.outcomes,
            resent=self.resent,
            cases=self.cases,
            answers=self.answers,
            given=self.counts["given back"],
            read_back=self.counts["read back"],
            unexpected=self.unexpected,
            unexpected_count=self.unexpected_count,
            latencies=latencies,
            duration_s=duration_s,
            busiest_of_day=busiest_of_day,
            busiest_placed=max(self._placed_in.values(), default=0),
        )
