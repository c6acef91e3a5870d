"""Deadlines: the platform acts by itself, once, whoever else is acting."""

import asyncio

import pytest

from marketplace import POLICY, Marketplace, attempt, refusal_of
from order_rules import DUE_S, FINAL, ON_TIME, STATES
from tiffin.rpc import contracts as c
from tiffin.services.orders.sweeper import sweep


@pytest.mark.parametrize("state", [state for state in STATES if state not in FINAL])
async def test_a_state_that_lasts_too_long_is_ended_at_its_deadline_and_not_before(
    market: Marketplace, state: str
) -> None:
    order = await market.bring_to(state)
    assert order.due_at is not None
    waits = {
        "awaiting_payment": "pay", "awaiting_acceptance": "accept", "preparing": "prepare",
        "ready": "pick up", "delivering": "deliver", "delivered": "complete",
    }  # fmt: skip
    wait_s = DUE_S[waits[state]] if state in waits else 6 * 3600 - 50 * 60
    market.clock.advance(wait_s - 0.001)
    await market.sweep()
    assert await market.get(order) == order
    market.clock.advance(0.001)
    await market.sweep()
    moved = await market.get(order)
    assert moved.version == order.version + 1
    event = (await market.history(order))[-1]
    assert event.type == f"order.{ON_TIME[state]}"
    assert (event.actor.role, event.actor.id) == ("system", "deadlines")
    await market.sweep()
    assert await market.get(order) == moved


async def test_an_order_nobody_pays_and_one_nobody_accepts_end_cancelled(market: Marketplace) -> None:
    unpaid = await market.bring_to("awaiting_payment")
    unanswered = await market.bring_to("awaiting_acceptance")
    market.clock.advance(15 * 60)
    await market.sweep()
    assert (await market.get(unpaid)).reason == "payment_expired"
    assert (await market.get(unanswered)).reason == "acceptance_expired"


async def test_an_overdue_order_goes_on_and_is_not_overdue_again(market: Marketplace) -> None:
    order = await market.bring_to("preparing")
    market.clock.advance(3 * 3600)
    await market.sweep()
    late = await market.get(order)
    assert (late.state, late.due_at) == ("preparing", None)
    market.clock.advance(3 * 3600)
    await market.sweep()
    assert await market.get(order) == late
    ready = await market.say(order, "prepared", "restaurant")
    assert ready.due_at is not None


async def test_a_scheduled_order_comes_to_its_restaurant_in_time(market: Marketplace) -> None:
    order = await market.bring_to("scheduled")
    market.clock.advance(5 * 3600 + 10 * 60)
    await market.sweep()
    released = await market.get(order)
    assert (released.state, released.due_at) == ("awaiting_acceptance", "2026-06-01T17:15:00.000Z")


async def test_within_a_minute_of_acceptance_the_customer_may_cancel_and_then_not(
    market: Marketplace,
) -> None:
    early, late = await market.bring_to("preparing"), await market.bring_to("preparing")
    market.clock.advance(60)
    assert (await market.say(early, "cancelled", "customer")).state == "cancelled"
    market.clock.advance(0.001)
    assert await refusal_of(market.say(late, "cancelled", "customer")) == "wrong_state"


async def test_many_sweepers_at_once_act_once_on_each_order(either_market: Marketplace) -> None:
    market = either_market
    orders = await asyncio.gather(*(market.place() for _ in range(60)))
    market.clock.advance(5 * 60)
    for _ in range(3):
        await asyncio.gather(
            *(sweep(node, market.clock, POLICY) for node in market.router.nodes for _ in range(4))
        )
    await market.sweep()
    for order in orders:
        assert [event.type for event in await market.history(order)] == [
            "order.placed", "order.acceptance_expired",
        ]  # fmt: skip


async def test_a_deadline_and_a_last_minute_answer_never_both_happen(market: Marketplace) -> None:
    orders = await asyncio.gather(*(market.place() for _ in range(40)))
    market.clock.advance(5 * 60)
    (node,) = market.router.nodes
    answers, _, _ = await asyncio.gather(
        asyncio.gather(*(attempt(market.say(order, "accepted", "restaurant")) for order in orders)),
        sweep(node, market.clock, POLICY),
        sweep(node, market.clock, POLICY),
    )
    await market.sweep()
    for order, answer in zip(orders, answers, strict=True):
        events = [event.type for event in await market.history(order)]
        accepted = isinstance(answer, c.Order)
        assert events == ["order.placed", "order.accepted" if accepted else "order.acceptance_expired"]
        if not accepted:
            assert answer == "wrong_state"


async def test_more_deadlines_than_one_sweep_takes_are_all_acted_on(market: Marketplace) -> None:
    orders = await asyncio.gather(*(market.place() for _ in range(450)))
    market.clock.advance(5 * 60)
    await market.sweep()
    (page,) = {(await market.get(order)).state for order in orders}
    assert page == "cancelled"


async def test_a_row_that_somebody_holds_is_passed_over_and_swept_later(market: Marketplace) -> None:
    held, free = await market.place(), await market.place()
    market.clock.advance(5 * 60)
    (node,) = market.router.nodes
    async with node.transaction() as holding:
        await holding.execute("SELECT 1 FROM orders.orders WHERE id = $1 FOR UPDATE", int(held.id))
        await market.sweep()
        assert (await market.get(free)).state == "cancelled"
        assert (await market.get(held)).state == "awaiting_acceptance"
    await market.sweep()
    assert (await market.get(held)).state == "cancelled"
