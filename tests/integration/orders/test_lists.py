"""Lists of orders: whole, without repeats, newest first, for those whose orders they are."""

import asyncio

import msgspec
import pytest

from marketplace import Marketplace, refusal_of
from tiffin.rpc import contracts as c


def ids(pages: list[list[c.Order]]) -> list[str]:
    return [order.id for page in pages for order in page]


async def test_pages_hold_every_order_once_newest_first(either_market: Marketplace) -> None:
    market = either_market
    placed: list[str] = []
    for moment in range(15):  # three of each moment, so that pages break within one
        orders = await asyncio.gather(*(market.place() for _ in range(3)))
        placed += sorted((order.id for order in orders), key=int)
        await market.copy(*orders)
        market.clock.advance(0.000001 if moment % 2 else 1)
    for limit in (1, 2, 7, 45, 200):
        for of in ({"customer_id": market.customer}, {"restaurant_id": market.restaurant}):
            pages = await market.pages(limit=limit, **of)
            assert ids(pages) == placed[::-1]
            assert all(len(page) == limit for page in pages[:-1])


async def test_a_page_has_twenty_orders_unless_told(market: Marketplace) -> None:
    orders = await asyncio.gather(*(market.place() for _ in range(21)))
    page = await market.page(customer_id=market.customer)
    assert len(page.orders) == 20 and page.next_cursor is not None
    assert len(orders) == 21


def test_no_page_has_more_than_two_hundred_orders() -> None:
    for limit in (0, 201, -1):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"customer_id": "a", "limit": limit}, c.ListOrders)
    assert msgspec.convert({"customer_id": "a", "limit": 200}, c.ListOrders).limit == 200


async def test_a_list_read_while_orders_are_added_repeats_and_leaves_out_none_of_those_there_were(
    either_market: Marketplace,
) -> None:
    market = either_market
    before = [order.id for order in await asyncio.gather(*(market.place() for _ in range(30)))]
    market.clock.advance(1)
    seen: list[str] = []
    cursor = None
    while True:
        page = await market.page(customer_id=market.customer, cursor=cursor, limit=4)
        seen += [order.id for order in page.orders]
        cursor = page.next_cursor
        if cursor is None:
            break
        await asyncio.gather(*(market.place() for _ in range(3)))
        market.clock.advance(1)
    assert len(seen) == len(set(seen))
    assert set(before) <= set(seen)


async def test_a_list_can_be_of_one_state(market: Marketplace) -> None:
    cancelled = [await market.bring_to("awaiting_acceptance") for _ in range(5)]
    kept = [await market.place() for _ in range(5)]
    for order in cancelled:
        await market.say(order, "cancelled", "customer")
    of = {"customer_id": market.customer}
    assert set(ids(await market.pages(limit=2, state="cancelled", **of))) == {o.id for o in cancelled}
    assert set(ids(await market.pages(limit=2, state="awaiting_acceptance", **of))) == {o.id for o in kept}
    assert ids(await market.pages(state="delivered", **of)) == []


@pytest.mark.parametrize(
    "cursor",
    [
        "", "-", "x", "1-x", "x-1", "1", "--1", "1-9223372036854775808", "9" * 40 + "-1", "1- 1x",
        "-" + "9" * 30 + "-1", "\x00", "1-1\x00", "nan-1", "1e3-1", "1.5-1", "\ud800",
    ],
)  # fmt: skip
async def test_a_cursor_that_no_page_has_given_is_refused(market: Marketplace, cursor: str) -> None:
    for of in ({"customer_id": market.customer}, {"restaurant_id": market.restaurant}):
        assert await refusal_of(market.page(cursor=cursor, **of)) == "invalid_cursor"


async def test_a_cursor_from_before_all_orders_gives_an_empty_page(market: Marketplace) -> None:
    await market.place()
    page = await market.page(customer_id=market.customer, cursor="0-1")
    assert (page.orders, page.next_cursor) == ([], None)


async def test_lists_are_for_those_whose_orders_they_are(market: Marketplace) -> None:
    order = await market.place()
    await market.copy(order)
    of_customer = c.ListOrders(customer_id=market.customer)
    of_restaurant = c.ListOrders(restaurant_id=market.restaurant)
    listing = market.orders.list_orders
    for role in ("customer", "operator", "system"):
        assert [o.id for o in (await listing(market.context(role), of_customer)).orders] == [order.id]
    for role in ("restaurant", "operator", "system"):
        assert [o.id for o in (await listing(market.context(role), of_restaurant)).orders] == [order.id]
    for role, caller_id in (
        ("customer", "other"), ("restaurant", None), ("restaurant", market.customer), ("courier", None),
    ):  # fmt: skip
        assert await refusal_of(listing(market.context(role, caller_id), of_customer)) == "customer_not_found"
    for role, caller_id in (
        ("restaurant", "other"), ("customer", None), ("customer", market.restaurant), ("courier", None),
    ):  # fmt: skip
        assert (
            await refusal_of(listing(market.context(role, caller_id), of_restaurant))
            == "restaurant_not_found"
        )


async def test_a_list_is_of_one_customer_or_one_restaurant(market: Marketplace) -> None:
    assert await refusal_of(market.page()) == "invalid_request"
    both = {"customer_id": market.customer, "restaurant_id": market.restaurant}
    assert await refusal_of(market.page(**both)) == "invalid_request"
