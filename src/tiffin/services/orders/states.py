"""The state table of the forward flow. The service, the store, the docs and the tests read this one table."""

from dataclasses import dataclass
from typing import Literal

from tiffin.primitives.state_table import StateTable
from tiffin.rpc.context import Role

State = Literal[
    "awaiting_payment", "scheduled", "awaiting_acceptance", "preparing", "ready", "delivering", "delivered",
    "completed", "cancelled",
]  # fmt: skip
Wait = Literal["payment", "release", "acceptance", "preparation", "pickup", "delivery", "completion"]
"""A deadline: the platform acts by itself when it has passed. How long each is: `policy.Policy`."""

Guard = Literal["prepaid", "for_later", "for_now", "in_free_time", "unclaimed", "has_courier", "own_delivery"]
"""A condition beside state and role. What each one means: `transition.GUARDS`."""

CUSTOMER, RESTAURANT, COURIER, OPERATOR, SYSTEM = "customer", "restaurant", "courier", "operator", "system"


@dataclass(frozen=True, slots=True)
class Edge:
    """A legal move: from a state, by an event, to a state."""

    source: State | None
    event: str
    """In the past tense; published as `order.<event>`."""
    target: State
    who: tuple[Role, ...]
    guards: tuple[Guard, ...]
    starts: Wait | Literal["same"] | None
    """The deadline that begins; "same" leaves the running one as it is."""
    why: str


EDGES: tuple[Edge, ...] = (
    Edge(None, "placed", "awaiting_payment", (CUSTOMER,), ("prepaid",), "payment",
         "An order paid online waits for its money first."),
    Edge(None, "placed", "scheduled", (CUSTOMER,), ("for_later",), "release",
         "An order for later rests until the kitchen needs to know of it."),
    Edge(None, "placed", "awaiting_acceptance", (CUSTOMER,), ("for_now",), "acceptance",
         "A cash order goes to the restaurant at once."),

    Edge("awaiting_payment", "paid", "scheduled", (SYSTEM,), ("for_later",), "release",
         "Paid, and for later."),
    Edge("awaiting_payment", "paid", "awaiting_acceptance", (SYSTEM,), ("for_now",), "acceptance",
         "Paid: the restaurant is asked."),
    Edge("awaiting_payment", "payment_expired", "cancelled", (SYSTEM,), (), None,
         "Nobody paid in time."),
    Edge("awaiting_payment", "cancelled", "cancelled", (CUSTOMER, OPERATOR, SYSTEM), (), None,
         "Called off before it was paid."),

    Edge("scheduled", "released", "awaiting_acceptance", (SYSTEM, OPERATOR), (), "acceptance",
         "Its time has come: the restaurant is asked."),
    Edge("scheduled", "rejected", "cancelled", (RESTAURANT, OPERATOR), (), None,
         "The restaurant knows already that it cannot."),
    Edge("scheduled", "cancelled", "cancelled", (CUSTOMER, OPERATOR, SYSTEM), (), None,
         "Called off before the restaurant was asked."),
    Edge("scheduled", "called_off", "cancelled", (SYSTEM,), (), None,
         "A case has ended it, and gives back what is to be given back."),

    Edge("awaiting_acceptance", "accepted", "preparing", (RESTAURANT, OPERATOR), (), "preparation",
         "The restaurant takes it."),
    Edge("awaiting_acceptance", "rejected", "cancelled", (RESTAURANT, OPERATOR), (), None,
         "The restaurant declines."),
    Edge("awaiting_acceptance", "acceptance_expired", "cancelled", (SYSTEM,), (), None,
         "The restaurant did not answer in time."),
    Edge("awaiting_acceptance", "courier_assigned", "awaiting_acceptance", (OPERATOR,), (), "same",
         "Dispatch may plan ahead of the restaurant's answer."),
    Edge("awaiting_acceptance", "cancelled", "cancelled", (CUSTOMER, OPERATOR, SYSTEM), (), None,
         "Called off before the restaurant answered."),
    Edge("awaiting_acceptance", "called_off", "cancelled", (SYSTEM,), (), None,
         "A case has ended it, and gives back what is to be given back."),

    Edge("preparing", "prepared", "ready", (RESTAURANT, OPERATOR), (), "pickup",
         "Packed and waiting for the courier."),
    Edge("preparing", "courier_assigned", "preparing", (COURIER,), ("unclaimed",), "same",
         "A courier takes the delivery."),
    Edge("preparing", "courier_assigned", "preparing", (OPERATOR,), (), "same",
         "Dispatch gives the delivery to a courier, or to another one."),
    Edge("preparing", "overdue", "preparing", (SYSTEM,), (), None,
         "The kitchen is far too late: somebody should look."),
    Edge("preparing", "cancelled", "cancelled", (CUSTOMER,), ("in_free_time",), None,
         "For a moment after acceptance the customer may still change their mind."),
    Edge("preparing", "cancelled", "cancelled", (OPERATOR, SYSTEM), (), None,
         "Called off while it was being made."),
    Edge("preparing", "called_off", "cancelled", (SYSTEM,), (), None,
         "A case has ended it, and gives back what is to be given back."),

    Edge("ready", "courier_assigned", "ready", (COURIER,), ("unclaimed",), "same",
         "A courier takes the delivery."),
    Edge("ready", "courier_assigned", "ready", (OPERATOR,), (), "same",
         "Dispatch gives the delivery to a courier, or to another one."),
    Edge("ready", "picked_up", "delivering", (COURIER,), ("own_delivery",), "delivery",
         "The courier has it."),
    Edge("ready", "picked_up", "delivering", (OPERATOR,), ("has_courier",), "delivery",
         "An operator notes for the courier that they have it."),
    Edge("ready", "overdue", "ready", (SYSTEM,), (), None,
         "Nobody has come for it: somebody should look."),
    Edge("ready", "cancelled", "cancelled", (OPERATOR, SYSTEM), (), None,
         "Called off while it waited for its courier."),
    Edge("ready", "called_off", "cancelled", (SYSTEM,), (), None,
         "A case has ended it, and gives back what is to be given back."),

    Edge("delivering", "delivered", "delivered", (COURIER,), ("own_delivery",), "completion",
         "The customer has it."),
    Edge("delivering", "delivered", "delivered", (OPERATOR,), (), "completion",
         "An operator notes for the courier that the customer has it."),
    Edge("delivering", "courier_assigned", "delivering", (OPERATOR,), (), "same",
         "Another courier takes over on the road."),
    Edge("delivering", "overdue", "delivering", (SYSTEM,), (), None,
         "Far too long on the road: somebody should look."),
    Edge("delivering", "cancelled", "cancelled", (OPERATOR, SYSTEM), (), None,
         "Called off on the road."),
    Edge("delivering", "called_off", "cancelled", (SYSTEM,), (), None,
         "A case has ended it, and gives back what is to be given back."),

    Edge("delivered", "completed", "completed", (CUSTOMER, OPERATOR, SYSTEM), (), None,
         "The customer is content, or has said nothing for a day."),
)  # fmt: skip

ON_DEADLINE: dict[State, str] = {
    "awaiting_payment": "payment_expired",
    "scheduled": "released",
    "awaiting_acceptance": "acceptance_expired",
    "preparing": "overdue",
    "ready": "overdue",
    "delivering": "overdue",
    "delivered": "completed",
}
"""What the platform does by itself when a state's deadline has passed."""

LEGACY_EVENTS: dict[str, str] = {
    "adopted": "The system that an adopted order comes from says how it stands, by rules of its own.",
    "taken_over": "The platform decides about an adopted order from now on.",
    "handed_back": "The system that an adopted order comes from decides about it again.",
    "disowned": "An adopted order is here no more: only the system it comes from has it.",
}
"""Events outside the table, which nobody can send: what becomes of orders of another system."""

WAIT_IN: dict[State, Wait] = {
    "awaiting_payment": "payment",
    "scheduled": "release",
    "awaiting_acceptance": "acceptance",
    "preparing": "preparation",
    "ready": "pickup",
    "delivering": "delivery",
    "delivered": "completion",
}
"""The deadline that begins with each state."""

TERMINAL: frozenset[State] = frozenset(("completed", "cancelled"))
_TABLE = StateTable(EDGES)
EVENTS, WHO = _TABLE.events, _TABLE.who
edges_from = _TABLE.edges_from
