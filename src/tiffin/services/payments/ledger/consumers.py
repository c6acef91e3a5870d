"""The ledger's reader of the log: facts become entries, and entries become dues."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

import msgspec

from tiffin.events.event import Event
from tiffin.primitives.clock import Clock, from_text
from tiffin.rpc import contracts as c
from tiffin.rpc.context import new_context
from tiffin.services.payments.ledger import facts
from tiffin.services.payments.ledger.dues import dues_of
from tiffin.services.payments.ledger.entry import Entry, Posting
from tiffin.services.payments.ledger.facts import Charge, Moment, Settled
from tiffin.services.payments.ledger.policies import KnownPolicies
from tiffin.services.payments.ledger.policy import Policies
from tiffin.services.payments.ledger.store import LedgerStore

DEFAULT_PROVIDER = "sandbox"
"""Whose charges those are that name no provider."""
CASH = "cash"
"""The provider of what couriers collect."""

_CARRIED = ("order.delivered", "order.completed")
_CHARGED = ("payment.succeeded", "payment.refund_started", "payment.refunded")
_SETTLED = ("settlement.made", "settlement.paid")
_HEARD = frozenset((*_CARRIED, *_CHARGED, *_SETTLED, "entry.made"))


class LedgerConsumer:
    """Enters what the log tells of. What is heard again is entered already; what comes in another order
    makes the same entries. Raises `LookupError` of an order that is not there, `Unbalanced` of one that does
    not add up, and what a database or the orders service raises: the events come again.
    """

    name = "ledger"
    types = _HEARD

    def __init__(self, store: LedgerStore, orders: c.Orders, policies: KnownPolicies, clock: Clock) -> None:
        self._store = store
        self._orders = orders
        self._policies = policies
        self._clock = clock

    async def handle(self, events: Sequence[Event]) -> None:
        """Take some events. A batch in which no money moves costs no round trip."""
        heard = [event for event in events if event.type in _HEARD]
        if not heard:
            return
        policies = await self._policies.get()
        entries = [
            *(entry for event in heard if event.type in _CHARGED for entry in _of_payment(event)),
            *(entry for event in heard if event.type in _SETTLED for entry in _of_settlement(event)),
            *await self._of_orders([event for event in heard if event.type in _CARRIED], policies),
        ]
        await self._store.enter(entries)
        entries += [_made(event) for event in heard if event.type == "entry.made"]
        await self._store.add_dues(dues_of(entries, lambda entry: _wait(entry, policies)))

    async def _of_orders(self, events: Sequence[Event], policies: Policies) -> list[Entry]:
        """What orders have moved by being delivered (cash) or completed. Orders are asked for their terms."""
        if not events:
            return []
        context = new_context("system", "ledger", self._clock())
        wanted = list({event.key: None for event in events})
        told = await self._orders.terms(context, c.OrdersNamed(order_ids=wanted))
        terms = {order.order_id: order for order in told.orders}
        entries: list[Entry] = []
        for event in events:
            order = terms.get(event.key)
            if order is None:
                raise LookupError(f"there is no order {event.key}")
            entries += _of_order(event, order, policies)
        return entries


def _of_order(event: Event, order: c.OrderTerms, policies: Policies) -> Iterable[Entry]:
    if order.payment_method == "elsewhere":  # another system has taken its money, and divides it up
        return ()
    courier_id = _order_moved(event.data).courier_id
    when = Moment(event.at, event.trace)
    if event.type == "order.completed":
        policy = policies.at(from_text(order.placed_at))
        return _some(facts.completed(order, policy, courier_id, when))
    return _some(facts.cash_collected(order, courier_id, when) if order.payment_method == "cash" else None)


def _of_payment(event: Event) -> Iterable[Entry]:
    """A refund tells of the charge, too: one that was given up and charged after all was never `succeeded`.
    When it was charged nobody knows, so the first event that tells of it says. Of what has been charged
    several refunds may give something back. Cash is entered with its delivery."""
    told = _payment_moved(event.data)
    charge = Charge(
        told.payment_id, int(told.order_id), told.customer_id or "", told.provider or DEFAULT_PROVIDER,
        told.amount.amount, told.amount.currency,
    )  # fmt: skip
    when = Moment(event.at, event.trace)
    entries = [] if charge.provider == CASH else [facts.captured(charge, when)]
    if event.type == "payment.refunded":
        amount = told.refund_amount.amount if told.refund_amount else charge.amount
        back = charge._replace(amount=amount, provider=told.refund_provider or charge.provider)
        entries.append(facts.refunded(back, when, told.refund_id))
    return _some(*entries)


def _of_settlement(event: Event) -> Iterable[Entry]:
    told = _settlement_moved(event.data)
    settled = Settled(told.settlement_id, told.party, told.amount.amount, told.amount.currency)
    fact = facts.settled if event.type == "settlement.made" else facts.paid_out
    return _some(fact(settled, Moment(event.at, event.trace)))


def _made(event: Event) -> Entry:
    """An entry that somebody has made by calling; it stands, only its dues are still to be noted."""
    told = _entry_made(event.data)
    postings = tuple(Posting(posting.account, posting.amount) for posting in told.postings)
    return Entry(
        event.shard, told.subject, told.fact, told.currency, postings, event.at, told.trace, told.policy
    )


def _wait(entry: Entry, policies: Policies) -> timedelta:
    """How long what it earns is held back: the after-sale window of the order's own version, or today's."""
    policy = policies.version(entry.policy) if entry.policy else policies.at(entry.at)
    return timedelta(seconds=policy.terms(entry.currency).after_sale_s)


def _some(*entries: Entry | None) -> list[Entry]:
    return [entry for entry in entries if entry is not None]


_order_moved = msgspec.json.Decoder(c.OrderEvent).decode
_payment_moved = msgspec.json.Decoder(c.PaymentEvent).decode
_settlement_moved = msgspec.json.Decoder(c.SettlementEvent).decode
_entry_made = msgspec.json.Decoder(c.Entry).decode
