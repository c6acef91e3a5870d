"""What goes wrong with an order and what people do about it, as two tables: troubles, and their answers.

Of the published orders 2.7 % see a refund: no fewer do here. Over which kinds of cases these divide, how
many orders are called off, and how people answer, nobody has published: the tables are a guess, made so that
a day of 55,000 orders has every kind more than a hundred times.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tiffin.load.fates import Payment

Moment = Literal["paid", "asked", "accepted", "packed", "on the road", "delivered", "over"]
"""How far the order is. "asked" is the restaurant, before it accepts; "over": the customer has confirmed, if
they do."""
About = Literal["whole", "lines", "amount", "fees"]
Person = Literal["customer", "restaurant", "operator"]
Step = Literal["approve", "reject", "withdraw", "dispute", "dismiss", "evidence", "wait"]

UNDER_WAY: frozenset[Moment] = frozenset(("paid", "asked", "accepted", "packed", "on the road"))


@dataclass(frozen=True)
class Ask:
    """A case that somebody will open."""

    kind: str
    """As one asks for it: of a `cancel` the platform says which of the three it is."""
    by: Person
    moment: Moment
    about: About = "whole"


@dataclass(frozen=True)
class Trouble:
    """What happens to an order on its way, or after it: a case, or several."""

    name: str
    share: float
    asks: tuple[Ask, ...]
    is_online: bool = False
    """It happens only to orders paid online: of one paid in cash, nothing can be given back under way."""
    payment: Payment | None = None
    """How the order is paid, if that is what the trouble is about."""

    @property
    def calls_off(self) -> bool:
        """Whether somebody wants the order to end."""
        return any(ask.about == "whole" and ask.moment in UNDER_WAY for ask in self.asks)


@dataclass(frozen=True)
class Answer:
    """What follows a case that somebody has to agree to, until it is decided."""

    name: str
    share: float
    steps: tuple[Step, ...]


_REFUSING = Payment("online, the refund is refused", 0, "online", ("tok_refund_failed",))
_SLOW = Payment("online, the refund takes its time", 0, "online", ("tok_slow_refund",))

TROUBLES: Sequence[Trouble] = (
    Trouble("changes their mind at once", 0.010, (Ask("cancel", "customer", "paid"),)),
    Trouble("changes their mind in the free minute", 0.008, (Ask("cancel", "customer", "accepted"),)),
    Trouble("changes their mind when it is packed", 0.003, (Ask("cancel", "customer", "packed"),)),
    Trouble("changes their mind on the road", 0.002, (Ask("cancel", "customer", "on the road"),)),
    Trouble("a dish is out", 0.004, (Ask("cannot_supply", "restaurant", "accepted", "lines"),), True),
    Trouble("the kitchen is closed", 0.002, (Ask("cannot_supply", "restaurant", "asked"),)),
    Trouble("the oven breaks", 0.002, (Ask("cannot_supply", "restaurant", "accepted"),)),
    Trouble("dishes are missing", 0.007, (Ask("missing_items", "customer", "delivered", "lines"),)),
    Trouble("something is missing", 0.001, (Ask("missing_items", "customer", "over", "amount"),)),
    Trouble("dishes are others", 0.0035, (Ask("wrong_items", "customer", "delivered", "lines"),)),
    Trouble("something is other", 0.001, (Ask("wrong_items", "customer", "over", "amount"),)),
    Trouble("a dish is bad", 0.0035, (Ask("quality", "customer", "over", "lines"),)),
    Trouble("all of it is cold", 0.001, (Ask("quality", "customer", "delivered", "amount"),)),
    Trouble("late", 0.003, (Ask("late", "customer", "delivered", "fees"),)),
    Trouble("very late", 0.001, (Ask("late", "customer", "over", "amount"),)),
    Trouble("lost on the road", 0.001, (Ask("never_arrived", "customer", "on the road"),)),
    Trouble("delivered to nobody", 0.0025, (Ask("never_arrived", "customer", "delivered"),)),
    Trouble("the courier falls", 0.0015, (Ask("courier_failure", "operator", "on the road"),)),
    Trouble("the courier spills it", 0.002, (Ask("courier_failure", "operator", "over", "amount"),)),
    Trouble("an apology", 0.0015, (Ask("operator_decision", "operator", "over", "amount"),)),
    Trouble("an apology for a dish", 0.001, (Ask("operator_decision", "operator", "over", "lines"),)),
    Trouble("an operator calls it off", 0.001, (Ask("operator_decision", "operator", "accepted"),)),
    Trouble("an operator gives all back", 0.0005, (Ask("operator_decision", "operator", "over"),)),
    Trouble("missing, then bad", 0.002, (
        Ask("missing_items", "customer", "delivered", "lines"), Ask("quality", "customer", "over", "lines"),
    )),
    Trouble("late, then an apology", 0.001, (
        Ask("late", "customer", "delivered", "fees"), Ask("operator_decision", "operator", "over", "amount"),
    )),
    Trouble("a dish is out, then all of it is unwanted", 0.0007, (
        Ask("cannot_supply", "restaurant", "accepted", "lines"), Ask("cancel", "customer", "packed"),
    ), True),
    Trouble("missing, and the refund is refused", 0.0008, (
        Ask("missing_items", "customer", "delivered", "lines"),
    ), payment=_REFUSING),
    Trouble("unwanted, and the refund is refused", 0.0005, (
        Ask("cancel", "customer", "accepted"),
    ), payment=_REFUSING),
    Trouble("bad, and the refund takes its time", 0.0008, (
        Ask("quality", "customer", "over", "lines"),
    ), payment=_SLOW),
)  # fmt: skip
"""Shares are of the orders that would otherwise be delivered; all others have no trouble."""

ANSWERS: Sequence[Answer] = (
    Answer("agreed", 0.60, ("approve",)),
    Answer("agreed to what was shown", 0.06, ("evidence", "approve")),
    Answer("not answered", 0.12, ("wait",)),
    Answer("refused, left at that", 0.06, ("reject",)),
    Answer("refused, agreed by an operator", 0.05, ("reject", "dispute", "evidence", "approve")),
    Answer("refused, by an operator too", 0.04, ("reject", "dispute", "dismiss")),
    Answer("refused, decided by no operator", 0.02, ("reject", "dispute", "wait")),
    Answer("refused, withdrawn then", 0.01, ("reject", "dispute", "withdraw")),
    Answer("withdrawn", 0.04, ("withdraw",)),
)
