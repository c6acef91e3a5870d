"""The states of a payment, as one table."""

from typing import Literal, NamedTuple

State = Literal["pending", "succeeded", "declined", "refunding", "refunded"]
Happening = Literal["charged", "declined", "order_cancelled", "refunded"]
EventType = Literal[
    "payment.started", "payment.succeeded", "payment.declined", "payment.refund_started", "payment.refunded"
]


class Edge(NamedTuple):
    """A legal move, what it is called in the log, and why it exists."""

    state: State
    happening: Happening
    to: State
    event: EventType
    why: str


EDGES: tuple[Edge, ...] = (
    Edge("pending", "charged", "succeeded", "payment.succeeded", "The provider has the customer's money."),
    Edge("pending", "declined", "declined", "payment.declined", "The provider has not taken any, for good."),
    Edge("succeeded", "order_cancelled", "refunding", "payment.refund_started", "The order fell."),
    Edge("declined", "charged", "refunding", "payment.refund_started", "Given up, and charged after all."),
    Edge("refunding", "refunded", "refunded", "payment.refunded", "The customer has the money back."),
)

OLD_NEWS: frozenset[tuple[State, Happening]] = frozenset(
    {
        ("succeeded", "charged"),
        ("refunding", "charged"),
        ("refunded", "charged"),
        ("declined", "declined"),
        ("refunding", "order_cancelled"),
        ("refunded", "order_cancelled"),
        ("refunded", "refunded"),
    }
)
"""What is heard again, or late, and changes nothing. Anything else outside the table contradicts it."""

_NEXT = {(edge.state, edge.happening): edge for edge in EDGES}


def next_edge(state: State, happening: Happening) -> Edge | None:
    """The move that a happening makes in a state, if it makes one."""
    return _NEXT.get((state, happening))
