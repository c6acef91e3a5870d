"""The states of a payment and of a refund, as tables."""

from typing import Literal, NamedTuple

State = Literal["pending", "authorised", "capturing", "succeeded", "voiding", "voided", "declined"]
Happening = Literal[
    "authorised", "charged", "declined", "voided",  # what the provider says
    "capture", "void",  # what we want
    "refund_started", "refunded", "refund_failed",  # which leave the payment where it is
]  # fmt: skip
EventType = Literal[
    "payment.started", "payment.authorised", "payment.capture_started", "payment.succeeded",
    "payment.void_started", "payment.voided", "payment.declined", "payment.collected",
    "payment.refund_started", "payment.refunded", "payment.refund_failed",
]  # fmt: skip
RefundState = Literal["pending", "succeeded", "failed"]


class Edge(NamedTuple):
    """A legal move, what it is called in the log, and why it exists."""

    state: State
    happening: Happening
    to: State
    event: EventType
    why: str


EDGES: tuple[Edge, ...] = (
    Edge("pending", "authorised", "authorised", "payment.authorised", "The provider keeps the money for us."),
    Edge("pending", "charged", "succeeded", "payment.succeeded", "The provider has the customer's money."),
    Edge("pending", "declined", "declined", "payment.declined", "The provider has not taken any, for good."),
    Edge("pending", "voided", "declined", "payment.declined", "Authorised and let go before we heard of it."),

    Edge("authorised", "capture", "capturing", "payment.capture_started", "The restaurant has accepted."),
    Edge("authorised", "void", "voiding", "payment.void_started", "The order fell."),
    Edge("authorised", "charged", "succeeded", "payment.succeeded", "Taken at the provider, by a person."),
    Edge("authorised", "voided", "voided", "payment.voided", "The authorisation has expired."),

    Edge("capturing", "charged", "succeeded", "payment.succeeded", "The provider has the customer's money."),
    Edge("capturing", "voided", "voided", "payment.voided", "It had expired: there is nothing to take."),
    Edge("capturing", "declined", "voided", "payment.voided", "The provider takes nothing after all."),

    Edge("capturing", "void", "voiding", "payment.void_started", "The order fell meanwhile."),

    Edge("voiding", "voided", "voided", "payment.voided", "The customer can use the money again."),
    Edge("voiding", "declined", "voided", "payment.voided", "There was nothing to let go of."),
    Edge("voiding", "charged", "succeeded", "payment.refund_started", "Taken all the same: all goes back."),

    Edge("declined", "authorised", "voiding", "payment.void_started", "Given up, and authorised after all."),
    Edge("declined", "charged", "succeeded", "payment.refund_started", "Given up, and taken: all goes back."),
    Edge("voided", "charged", "succeeded", "payment.refund_started", "Let go, and taken: all goes back."),

    Edge("succeeded", "refund_started", "succeeded", "payment.refund_started", "Some of it goes back."),
    Edge("succeeded", "refunded", "succeeded", "payment.refunded", "The customer has some of it back."),
    Edge("succeeded", "refund_failed", "succeeded", "payment.refund_failed", "The provider gives none back."),
)  # fmt: skip

BEGINNINGS: dict[EventType, State] = {"payment.started": "pending", "payment.collected": "succeeded"}
"""How a payment begins: as an intent, or as cash that the courier has."""

CLAIMING: frozenset[State] = frozenset({"pending", "authorised", "capturing", "succeeded"})
"""States in which a payment covers its part of the order. Once it has left them it never
does again."""
GOOD: frozenset[State] = frozenset({"authorised", "capturing", "succeeded"})
"""States in which the money is certain, or as good as."""

OLD_NEWS: frozenset[tuple[State, Happening]] = frozenset(
    {
        ("authorised", "authorised"), ("capturing", "authorised"), ("succeeded", "authorised"),
        ("voiding", "authorised"), ("voided", "authorised"),
        ("succeeded", "charged"),
        ("declined", "declined"), ("voided", "declined"),
        ("voided", "voided"), ("declined", "voided"),
        ("capturing", "capture"), ("succeeded", "capture"), ("voiding", "void"), ("voided", "void"),
    }
)  # fmt: skip
"""What is heard again, or late, and changes nothing. Anything else outside the table contradicts it."""

_NEXT = {(edge.state, edge.happening): edge for edge in EDGES}


def next_edge(state: State, happening: Happening) -> Edge | None:
    """The move that a happening makes in a state, if it makes one."""
    return _NEXT.get((state, happening))
