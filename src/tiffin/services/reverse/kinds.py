"""The kinds of cases: who may open one, of an order in which states, for what, and who has to agree."""

from typing import Literal, NamedTuple

Kind = Literal[
    "cancel_before_acceptance", "free_cancel", "cancel_later", "missing_items", "wrong_items", "late",
    "never_arrived", "quality", "cannot_supply", "courier_failure", "operator_decision",
]  # fmt: skip
Answerer = Literal["nobody", "restaurant", "operator"]
Opener = Literal["customer", "restaurant", "operator"]
Scope = Literal["whole", "lines", "amount", "fees"]

BEFORE_ACCEPTANCE = frozenset({"awaiting_payment", "scheduled", "awaiting_acceptance"})
ACCEPTED = frozenset({"preparing", "ready", "delivering"})
UNDERWAY = BEFORE_ACCEPTANCE | ACCEPTED
ARRIVED = frozenset({"delivered", "completed"})


class Rule(NamedTuple):
    """What holds for a kind. Operators may open every kind; what they open nobody has to agree to."""

    openers: frozenset[Opener]
    states: frozenset[str]
    """Of the order."""
    scopes: tuple[Scope, ...]
    """What may be asked for; the first is meant where nothing is named, except lines and amount."""
    answerer: Answerer
    """Who answers a customer."""


_CUSTOMER: frozenset[Opener] = frozenset({"customer"})
_KITCHEN: frozenset[Opener] = frozenset({"restaurant"})
_NOBODY: frozenset[Opener] = frozenset()

RULES: dict[Kind, Rule] = {
    "cancel_before_acceptance": Rule(_CUSTOMER, BEFORE_ACCEPTANCE, ("whole",), "nobody"),
    "free_cancel": Rule(_CUSTOMER, ACCEPTED, ("whole",), "nobody"),
    "cancel_later": Rule(_CUSTOMER, ACCEPTED, ("whole",), "restaurant"),
    "missing_items": Rule(_CUSTOMER, ARRIVED, ("lines", "amount"), "restaurant"),
    "wrong_items": Rule(_CUSTOMER, ARRIVED, ("lines", "amount"), "restaurant"),
    "late": Rule(_CUSTOMER, ARRIVED, ("fees", "amount"), "operator"),
    "never_arrived": Rule(_CUSTOMER, ARRIVED | {"delivering"}, ("whole",), "operator"),
    "quality": Rule(_CUSTOMER, ARRIVED, ("lines", "amount"), "restaurant"),
    "cannot_supply": Rule(
        _KITCHEN, frozenset({"scheduled", "awaiting_acceptance", "preparing", "ready"}), ("whole", "lines"),
        "nobody",
    ),
    "courier_failure": Rule(_NOBODY, ACCEPTED | ARRIVED, ("whole", "amount"), "nobody"),
    "operator_decision": Rule(_NOBODY, UNDERWAY | ARRIVED, ("whole", "lines", "amount"), "nobody"),
}  # fmt: skip


def answerer_of(kind: Kind, opener: Opener) -> Answerer:
    """Who has to agree to a case that somebody opens."""
    return RULES[kind].answerer if opener == "customer" else "nobody"
