"""The state table of cases. The service, the store, the docs and the tests read this one table."""

from dataclasses import dataclass
from typing import Literal

from tiffin.primitives.state_table import StateTable
from tiffin.rpc.context import Role

State = Literal[
    "requested", "approved", "rejected", "withdrawn", "in_arbitration", "refunding", "refunded",
    "refund_failed", "closed",
]  # fmt: skip
Wait = Literal["answer", "dispute", "arbitration", "carrying", "repair", "filing"]
"""A deadline: the platform acts by itself when it has passed. How long each is: `policy.Terms`."""

Guard = Literal["to_answer", "decided", "answerer", "opener"]
"""A condition beside state and role. What each one means: `transition.GUARDS`."""

CUSTOMER, RESTAURANT, OPERATOR, SYSTEM = "customer", "restaurant", "operator", "system"


@dataclass(frozen=True, slots=True)
class Edge:
    """A legal move: from a state, by an event, to a state."""

    source: State | None
    event: str
    """In the past tense; published as `case.<event>`."""
    target: State
    who: tuple[Role, ...]
    guards: tuple[Guard, ...]
    starts: Wait | Literal["same"] | None
    """The deadline that begins; "same" leaves the running one as it is."""
    releases: bool
    """What the case had claimed of the order's money is free for others again."""
    why: str


EDGES: tuple[Edge, ...] = (
    Edge(None, "opened", "requested", (CUSTOMER,), ("to_answer",), "answer", False,
         "Somebody has to agree first."),
    Edge(None, "opened", "approved", (CUSTOMER, RESTAURANT, OPERATOR), ("decided",), "carrying", False,
         "Nobody has to be asked: it is the caller's right, or theirs to give."),

    Edge("requested", "approved", "approved", (RESTAURANT,), ("answerer",), "carrying", False,
         "The restaurant agrees."),
    Edge("requested", "approved", "approved", (OPERATOR, SYSTEM), (), "carrying", False,
         "An operator agrees, or nobody has answered in time."),
    Edge("requested", "rejected", "rejected", (RESTAURANT,), ("answerer",), "dispute", False,
         "The restaurant does not agree."),
    Edge("requested", "rejected", "rejected", (OPERATOR,), (), "dispute", False,
         "An operator does not agree."),
    Edge("requested", "withdrawn", "withdrawn", (CUSTOMER,), ("opener",), None, True,
         "The customer asks no more."),
    Edge("requested", "evidence_added", "requested", (CUSTOMER, RESTAURANT, OPERATOR), (), "same", False,
         "Words or pictures for whoever answers."),

    Edge("rejected", "disputed", "in_arbitration", (CUSTOMER,), ("opener",), "arbitration", False,
         "The customer does not accept the answer: an operator decides."),
    Edge("rejected", "lapsed", "closed", (SYSTEM,), (), None, True,
         "The customer has left it at that."),

    Edge("in_arbitration", "approved", "approved", (OPERATOR, SYSTEM), (), "carrying", False,
         "The operator is with the customer, or has not decided in time."),
    Edge("in_arbitration", "dismissed", "closed", (OPERATOR,), (), None, True,
         "The operator is with the restaurant. There is nobody further to ask."),
    Edge("in_arbitration", "withdrawn", "withdrawn", (CUSTOMER,), ("opener",), None, True,
         "The customer asks no more."),
    Edge("in_arbitration", "evidence_added", "in_arbitration", (CUSTOMER, RESTAURANT, OPERATOR), (), "same",
         False, "Words or pictures for the operator."),

    Edge("approved", "refund_started", "refunding", (SYSTEM,), (), "carrying", False,
         "The order is as the case needs it: now the money."),
    Edge("approved", "overtaken", "closed", (SYSTEM,), (), None, True,
         "The order has ended otherwise meanwhile."),

    Edge("refunding", "refunded", "refunded", (SYSTEM,), (), "filing", False,
         "The customer has the money, the ledger its entry."),
    Edge("refunding", "refund_failed", "refund_failed", (SYSTEM,), (), "repair", False,
         "The provider gives nothing back, for good."),

    Edge("refunding", "overtaken", "closed", (SYSTEM,), (), None, True,
         "Everything has gone back because the order was called off otherwise, or nothing was ever taken."),

    Edge("refund_failed", "overtaken", "closed", (SYSTEM,), (), None, True,
         "The order was called off otherwise meanwhile, and everything has gone back by that."),
    Edge("refund_failed", "credited", "refunded", (OPERATOR, SYSTEM), (), "filing", False,
         "The customer is owed it by the platform instead."),

    Edge("refunded", "filed", "closed", (SYSTEM,), (), None, False,
         "Nothing more has come of it."),
)  # fmt: skip

ON_DEADLINE: dict[State, str | None] = {
    "requested": "approved",
    "rejected": "lapsed",
    "in_arbitration": "approved",
    "approved": None,
    "refunding": None,
    "refund_failed": "credited",
    "refunded": "filed",
}
"""What the platform does by itself when a state's deadline has passed. None: it goes on with its work."""

TERMINAL: frozenset[State] = frozenset(("withdrawn", "closed"))
_TABLE = StateTable(EDGES)
EVENTS, WHO = _TABLE.events, _TABLE.who
edges_from = _TABLE.edges_from
