"""An order on its way: who may move it, who may see it, and what happens when several move it at once."""

import asyncio
from itertools import combinations_with_replacement
from typing import cast

import msgspec
import pytest

from marketplace import COURIER, Marketplace, attempt, refusal_of
from order_rules import FINAL, ROLES, RULES, STATES, STEPS
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.rpc.context import Role
from tiffin.services.orders.service import OrdersService

RACES = 50


async def test_an_order_goes_all_the_way_and_its_timeline_tells_it(either_market: Marketplace) -> None:
    market = either_market
    order = await market.bring_to("completed")
    events = await market.history(order)
    assert [(event.version, event.type, event.actor.role) for event in events] == [
        (1, "order.placed", "customer"), (2, "order.accepted", "restaurant"),
        (3, "order.courier_assigned", "courier"), (4, "order.prepared", "restaurant"),
        (5, "order.picked_up", "courier"), (6, "order.delivered", "courier"),
        (7, "order.completed", "customer"),
    ]  # fmt: skip
    assert [event.from_state for event in events[1:]] == [event.to_state for event in events[:-1]]
    assert (order.version, order.state, order.due_at, order.courier_id) == (7, "completed", None, COURIER)
    assert await market.get(order, "restaurant") == order


async def test_a_cancelled_order_keeps_the_reason(market: Marketplace) -> None:
    order = await market.place()
    cancelled = await market.say(order, "rejected", "restaurant", reason="no gas")
    assert (cancelled.state, cancelled.reason) == ("cancelled", "no gas")
    event = (await market.history(order))[-1]
    assert (event.type, event.reason, event.actor.id) == ("order.rejected", "no gas", market.restaurant)


async def test_of_a_restaurants_staff_nobody_learns_who_it_was(market: Marketplace) -> None:
    order = await market.place()
    context = market.context("restaurant")
    staff = msgspec.structs.replace(context.caller, person="customer-9", access="manager")
    context = msgspec.structs.replace(context, caller=staff)
    await market.orders.advance(context, c.AdvanceOrder(order_id=order.id, event="accepted"))
    assert (await market.history(order))[-1].actor == c.Caller(role="restaurant", id=market.restaurant)


async def test_a_refused_move_changes_nothing(market: Marketplace) -> None:
    order = await market.place()
    for event, role, code in (
        ("delivered", "operator", "wrong_state"), ("accepted", "customer", "forbidden"),
        ("flown", "operator", "unknown_event"), ("courier_assigned", "operator", "invalid_request"),
    ):  # fmt: skip
        assert await refusal_of(market.say(order, event, cast(Role, role))) == code
    assert await market.get(order) == order
    assert len(await market.history(order)) == 1


async def test_who_expects_another_version_is_refused_and_told_the_present_one(market: Marketplace) -> None:
    order = await market.place()
    await market.say(order, "accepted", "restaurant", expected_version=1)
    with pytest.raises(Refusal) as refused:
        await market.say(order, "prepared", "restaurant", expected_version=1)
    assert refused.value.code == "version_conflict"
    assert refused.value.details == {"state": "preparing", "version": 2}


async def test_a_request_whose_answer_was_lost_is_answered_again_with_the_order_as_it_is(
    either_market: Marketplace,
) -> None:
    market = either_market
    order = await market.place()
    accept = market.context("restaurant")
    for version in (None, 1):
        request = c.AdvanceOrder(order_id=order.id, event="accepted", expected_version=version)
        answers = await asyncio.gather(*(market.process().advance(accept, request) for _ in range(3)))
        assert {(answer.state, answer.version) for answer in answers} == {("preparing", 2)}
    await market.say(order, "prepared", "restaurant")
    answer = await market.orders.advance(accept, c.AdvanceOrder(order_id=order.id, event="accepted"))
    assert (answer.state, answer.version) == ("ready", 3)
    assert len(await market.history(order)) == 3


async def test_a_request_is_the_same_only_if_the_same_one_says_the_same(market: Marketplace) -> None:
    order = await market.place()
    accept = market.context("restaurant")
    await market.orders.advance(accept, c.AdvanceOrder(order_id=order.id, event="accepted"))
    by_operator = msgspec.structs.replace(accept, caller=c.Caller(role="operator", id="op"))
    for context, event in (
        (market.context("restaurant"), "accepted"), (by_operator, "accepted"), (accept, "rejected"),
    ):  # fmt: skip
        request = c.AdvanceOrder(order_id=order.id, event=event)
        assert await refusal_of(market.orders.advance(context, request)) == "wrong_state"
    other = await market.place()
    await market.say(other, "accepted", "restaurant")
    request = c.AdvanceOrder(order_id=other.id, event="accepted")
    assert await refusal_of(market.orders.advance(accept, request)) == "wrong_state"


async def test_a_courier_takes_a_delivery_for_nobody_else(market: Marketplace) -> None:
    order = await market.bring_to("preparing")
    assert (
        await refusal_of(market.say(order, "courier_assigned", "courier", "a", courier_id="b")) == "forbidden"
    )
    taken = await market.say(order, "courier_assigned", "courier", "a", courier_id="a")
    assert taken.courier_id == "a"
    assert await refusal_of(market.say(order, "courier_assigned", "courier", "b")) == "order_not_found"
    assert (await market.say(order, "courier_assigned", "operator", courier_id="b")).courier_id == "b"


def _visible_to(state: str) -> set[tuple[Role, str]]:
    """Who may see an order in a state, its courier being known from `ready` on (see `bring_to`)."""
    courier_known = state in ("ready", "delivering", "delivered", "completed")
    mine: set[tuple[Role, str]] = {("customer", "mine"), ("restaurant", "mine"), ("operator", "any")}
    mine.add(("system", "any"))
    if courier_known:
        mine.add(("courier", "mine"))
    if state == "preparing":
        mine |= {("courier", "mine"), ("courier", "other")}
    return mine


@pytest.mark.parametrize("state", [state for state in STATES if state != "cancelled"])
async def test_what_is_anothers_is_not_found_by_whatever_call(market: Marketplace, state: str) -> None:
    order = await market.bring_to(state)
    before = await market.row(order)
    for role in ROLES:
        for whose, caller_id in (("mine", None), ("other", f"{role}-other")):
            kind = "any" if role in ("operator", "system") else whose
            context = market.context(cast(Role, role), caller_id)
            reference = c.OrderRef(order_id=order.id)
            advance = c.AdvanceOrder(order_id=order.id, event="flown")
            if (role, kind) in _visible_to(state):
                assert (await market.orders.get(context, reference)).id == order.id
                assert await market.orders.timeline(context, reference)
                assert await refusal_of(market.orders.advance(context, advance)) == "unknown_event"
            else:
                assert await refusal_of(market.orders.get(context, reference)) == "order_not_found"
                assert await refusal_of(market.orders.timeline(context, reference)) == "order_not_found"
                assert await refusal_of(market.orders.advance(context, advance)) == "order_not_found"
    assert await market.row(order) == before


async def test_ids_that_no_order_can_have_are_not_found(either_market: Marketplace) -> None:
    market = either_market
    order = await market.place()
    neighbour = str(int(order.id) + (1 << 20))
    for order_id in ("1", "1023", str(1 << 20 | 1023), neighbour, str((1 << 63) - 1), "9" * 19):
        missing = msgspec.structs.replace(order, id=order_id)
        assert await refusal_of(market.get(missing)) == "order_not_found"
        assert await refusal_of(market.say(missing, "accepted", "operator")) == "order_not_found"
        assert await refusal_of(market.history(missing)) == "order_not_found"


def _pairs() -> list[tuple[str, tuple[str, Role], tuple[str, Role]]]:
    """Every two things that may happen to an order in a state, the same one twice included."""
    pairs: list[tuple[str, tuple[str, Role], tuple[str, Role]]] = []
    for state in STATES:
        moves: dict[str, Role] = {}
        for rule in RULES:
            if rule.state == state:
                moves.setdefault(rule.event, cast(Role, rule.role))
        pairs += [(state, one, other) for one, other in combinations_with_replacement(moves.items(), 2)]
    return pairs


@pytest.mark.parametrize(("state", "one", "other"), _pairs())
async def test_two_moves_at_once_leave_a_history_without_gaps_along_the_rules(
    market: Marketplace, state: str, one: tuple[str, Role], other: tuple[str, Role]
) -> None:
    other_process = market.process()
    orders = await asyncio.gather(*(market.bring_to(state) for _ in range(RACES)))

    async def race(order: c.Order) -> list[c.Order | str]:
        return await asyncio.gather(*(say(order, *each) for each in ((one, None), (other, other_process))))

    async def say(order: c.Order, move: tuple[str, Role], orders: OrdersService | None) -> c.Order | str:
        event, role = move
        if event == "courier_assigned":
            return await attempt(market.say(order, event, "operator", courier_id="courier-2", orders=orders))
        return await attempt(market.say(order, event, role, orders=orders))

    answers = await asyncio.gather(*(race(order) for order in orders))
    events_of: dict[str, list[c.OrderEvent]] = {order.id: [] for order in orders}
    for event in await market.events_of(*orders):
        events_of[event.key].append(msgspec.json.decode(event.data, type=c.OrderEvent))
    for order, answer in zip(orders, answers, strict=True):
        history = events_of[order.id]
        assert [event.version for event in history] == list(range(1, len(history) + 1))
        states = [None, *(event.to_state for event in history)]
        assert [event.from_state for event in history] == states[:-1]
        for event in history:
            assert (event.from_state, event.type.removeprefix("order."), event.to_state) in STEPS
        moved = [each for each in answer if isinstance(each, c.Order)]
        assert len(history) == order.version + len(moved) and moved
        refused = {each for each in answer if isinstance(each, str)}
        if order.courier_id and "courier-2" in {each.courier_id for each in moved}:
            refused.discard("order_not_found")  # it was given to another courier
        assert refused <= {"wrong_state"}
        assert sorted(each.version for each in moved) == list(range(order.version + 1, len(history) + 1))
        row = await market.row(order)
        assert row is not None and (row["state"], row["version"]) == (states[-1], len(history))
        if states[-1] in FINAL:
            assert row["due_at"] is None


async def test_many_moves_of_one_order_at_once_happen_one_after_the_other(either_market: Marketplace) -> None:
    market = either_market
    order = await market.bring_to("preparing")
    processes = [market.orders, market.process(), market.process()]
    answers = await asyncio.gather(
        *(_until_done(market, order, f"courier-{number}", processes[number % 3]) for number in range(30))
    )
    assert sorted(answer.version for answer in answers) == list(range(3, 33))
    last = await market.get(order)
    assert last.version == 32
    assert last.courier_id == next(answer.courier_id for answer in answers if answer.version == 32)


async def _until_done(market: Marketplace, order: c.Order, courier_id: str, orders: object) -> c.Order:
    while True:
        try:
            return await market.say(
                order, "courier_assigned", "operator", courier_id=courier_id, orders=orders
            )
        except Exception as error:
            assert "contended" in str(error)
