"""What was agreed about the money of many orders at once: for the platform's own parts."""

from marketplace import EXTRA, FEE, PRICE, Marketplace, refusal_of
from tiffin.rpc import contracts as c
from tiffin.sharding.order_id import SEQUENCE_MAX, make

NOWHERE = str(make(SEQUENCE_MAX, 1, 1))


async def test_the_terms_of_those_orders_that_there_are(either_market: Marketplace) -> None:
    market = either_market
    orders = [await market.place(), await market.place(payment_method="online")]
    asked = [order.id for order in orders] + [NOWHERE, "0", "x", "9" * 40]
    told = await market.orders.terms(market.context("system"), c.OrdersNamed(order_ids=asked))
    assert sorted(told.orders, key=lambda terms: int(terms.order_id)) == [
        c.OrderTerms(
            order_id=order.id, customer_id=order.customer_id, restaurant_id=order.restaurant_id,
            subtotal=2 * (PRICE + EXTRA), delivery_fee=FEE, total=order.total.amount, currency="COP",
            payment_method=order.payment_method, placed_at=order.placed_at,
        )
        for order in sorted(orders, key=lambda order: int(order.id))
    ]  # fmt: skip


async def test_more_orders_than_are_read_one_by_one_are_all_told(market: Marketplace) -> None:
    orders = [await market.place() for _ in range(12)]
    asked = c.OrdersNamed(order_ids=[order.id for order in orders])
    told = await market.orders.terms(market.context("system"), asked)
    assert {terms.order_id for terms in told.orders} == {order.id for order in orders}


async def test_nobody_else_is_told(market: Marketplace) -> None:
    order = await market.place()
    asked = c.OrdersNamed(order_ids=[order.id])
    for role in ("customer", "restaurant", "courier"):
        assert await refusal_of(market.orders.terms(market.context(role), asked)) == "forbidden"
