"""What each fact moves. The one place where it is decided who gets what of an order.

A fact's entry depends on the fact alone, never on what else has been entered: so facts may be heard in any
order and as often as they like. Each gives an entry, or None where nothing moves.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from tiffin.primitives.money import Money
from tiffin.rpc import contracts as c
from tiffin.services.payments.ledger import accounts
from tiffin.services.payments.ledger.entry import Entry, Posting, balanced
from tiffin.services.payments.ledger.policy import Policy, commission, courier_pay
from tiffin.sharding.order_id import customer_shard
from tiffin.sharding.slots import shard_of


class Charge(NamedTuple):
    """Money that a provider has moved for an order, all of a payment's."""

    payment_id: str
    order_id: int
    customer_id: str
    provider: str
    amount: int
    currency: str


class Settled(NamedTuple):
    """What a party has been settled."""

    id: str
    party: str
    amount: int
    currency: str


class Moment(NamedTuple):
    """When a fact was, and the request that made it."""

    at: datetime
    trace: str


def captured(charge: Charge, when: Moment) -> Entry | None:
    """The provider holds the customer's money for us: the customer is owed an order for it."""
    postings = [
        Posting(accounts.clearing(charge.provider), -charge.amount),
        Posting(accounts.customer(charge.customer_id), charge.amount),
    ]
    return _of_order(charge.order_id, f"captured:{charge.payment_id}", charge.currency, postings, when)


def refunded(charge: Charge, when: Moment, refund_id: str | None = None) -> Entry | None:
    """The customer has so much of the money back, by this refund of perhaps several."""
    postings = [
        Posting(accounts.customer(charge.customer_id), -charge.amount),
        Posting(accounts.clearing(charge.provider), charge.amount),
    ]
    of = f"{charge.payment_id}:{refund_id}" if refund_id else charge.payment_id
    return _of_order(charge.order_id, f"refunded:{of}", charge.currency, postings, when)


def cash_collected(order: c.OrderTerms, courier_id: str | None, when: Moment) -> Entry | None:
    """The courier has the customer's cash, which is the platform's."""
    postings = [
        Posting(accounts.cash(courier_id), -order.total),
        Posting(accounts.customer(order.customer_id), order.total),
    ]
    return _of_order(int(order.order_id), "cash_collected", order.currency, postings, when)


def completed(order: c.OrderTerms, policy: Policy, courier_id: str | None, when: Moment) -> Entry | None:
    """The customer has got what they paid for; restaurant, courier and platform have earned their shares.

    Discounts are borne by their programmes: the restaurant's share is of the full price. `Unbalanced` if
    the order's own sums do not add up.
    """
    kept, taken = commission(policy, order.restaurant_id, Money(order.subtotal, order.currency))
    postings = [
        Posting(accounts.customer(order.customer_id), -order.total),
        *(Posting(accounts.subsidy(given.programme), -given.amount) for given in order.discounts or ()),
        Posting(accounts.restaurant(order.restaurant_id), kept.amount),
        Posting(accounts.COMMISSION, taken.amount),
        Posting(accounts.DELIVERY_FEES, order.delivery_fee),
        Posting(accounts.SMALL_ORDER_FEES, order.small_order_fee or 0),
    ]
    if courier_id is not None:
        pay = courier_pay(policy, Money(order.delivery_fee, order.currency)).amount
        postings += [Posting(accounts.COURIER_PAY, -pay), Posting(accounts.courier(courier_id), pay)]
    return _of_order(int(order.order_id), "completed", order.currency, postings, when, policy.version)


def called_off(order: c.OrderTerms, kept: Mapping[str, int], when: Moment) -> Entry | None:
    """A cancelled order. What was paid goes back by a refund; this is what is kept of it, by account."""
    postings = [
        Posting(accounts.customer(order.customer_id), -sum(kept.values())),
        *(Posting(account, amount) for account, amount in kept.items()),
    ]
    return _of_order(int(order.order_id), "cancelled", order.currency, postings, when)


def entered(
    order_id: int, fact: str, currency: str, postings: Sequence[Posting], when: Moment
) -> Entry | None:
    """A fact that no event tells of, as somebody else has worked it out. `Unbalanced` if it is no entry."""
    return _of_order(order_id, fact, currency, postings, when)


def cash_handed_in(courier_id: str, reference: str, received: Money, when: Moment) -> Entry | None:
    """A courier has brought cash, and it is in the bank."""
    postings = [
        Posting(accounts.cash(courier_id), received.amount),
        Posting(accounts.BANK, -received.amount),
    ]
    subject, fact = handed_in(courier_id, reference)
    return _of_somebody(courier_id, subject, fact, received.currency, postings, when)


def handed_in(courier_id: str, reference: str) -> tuple[str, str]:
    """Subject and fact of cash that a courier has brought."""
    return f"cash:{courier_id}", f"handed_in:{reference}"


def provider_paid(provider: str, reference: str, received: Money, fees: int, when: Moment) -> Entry | None:
    """A provider has paid on what it took for us, less what it keeps for itself."""
    postings = [
        Posting(accounts.clearing(provider), received.amount + fees),
        Posting(accounts.BANK, -received.amount),
        Posting(accounts.PROVIDER_FEES, -fees),
    ]
    subject, fact = paid_on(provider, reference)
    return _of_somebody(provider, subject, fact, received.currency, postings, when)


def paid_on(provider: str, reference: str) -> tuple[str, str]:
    """Subject and fact of what a provider has paid on."""
    return f"provider:{provider}", f"paid:{reference}"


def settled(settlement: Settled, when: Moment) -> Entry | None:
    """What a party was owed is on a statement now, to be paid out."""
    postings = [
        Posting(settlement.party, -settlement.amount),
        Posting(accounts.SETTLEMENTS, settlement.amount),
    ]
    return _of_settlement(settlement, "settled", postings, when)


def paid_out(settlement: Settled, when: Moment) -> Entry | None:
    """The bank has paid it."""
    postings = [
        Posting(accounts.SETTLEMENTS, -settlement.amount),
        Posting(accounts.BANK, settlement.amount),
    ]
    return _of_settlement(settlement, "paid_out", postings, when)


def settlement_subject(settlement_id: str) -> str:
    """What a settlement's entries are about."""
    return f"settlement:{settlement_id}"


def _of_order(
    order_id: int,
    fact: str,
    currency: str,
    postings: Sequence[Posting],
    when: Moment,
    policy: int | None = None,
) -> Entry | None:
    moved = balanced(currency, postings)
    shard = customer_shard(order_id)
    return Entry(shard, str(order_id), fact, currency, moved, when.at, when.trace, policy) if moved else None


def _of_settlement(settlement: Settled, fact: str, postings: Sequence[Posting], when: Moment) -> Entry | None:
    holder_id, subject = accounts.holder(settlement.party), settlement_subject(settlement.id)
    return _of_somebody(holder_id, subject, fact, settlement.currency, postings, when)


def _of_somebody(
    holder_id: str, subject: str, fact: str, currency: str, postings: Sequence[Posting], when: Moment
) -> Entry | None:
    moved = balanced(currency, postings)
    return Entry(shard_of(holder_id), subject, fact, currency, moved, when.at, when.trace) if moved else None
