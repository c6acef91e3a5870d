"""Every call and loop that changes an order, a payment or a case, and where that is plausible.

`test_every_call_and_every_loop_is_in_a_race` holds this table against the contracts, the state tables and the
loops of `cli/parts`: what is new there has to come here.
"""

from integration.races.calls import (
    Step,
    again,
    answers,
    asks,
    capture,
    enter,
    hear_notices,
    hears,
    loops,
    opens,
    pays,
    refunds,
    says,
    undo,
    void,
)
from integration.races.scene import ALL, SOME
from tiffin.rpc import contracts as c

_ONE = [c.CaseLine(line=0, quantity=1)]
_OPEN = ("placed", "held", "accepted", "capturing", "preparing", "held and taken", "ready", "delivering")
_TAKEN = ("preparing", "held and taken", "ready", "delivering", "delivered", "completed")
_CASES = ("requested", "rejected", "disputed", "carrying", "failed", "refunded")
_NOT_YET = ("unpaid", "asked")

STEPS: tuple[Step, ...] = (
    Step("orders.place again", "Orders.place", again, ("unpaid", "placed", "delivered"), "placed"),
    says("paid", "system", "untold", never=_NOT_YET),
    says("payment_expired", "system", "unpaid", "owed", "asked", "untold"),
    says(
        "cancelled",
        "customer",
        "unpaid",
        "owed",
        "held",
        "asked",
        "untold",
        "scheduled",
        "placed",
        "accepted",
        "preparing",
    ),
    says(
        "cancelled", "operator", "unpaid", "untold", *_OPEN, "calling off", "approved", "carrying under way"
    ),
    says("released", "operator", "scheduled"),
    says("rejected", "restaurant", "scheduled", "placed", "held"),
    says("acceptance_expired", "system", "placed", "held"),
    says("accepted", "restaurant", "placed", "held"),
    says("prepared", "restaurant", "accepted", "capturing", "preparing", "approved", "carrying under way"),
    says("courier_assigned", "courier", "accepted", "preparing"),
    says("courier_assigned", "operator", "placed", "preparing", "ready", "delivering"),
    says("picked_up", "courier", "ready", "calling off"),
    says("overdue", "system", "preparing", "ready", "delivering"),
    says("delivered", "courier", "delivering", "cash"),
    says("completed", "customer", "delivered", *_CASES),
    loops(
        "orders.deadlines",
        "order",
        "unpaid",
        "asked",
        "untold",
        "scheduled",
        *_OPEN,
        "delivered",
        "refunding",
        *_CASES,
    ),
    hears("consumer orders", "copy", "placed", "ready", "delivered"),
    hears("consumer stock", "stock_reader", "placed", "fallen"),
    pays("payments.pay", "unpaid", "owed", "asked", "untold"),
    pays("payments.pay a part", "unpaid", "owed", amount=SOME),
    asks(
        "payments.capture_payment",
        "Payments.capture_payment",
        capture,
        "untold",
        "placed",
        "held",
        "accepted",
        "capturing",
        "fallen early",
        role="operator",
    ),
    asks(
        "payments.void_payment",
        "Payments.void_payment",
        void,
        "untold",
        "placed",
        "held",
        "accepted",
        "capturing",
        "fallen early",
        role="operator",
    ),
    refunds("one", SOME, "fallen", "fallen early", "fallen after case", "refunding"),
    refunds("all", ALL, "fallen", "fallen early", "fallen after case", "refunding"),
    Step(
        "payments.take_notice",
        "Payments.take_notice",
        hear_notices,
        ("asked", "untold", "placed", "accepted", "capturing", "refunding", "carrying", "fallen"),
        needs_notices=True,
    ),
    loops("payments.settle", "payment", "asked", "capturing", "refunding", "carrying", "carrying under way"),
    hears(
        "consumer payments",
        "payments_reader",
        "asked",
        "untold",
        "accepted",
        "fallen",
        "fallen early",
        "cash",
        "fallen after case",
    ),
    opens("cancel by customer", "customer", "untold", "scheduled", *_OPEN, kind="cancel"),
    opens(
        "cannot_supply by restaurant",
        "restaurant",
        "scheduled",
        "placed",
        "held",
        "preparing",
        "held and taken",
        "ready",
        kind="cannot_supply",
    ),
    opens(
        "missing_items by customer",
        "customer",
        "delivered",
        "completed",
        *_CASES,
        "refunding",
        kind="missing_items",
        lines=_ONE,
    ),
    opens(
        "some by operator",
        "operator",
        *_TAKEN,
        *_CASES,
        "fallen after case",
        "carrying under way",
        "calling off",
        kind="operator_decision",
        amount=SOME,
    ),
    opens(
        "all by operator",
        "operator",
        "accepted",
        "capturing",
        *_TAKEN,
        *_CASES,
        "refunding",
        kind="operator_decision",
    ),
    answers("approved", "restaurant", "requested", "calling off"),
    answers("approved", "operator", "requested", "disputed", "calling off"),
    answers("rejected", "restaurant", "requested", "calling off"),
    answers("withdrawn", "customer", "requested", "disputed", "calling off"),
    answers("disputed", "customer", "rejected"),
    answers("dismissed", "operator", "disputed"),
    answers("evidence_added", "customer", "requested", "disputed", "calling off"),
    answers("credited", "operator", "failed"),
    loops(
        "reverse.work",
        "case",
        "requested",
        "rejected",
        "disputed",
        "calling off",
        "approved",
        "carrying",
        "carrying under way",
        "failed",
        "refunded",
    ),
    hears("consumer reverse", "reverse_reader", "fallen after case", "requested", "carrying", "failed"),
    asks("ledger.enter", "Ledger.enter", enter, "preparing", "delivered", "carrying"),
    asks("ledger.reverse", "Ledger.reverse", undo, "preparing", "delivered", "carrying"),
    hears(
        "consumer ledger",
        "ledger_reader",
        "preparing",
        "delivered",
        "completed",
        "refunding",
        "carrying",
        "cash",
    ),
)

ONLY_READ = frozenset((
    "Orders.quote", "Orders.get", "Orders.list_orders", "Orders.timeline", "Orders.terms",
    "Orders.legacy", "Orders.adopted", "Orders.list_legacy",
    "Payments.find_refund", "Payments.list_payments", "Payments.unsettled",
    "Reverse.quote", "Reverse.get", "Reverse.list_cases", "Reverse.unsettled",
    "Ledger.entries", "Ledger.balance", "Ledger.fees", "Ledger.list_settlements",
    "Ledger.settlement_statement", "Ledger.waiting_settlements",
    "Ledger.settlements_csv", "Ledger.holdings",
))  # fmt: skip
NOT_OF_ONE_ORDER = {
    "Orders.adopt": "of another system's orders, which nobody else moves",
    "Orders.disown": "of another system's orders, which nobody else moves",
    "Orders.release": "of all of another system's orders",
    "Orders.hold": "of all of another system's orders",
    "orders.archiver": "of orders that ended months ago",
    "Ledger.record_payout": "of a settlement",
    "Ledger.record_cash": "of a courier",
    "Ledger.record_provider_payout": "of a provider",
    "Ledger.undo_cash": "of a courier",
    "Ledger.undo_provider_payout": "of a provider",
    "ledger.settle": "of a party: what has long come to rest",
    "orders.reconciler": "of a range of copies, with the statement that makes them",
}
"""Changes nothing of an order, a payment or a case."""
BY_OTHER_STEPS = {
    "order.called_off": "reverse.open cancel by customer",
    "case.opened": "reverse.open some by operator",
    "case.lapsed": "reverse.work", "case.refund_started": "reverse.work", "case.overtaken": "reverse.work",
    "case.refunded": "reverse.work", "case.refund_failed": "reverse.work", "case.filed": "reverse.work",
}  # fmt: skip
"""Events that nobody says from outside, and the step that makes them."""


def pairs() -> list[tuple[Step, Step]]:
    """Every unordered pair, each with itself, too."""
    return [(first, second) for n, first in enumerate(STEPS) for second in STEPS[n:]]


def shared(first: Step, second: Step) -> list[str]:
    """Where both would do something."""
    return [stage for stage in first.stages if stage in second.stages]


def stages_of(first: Step, second: Step) -> list[str]:
    """Where a race of the two begins: where both would do something, or if nowhere, where one would."""
    stages = dict.fromkeys((*first.stages, *second.stages))
    return shared(first, second) or [each for each in stages if each not in (*first.never, *second.never)]
