"""Orders of another system: made once for each of its ids, in whatever order and however often it is told."""

import asyncio
from collections.abc import Callable

import msgspec
import pytest

from marketplace import Marketplace
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.orders.erasure import Erasure
from tiffin.services.orders.legacy_statements import Claim
from tiffin.services.orders.store import OrderStore
from tiffin.sharding import order_id as ids
from tiffin.sharding.slots import slot_of

SOURCE = "zeus"


def told(legacy_id: str, market: Marketplace, revision: int = 1, **changes: object) -> c.LegacyOrder:
    """An order as the old system has it: of the market's customer and restaurant."""
    order = c.LegacyOrder(
        legacy_id=legacy_id, revision=revision, customer_id=market.customer,
        restaurant_id=market.restaurant, state="completed", placed_at="2026-01-02T03:04:05.678901+00:00",
        updated_at="2026-01-02T04:00:00+00:00", subtotal=2000, delivery_fee=300, total=2250, currency="COP",
        payment_method="nequi", lines=[c.LegacyLine(name="Sopa", quantity=2, unit_price=1000)],
        address=c.LegacyAddress(street="Calle 9 #3"), courier_id="courier-7", note="sin sal",
    )  # fmt: skip
    return msgspec.structs.replace(order, **changes)


async def adopt(
    market: Marketplace, *orders: c.LegacyOrder, repair: bool = False, service: object = None
) -> list[c.AdoptedOrder]:
    request = c.AdoptOrders(source=SOURCE, orders=list(orders), repair=repair)
    done = await (service or market.orders).adopt(market.context("system"), request)
    return done.results


async def as_adopted(market: Marketplace, legacy_id: str) -> c.AsAdopted:
    refs = c.LegacyRefs(source=SOURCE, legacy_ids=[legacy_id])
    (found,) = (await market.orders.adopted(market.context("system"), refs)).orders
    return found


async def order_of(market: Marketplace, order_id: str | None) -> c.Order:
    return await market.orders.get(market.context("operator"), c.OrderRef(order_id=order_id))


async def known(market: Marketplace, *legacy_ids: str) -> list[c.KnownLegacy]:
    refs = c.LegacyRefs(source=SOURCE, legacy_ids=list(legacy_ids))
    return (await market.orders.legacy(market.context("system"), refs)).orders


async def test_an_adopted_order_is_the_old_systems_order(
    either_market: Marketplace, new_id: Callable[[str], str]
) -> None:
    market, order = either_market, told(new_id("old"), either_market)
    (made,) = await adopt(market, order)
    assert made.outcome == "made"
    (found,) = await known(market, order.legacy_id)
    assert (found.order_id, found.held, found.revision) == (made.order_id, True, 1)
    assert found.order.payment_method == "elsewhere"
    assert (found.order.total.amount, found.order.state, found.order.due_at) == (2250, "completed", None)
    assert (await as_adopted(market, order.legacy_id)).order == order
    got = await market.orders.get(market.context("customer"), c.OrderRef(order_id=made.order_id))
    assert got == found.order
    timeline = await market.orders.timeline(market.context("customer"), c.OrderRef(order_id=made.order_id))
    assert [(event.type, event.from_state, event.to_state) for event in timeline.events] == [
        ("order.adopted", None, "completed")
    ]


async def test_what_is_told_again_changes_nothing_and_what_is_older_neither(
    market: Marketplace, new_id: Callable[[str], str]
) -> None:
    legacy_id = new_id("old")
    second = told(legacy_id, market, 2, state="preparing")
    first = told(legacy_id, market, 1, state="awaiting_acceptance")
    third = told(legacy_id, market, 3, state="cancelled", reason="no soup", total=0, note=None)
    results = [(await adopt(market, order))[0] for order in (second, second, first, third, second)]
    assert [result.outcome for result in results] == ["made", "same", "stale", "changed", "stale"]
    assert len({result.order_id for result in results}) == 1
    assert (await as_adopted(market, legacy_id)).order == third


async def test_a_revision_without_a_change_outdates_those_before_it(
    market: Marketplace, new_id: Callable[[str], str]
) -> None:
    legacy_id = new_id("old")
    await adopt(market, told(legacy_id, market, 3))
    (same,) = await adopt(market, told(legacy_id, market, 5))
    (stale,) = await adopt(market, told(legacy_id, market, 4, state="cancelled"))
    assert (same.outcome, stale.outcome) == ("same", "stale")


async def test_of_an_id_that_comes_twice_in_one_request_the_later_revision_counts(
    market: Marketplace, new_id: Callable[[str], str]
) -> None:
    legacy_id = new_id("old")
    orders = [told(legacy_id, market, revision, note=str(revision)) for revision in (2, 3, 1)]
    assert [result.outcome for result in await adopt(market, *orders)] == ["stale", "made", "stale"]
    assert (await as_adopted(market, legacy_id)).order.note == "3"


async def test_many_who_adopt_the_same_at_once_make_one_order_with_the_last_word(
    either_market: Marketplace, new_id: Callable[[str], str]
) -> None:
    market = either_market
    legacy_ids = [new_id("old") for _ in range(20)]
    processes = [market.process() for _ in range(3)]
    works = [
        adopt(
            market,
            *(told(each, market, revision, note=str(revision)) for each in legacy_ids),
            service=processes[revision % 3],
        )
        for revision in (1, 2, 3, 4, 5, 6)
    ]
    answers = await asyncio.gather(*works)
    for legacy_id, *results in zip(legacy_ids, *answers, strict=True):
        assert len({result.order_id for result in results}) == 1
        assert (await as_adopted(market, legacy_id)).order.note == "6"
    page = await market.orders.list_orders(
        market.context("customer"), c.ListOrders(customer_id=market.customer, limit=200)
    )
    assert len(page.orders) == len(legacy_ids)


async def test_a_claim_without_its_order_is_healed_by_the_next_who_comes(
    market: Marketplace, new_id: Callable[[str], str]
) -> None:
    legacy_id = new_id("old")
    order_id = ids.make(12345, slot_of(market.customer), slot_of(market.restaurant))
    store = OrderStore(market.router)
    assert await store.legacy.claim(Claim(SOURCE, legacy_id, order_id), 10) == order_id
    assert await known(market, legacy_id) == []
    (made,) = await adopt(market, told(legacy_id, market))
    assert made.order_id == str(order_id)
    await store.close()


async def test_an_order_whose_claim_is_lost_is_found_again_by_its_key(
    market: Marketplace, new_id: Callable[[str], str]
) -> None:
    legacy_id = new_id("old")
    (made,) = await adopt(market, told(legacy_id, market))
    store = OrderStore(market.router)
    await store.legacy.unclaim(Claim(SOURCE, legacy_id, int(made.order_id)), 10)
    (again,) = await adopt(market, told(legacy_id, market, 2, note="later"))
    assert (again.outcome, again.order_id) == ("changed", made.order_id)
    assert [each.order_id for each in await known(market, legacy_id)] == [made.order_id]
    await store.close()


async def test_an_order_keeps_its_customer_and_its_restaurant(
    market: Marketplace, new_id: Callable[[str], str]
) -> None:
    legacy_id = new_id("old")
    await adopt(market, told(legacy_id, market))
    (result,) = await adopt(market, told(legacy_id, market, 2, customer_id=new_id("customer")))
    assert (result.outcome, result.code) == ("refused", "parties_changed")


async def test_one_bad_order_does_not_keep_its_neighbours_out(
    market: Marketplace, new_id: Callable[[str], str]
) -> None:
    good, bad, late = new_id("old"), new_id("old"), new_id("old")
    results = await adopt(
        market,
        told(good, market),
        told(bad, market, placed_at="yesterday"),
        told(late, market, state="scheduled"),
    )
    assert [result.outcome for result in results] == ["made", "refused", "refused"]
    assert results[1].code == results[2].code == "invalid_legacy_order"


async def test_nobody_but_the_platforms_parts_may_adopt(
    market: Marketplace, new_id: Callable[[str], str]
) -> None:
    request = c.AdoptOrders(source=SOURCE, orders=[told(new_id("old"), market)])
    with pytest.raises(Refusal, match="forbidden"):
        await market.orders.adopt(market.context("customer"), request)


async def test_what_the_old_system_holds_nobody_moves_and_no_deadline(
    market: Marketplace, new_id: Callable[[str], str]
) -> None:
    legacy_id = new_id("old")
    (made,) = await adopt(market, told(legacy_id, market, state="awaiting_acceptance"))
    with pytest.raises(Refusal, match="held_elsewhere"):
        await market.say(await order_of(market, made.order_id), "accepted", "restaurant")
    market.clock.advance(3 * 86_400)
    await market.sweep()
    (found,) = await known(market, legacy_id)
    assert (found.order.state, found.order.version) == ("awaiting_acceptance", 1)


async def test_a_released_order_lives_on_and_the_old_system_has_no_word_any_more(
    market: Marketplace, new_id: Callable[[str], str]
) -> None:
    source, legacy_id = new_id("s")[:20], new_id("old")
    context = market.context("system")
    order = told(legacy_id, market, state="awaiting_acceptance")
    await market.orders.adopt(context, c.AdoptOrders(source=source, orders=[order]))
    refs = c.LegacyRefs(source=source, legacy_ids=[legacy_id])
    released = await market.orders.release(context, c.OpenLegacy(source=source))
    assert len(released.order_ids) == 1
    assert not (await market.orders.release(context, c.OpenLegacy(source=source))).more
    (found,) = (await market.orders.legacy(context, refs)).orders
    assert (found.held, found.order.version) == (False, 2)
    assert found.order.due_at is not None
    news = msgspec.structs.replace(order, revision=9, state="cancelled")
    late = await market.orders.adopt(context, c.AdoptOrders(source=source, orders=[news]))
    assert late.results[0].code == "taken_over"
    gone = await market.orders.disown(context, refs)
    assert gone.results[0].code == "taken_over"
    await market.say(found.order, "accepted", "restaurant")
    back = await market.orders.hold(context, c.OpenLegacy(source=source))
    assert back.order_ids == released.order_ids
    with pytest.raises(Refusal, match="held_elsewhere"):
        await market.say(found.order, "prepared", "restaurant")
    (found,) = (await market.orders.legacy(context, refs)).orders
    assert (found.order.state, found.order.due_at) == ("preparing", None)


async def test_a_disowned_order_is_nowhere_and_may_come_again(
    either_market: Marketplace, new_id: Callable[[str], str]
) -> None:
    market, legacy_id = either_market, new_id("old")
    (made,) = await adopt(market, told(legacy_id, market, state="preparing"))
    order = await order_of(market, made.order_id)
    await market.copy(order)
    assert await market.row(order, "restaurant") is not None
    refs = c.LegacyRefs(source=SOURCE, legacy_ids=[legacy_id, new_id("unknown")])
    gone = await market.orders.disown(market.context("system"), refs)
    assert [result.outcome for result in gone.results] == ["removed", "absent"]
    await market.copy(order)
    assert await market.row(order, "restaurant") is None
    with pytest.raises(Refusal, match="order_not_found"):
        await market.orders.get(market.context("customer"), c.OrderRef(order_id=made.order_id))
    (again,) = await adopt(market, told(legacy_id, market))
    assert again.outcome == "made"
    assert again.order_id != made.order_id


async def test_repair_counts_whatever_the_revision(market: Marketplace, new_id: Callable[[str], str]) -> None:
    legacy_id = new_id("old")
    (made,) = await adopt(market, told(legacy_id, market, 7))
    number = int(made.order_id)
    node = market.router.node("customer", ids.customer_shard(number))
    await node.execute(
        "UPDATE orders.orders SET state = 'cancelled' WHERE shard = $1 AND id = $2",
        ids.customer_shard(number), number,
    )  # fmt: skip
    (same,) = await adopt(market, told(legacy_id, market, 6))
    assert same.outcome == "stale"
    (repaired,) = await adopt(market, told(legacy_id, market, 6), repair=True)
    assert repaired.outcome == "changed"
    found = await as_adopted(market, legacy_id)
    assert (found.order.state, found.order.revision) == ("completed", 7)


async def test_a_forgotten_customer_is_not_learnt_again(
    market: Marketplace, new_id: Callable[[str], str]
) -> None:
    legacy_id = new_id("old")
    (made,) = await adopt(market, told(legacy_id, market))
    await market.copy(await order_of(market, made.order_id))
    await Erasure(market.router).erase(market.customer, also_open=True)
    await adopt(market, told(legacy_id, market, 2, state="cancelled"))
    found = await as_adopted(market, legacy_id)
    assert (found.erased, found.order.state, found.order.note, found.order.address) == (
        True, "cancelled", None, None,
    )  # fmt: skip


async def test_the_pages_of_old_ids_have_each_once(market: Marketplace, new_id: Callable[[str], str]) -> None:
    source = new_id("p")[:20]
    context = market.context("system")
    legacy_ids = {new_id("old") for _ in range(30)}
    orders = [told(each, market) for each in legacy_ids]
    await market.orders.adopt(context, c.AdoptOrders(source=source, orders=orders))
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = await market.orders.list_legacy(context, c.ListLegacy(source=source, cursor=cursor, limit=2))
        seen += page.legacy_ids
        cursor = page.next_cursor
        if cursor is None:
            break
    assert sorted(seen) == sorted(legacy_ids)
