"""Placing an order: prices from the menu, once for every key, whatever happens in between."""

import asyncio

import msgspec
import pytest

from marketplace import EXTRA, FEE, PRICE, Marketplace, attempt, refusal_of
from tiffin.primitives.errors import Refusal, Unavailable
from tiffin.rpc import contracts as c
from tiffin.sharding.slots import shard_of

encode = msgspec.json.encode


async def test_an_order_is_placed_read_listed_and_told(either_market: Marketplace) -> None:
    market = either_market
    order = await market.place(note="no onions")
    assert (order.state, order.version, order.customer_id, order.restaurant_id) == (
        "awaiting_acceptance", 1, market.customer, market.restaurant,
    )  # fmt: skip
    assert order.subtotal == c.Money(amount=2 * (PRICE + EXTRA), currency="COP")
    assert order.delivery_fee == c.Money(amount=FEE, currency="COP")
    assert order.total == c.Money(amount=2 * (PRICE + EXTRA) + FEE, currency="COP")
    assert (order.address.street, order.note) == ("Calle 1", "no onions")
    assert (order.placed_at, order.due_at) == ("2026-06-01T12:00:00.000Z", "2026-06-01T12:05:00.000Z")
    assert encode(await market.get(order, "customer")) == encode(order)
    (page,) = await market.pages(customer_id=market.customer)
    assert [encode(each) for each in page] == [encode(order)]
    (event,) = await market.history(order)
    assert (event.type, event.version, event.actor.id) == ("order.placed", 1, market.customer)


async def test_a_quote_is_what_the_order_then_costs(market: Marketplace) -> None:
    request = market.request()
    quote = await market.orders.quote(
        market.context("customer"), c.QuoteRequest(restaurant_id=market.restaurant, lines=request.lines)
    )
    order = await market.place(request)
    assert (order.total, order.subtotal, order.delivery_fee, order.lines) == (
        quote.total, quote.subtotal, quote.delivery_fee, quote.lines,
    )  # fmt: skip


async def test_a_changed_price_is_refused_with_the_new_quote(market: Marketplace) -> None:
    request = market.request()
    await market.set_price(PRICE + 7)
    with pytest.raises(Refusal) as refused:
        await market.place(request)
    assert refused.value.code == "price_changed"
    quote = msgspec.convert(refused.value.details["quote"], c.Quote)
    assert quote.total.amount == 2 * (PRICE + 7 + EXTRA) + FEE
    order = await market.place(msgspec.structs.replace(request, expected_total=quote.total))
    assert order.total == quote.total


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"expected_total": c.Money(amount=2 * (PRICE + EXTRA) + FEE, currency="USD")}, "currency_mismatch"),
        ({"expected_total": c.Money(amount=0, currency="COP")}, "price_changed"),
        ({"expected_total": c.Money(amount=-2600, currency="COP")}, "price_changed"),
        ({"address_id": "office"}, "address_not_found"),
        ({"restaurant_id": "nowhere"}, "restaurant_not_found"),
        ({"lines": [c.BasketLine(item_id="pizza", quantity=1)]}, "item_not_found"),
        ({"lines": [c.BasketLine(item_id="soup", quantity=1, options=["gold"])]}, "option_not_found"),
        ({"scheduled_for": "2026-06-01T11:59:59Z"}, "invalid_time"),
        ({"scheduled_for": "2026-06-01T12:00:00Z"}, "invalid_time"),
        ({"scheduled_for": "2026-06-08T12:00:00.001Z"}, "invalid_time"),
        ({"scheduled_for": "tomorrow"}, "invalid_time"),
        ({"scheduled_for": "2026-06-01T18:00:00"}, "invalid_time"),
        ({"scheduled_for": "9999-12-31T23:59:59-23:59"}, "invalid_time"),
        ({"scheduled_for": "0001-01-01T00:00:00+23:59"}, "invalid_time"),
    ],
)
async def test_what_cannot_be_ordered_is_refused_and_nothing_is_written(
    market: Marketplace, changes: dict[str, object], code: str
) -> None:
    assert await refusal_of(market.place(**changes)) == code
    assert await market.pages(customer_id=market.customer) == [[]]


async def test_a_refused_key_is_free_again(market: Marketplace) -> None:
    key = market.new_id("key")
    assert await refusal_of(market.place(key=key, address_id="office")) == "address_not_found"
    assert (await market.place(key=key)).version == 1


async def test_an_order_for_later_rests_until_its_restaurant_needs_to_know(market: Marketplace) -> None:
    order = await market.place(scheduled_for="2026-06-01T20:00:00+02:00")
    assert (order.state, order.scheduled_for) == ("scheduled", "2026-06-01T18:00:00.000Z")
    assert order.due_at == "2026-06-01T17:10:00.000Z"
    paid_later = await market.place(scheduled_for="2026-06-08T12:00:00Z", payment_method="online")
    assert (paid_later.state, paid_later.due_at) == ("awaiting_payment", "2026-06-01T12:15:00.000Z")


async def test_an_order_for_sooner_than_a_kitchen_needs_goes_there_at_once(market: Marketplace) -> None:
    order = await market.place(scheduled_for="2026-06-01T12:50:00Z")
    assert order.state == "awaiting_acceptance"


async def test_the_same_key_and_body_get_the_same_answer_whatever_has_happened_since(
    either_market: Marketplace,
) -> None:
    market = either_market
    for changes in ({}, {"payment_method": "online"}, {"scheduled_for": "2026-06-01T18:00:00Z"}):
        request = market.request(**changes)
        first = encode(await market.place(request))
        assert encode(await market.place(request)) == first
        order = msgspec.json.decode(first, type=c.Order)
        await market.say(order, "cancelled", "customer", reason="changed my mind")
        market.clock.advance(3600)
        await market.set_price(PRICE + 1)
        assert encode(await market.place(request)) == first
        assert encode(await market.place(request, orders=market.process())) == first
        assert len(await market.history(order)) == 2
        await market.set_price(PRICE)
        market.clock.advance(-3600)


async def test_the_answer_to_a_retry_names_no_courier_that_came_later(market: Marketplace) -> None:
    request = market.request()
    order = await market.place(request)
    await market.say(order, "courier_assigned", "operator", courier_id="courier-9")
    await market.say(order, "accepted", "restaurant")
    assert encode(await market.place(request)) == encode(order)


async def test_the_same_key_with_another_body_is_refused_and_names_the_order(
    either_market: Marketplace,
) -> None:
    market = either_market
    key = market.new_id("key")
    order = await market.place(key=key)
    with pytest.raises(Refusal) as refused:
        await market.place(key=key, note="another")
    assert refused.value.code == "idempotency_key_reused"
    assert refused.value.details == {"order_id": order.id}
    assert await refusal_of(market.place(key=key, address_id="office")) == "idempotency_key_reused"
    assert await market.pages(customer_id=market.customer) == [[order]]


async def test_another_customers_key_is_another_key(market: Marketplace) -> None:
    other = market.new_id("customer")
    await market.add_customer(other)
    request = market.request()
    assert (await market.place(request)).id != (await market.place(request, customer=other)).id


async def test_a_thousand_retries_of_one_key_make_one_order(either_market: Marketplace) -> None:
    market = either_market
    request = market.request()
    processes = [market.orders, market.process()]
    calls = [attempt(market.place(request, orders=processes[number % 2])) for number in range(1000)]
    answers = await asyncio.gather(*calls)
    refused = [answer for answer in answers if isinstance(answer, str)]
    assert set(refused) <= {"request_in_progress"}
    again = [await market.place(request, orders=processes[number % 2]) for number in range(40)]
    placed = [answer for answer in (*answers, *again) if isinstance(answer, c.Order)]
    assert len(placed) >= 42
    assert len({encode(order) for order in placed}) == 1
    assert await market.pages(customer_id=market.customer) == [[placed[0]]]
    assert len(await market.history(placed[0])) == 1


async def test_processes_racing_with_many_keys_make_one_order_a_key(either_market: Marketplace) -> None:
    market = either_market
    processes = [market.orders, market.process(), market.process()]
    requests = [market.request() for _ in range(60)]
    answers = await asyncio.gather(
        *(market.place(request, orders=process) for process in processes for request in requests)
    )
    for number in range(len(requests)):
        assert len({encode(answers[number + start]) for start in (0, 60, 120)}) == 1
    (page,) = await market.pages(customer_id=market.customer, limit=200)
    assert sorted(order.id for order in page) == sorted({answer.id for answer in answers})
    assert len(page) == 60


async def test_of_two_processes_with_one_key_and_two_bodies_one_is_refused(market: Marketplace) -> None:
    other = market.process()
    for _ in range(20):
        key = market.new_id("key")
        answers = await asyncio.gather(
            attempt(market.place(key=key, note="one")),
            attempt(market.place(key=key, note="two", orders=other)),
        )
        assert sum(isinstance(answer, c.Order) for answer in answers) == 1
        assert "idempotency_key_reused" in answers


async def test_a_request_that_is_still_worked_on_is_said_to_be(market: Marketplace) -> None:
    request = market.request()
    first = asyncio.create_task(market.place(request))
    await asyncio.sleep(0)
    assert await refusal_of(market.place(request)) == "request_in_progress"
    order = await first
    assert await market.place(request) == order


async def test_a_place_whose_caller_went_away_is_answered_when_asked_again(market: Marketplace) -> None:
    for turns in range(12):
        request = market.request()
        task = asyncio.create_task(market.place(request))
        for _ in range(turns * 3):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        order = await market.place(request)
        (page,) = await market.pages(customer_id=market.customer, limit=200)
        assert [each.id for each in page if each.id == order.id] == [order.id]
        assert len(page) == turns + 1


async def test_a_caller_whose_deadline_has_passed_is_not_worked_for(market: Marketplace) -> None:
    context = market.context("customer", timeout_ms=1000)
    market.clock.advance(1)
    with pytest.raises(Unavailable) as unavailable:
        await market.orders.place(context, market.request())
    assert unavailable.value.code == "deadline_passed"
    assert await market.pages(customer_id=market.customer) == [[]]


async def test_limited_portions_are_held_for_the_order_and_a_retry_holds_no_more(market: Marketplace) -> None:
    await market.bake(2)
    request = market.cake_request()
    order = await market.place(request)
    assert await market.held() == 1
    for process in (market.orders, market.process()):
        assert encode(await market.place(request, orders=process)) == encode(order)
    assert await market.held() == 1
    await market.place(market.cake_request())
    assert await refusal_of(market.place(market.cake_request())) == "out_of_stock"
    assert encode(await market.place(request)) == encode(order), (
        "the last portions are sold: still its answer"
    )


async def test_a_retry_does_not_hold_portions_not_even_for_a_moment(market: Marketplace) -> None:
    await market.bake(2)
    request = market.cake_request()
    order = await market.place(request)
    for process in (market.orders, market.process()):
        await market.place(request, orders=process)
    node = market.router.node("restaurant", shard_of(market.restaurant))
    holds = "SELECT order_id FROM restaurants.holds WHERE restaurant_id = $1"
    assert [row[0] for row in await node.fetch(holds, market.restaurant)] == [int(order.id)]


async def test_a_hundred_customers_for_the_last_portions_never_get_more(either_market: Marketplace) -> None:
    market = either_market
    await market.bake(3)
    processes = [market.orders, market.process()]
    answers = await asyncio.gather(
        *(attempt(market.place(market.cake_request(), orders=processes[n % 2])) for n in range(100))
    )
    assert sum(isinstance(answer, c.Order) for answer in answers) == 3
    assert [answer for answer in answers if isinstance(answer, str)] == ["out_of_stock"] * 97


async def test_a_quote_for_an_address_is_what_placing_there_costs(market: Marketplace):
    """Fees go by distance, a small basket pays extra, and both are part of the order."""
    await market.restaurants.set_delivery(
        market.context("operator"),
        c.SetDelivery(
            restaurant_id=market.restaurant, delivery_fee=900, minimum_subtotal=0,
            fee_bands=[c.FeeBand(up_to_m=5000, fee=120)], small_order=c.SmallOrder(below=10_000, fee=77),
        ),
    )  # fmt: skip
    lines = [c.BasketLine(item_id="soup", quantity=1)]
    asked = c.QuoteRequest(restaurant_id=market.restaurant, lines=lines)
    context = market.context("customer")
    anywhere = await market.orders.quote(context, asked)
    assert anywhere.delivery_fee.amount == 900
    assert (anywhere.distance_m, anywhere.travel_minutes) == (None, None)
    quote = await market.orders.quote(context, msgspec.structs.replace(asked, address_id="home"))
    assert (quote.delivery_fee.amount, quote.total.amount) == (120, PRICE + 120 + 77)
    assert quote.small_order_fee == c.Money(amount=77, currency="COP")
    assert (quote.preparation_minutes, quote.distance_m, quote.travel_minutes) == (20, 0, 0)
    order = await market.place(lines=lines, expected_total=quote.total)
    assert (order.total, order.small_order_fee) == (quote.total, quote.small_order_fee)
    with pytest.raises(Refusal) as refused:
        await market.place(lines=lines, expected_total=anywhere.total)
    assert refused.value.code == "price_changed"
    with pytest.raises(Refusal) as refused:
        await market.orders.quote(context, msgspec.structs.replace(asked, address_id="moon"))
    assert refused.value.code == "address_not_found"


async def test_nothing_is_ordered_to_where_nobody_delivers(market: Marketplace):
    await market.restaurants.set_delivery(
        market.context("operator"),
        c.SetDelivery(
            restaurant_id=market.restaurant, delivery_fee=FEE, minimum_subtotal=0,
            area=c.DeliveryArea(
                polygon=[
                    c.Place(latitude=0, longitude=0), c.Place(latitude=0, longitude=1),
                    c.Place(latitude=1, longitude=0),
                ]
            ),
        ),
    )  # fmt: skip
    with pytest.raises(Refusal) as refused:
        await market.place()
    assert refused.value.code == "out_of_area"
