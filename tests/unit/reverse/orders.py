"""Random orders, as the reverse flow sees them, and what the ledger makes of them."""

from collections.abc import Mapping
from datetime import UTC, datetime

from hypothesis import strategies as st

from tiffin.primitives.money import EXPONENTS, Money
from tiffin.rpc import contracts as c
from tiffin.services.payments.ledger import accounts, facts
from tiffin.services.payments.ledger.facts import Moment
from tiffin.services.payments.ledger.policy import Fees, Policy, Terms, courier_pay
from tiffin.services.reverse.pieces import Sold

WHEN = Moment(datetime(2026, 6, 1, tzinfo=UTC), "trace")
CURRENCIES = ("JPY", "EUR", "KWD")
assert [EXPONENTS[currency] for currency in CURRENCIES] == [0, 2, 3]

UNDERWAY = ("scheduled", "awaiting_acceptance", "preparing", "ready", "delivering")
ARRIVED = ("delivered", "completed")


PRICES = st.one_of(st.integers(0, 50), st.integers(0, 2_000), st.integers(0, 10**9))
"""Minor units: where a rounding shows, of a dish, and of a dish in a currency with many noughts."""


@st.composite
def sold_orders(draw: st.DrawFn, states: tuple[str, ...] = (*UNDERWAY, *ARRIVED)) -> Sold:
    """Up to four lines of up to five portions, fees, up to two programmes, paid or for cash."""
    state = draw(st.sampled_from(states))
    lines = [
        (quantity, quantity * draw(PRICES))
        for quantity in draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    ]
    fee, small = draw(st.integers(0, 999)), draw(st.integers(0, 99))
    left = sum(total for _, total in lines) + fee + small
    discounts: list[tuple[str, int]] = []
    for programme in ("spring", "card"):
        if left and draw(st.booleans()):
            discounts.append((programme, draw(st.integers(1, left))))
            left -= discounts[-1][1]
    is_cash = state != "awaiting_payment" and draw(st.booleans())
    has_paid = state in ARRIVED if is_cash else state != "awaiting_payment"
    commission, share = draw(st.integers(0, 10_000)), draw(st.integers(0, 10_000))
    minimum = draw(st.integers(0, 500))
    currency = draw(st.sampled_from(CURRENCIES))
    fees = Policy(1, WHEN.at, Fees(default=Terms(commission, share, minimum)))
    return Sold(
        order_id=1 << 20, customer_id="ana", restaurant_id="roma",
        courier_id=draw(st.sampled_from((None, "leo"))), state=state, currency=currency,
        lines=tuple(lines), delivery_fee=fee, small_order_fee=small, total=left,
        discounts=tuple(discounts), paid=left if has_paid else 0, is_cash=is_cash,
        commission_bp=commission, courier_pay=courier_pay(fees, Money(fee, currency)).amount,
    )  # fmt: skip


def completed(sold: Sold) -> Mapping[str, int]:
    """What the ledger enters when the order is completed, by the ledger's own rules."""
    share = sold.courier_pay
    fees = Policy(1, WHEN.at, Fees(default=Terms(sold.commission_bp, 0, share)))
    terms = c.OrderTerms(
        order_id=str(sold.order_id), customer_id=sold.customer_id, restaurant_id=sold.restaurant_id,
        subtotal=sum(total for _, total in sold.lines), delivery_fee=sold.delivery_fee, total=sold.total,
        currency=sold.currency, payment_method="cash" if sold.is_cash else "online",
        placed_at="2026-06-01T00:00:00.000Z",
        discounts=[c.Discount(programme=name, amount=amount) for name, amount in sold.discounts],
        small_order_fee=sold.small_order_fee,
    )  # fmt: skip
    entry = facts.completed(terms, fees, sold.courier_id, WHEN)
    return dict(entry.postings) if entry else {}


def subsidies(sold: Sold) -> dict[str, int]:
    """What programmes have given."""
    return {accounts.subsidy(name): amount for name, amount in sold.discounts}
