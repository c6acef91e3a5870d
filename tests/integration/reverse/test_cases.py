"""Cases from their opening to their end, on a real database."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from integration.reverse.town import Town
from manual_clock import ManualClock
from marketplace import refusal_of
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.orders import archive
from tiffin.services.orders.archive import AGE_MIN
from tiffin.services.orders.archiver import Archiver
from tiffin.services.orders.unsettled import ask_peers
from tiffin.services.reverse.policies import add_policy
from tiffin.services.reverse.policy import Terms
from tiffin.sharding.order_id import customer_shard
from tiffin.sharding.router import Router

TOTAL = 2600
SOME = c.Money(amount=500, currency="COP")


async def test_a_case_nobody_answers_is_approved_and_pays_what_was_quoted(town: Town) -> None:
    order = await town.order("completed")
    lines = [c.CaseLine(line=0, quantity=1)]
    quote = await town.quote(order, "missing_items", "customer", lines=lines)
    case = await town.open_case(
        order, "missing_items", lines=lines, expected_refund=quote.outcome.refund, note="one soup only"
    )
    assert (case.state, case.outcome, quote.answered_by) == ("requested", quote.outcome, "restaurant")
    town.clock.advance(15 * 60 - 1)
    await town.work()
    assert (await town.get(case)).state == "requested"
    town.clock.advance(2)
    await town.work()
    assert (await town.get(case)).state == "refunded"
    assert town.till.back(order.id) == quote.outcome.refund.amount == 1150
    assert await town.entry(case) == await town.preview(case)
    assert await town.sums(order) == (1150, TOTAL)


async def test_calling_off_before_acceptance_gives_everything_back_at_once(town: Town) -> None:
    order = await town.order("awaiting_acceptance")
    case = await town.open_case(order, "cancel")
    assert (case.kind, case.state, case.outcome.refund.amount) == (
        "cancel_before_acceptance", "refunded", TOTAL,
    )  # fmt: skip
    assert (await town.market.get(order)).state == "cancelled"
    assert town.till.back(order.id) == TOTAL
    assert await town.entry(case) == await town.preview(case) == {}


async def test_a_later_cancellation_waits_for_the_restaurant_and_pays_it_for_what_it_cooked(
    town: Town,
) -> None:
    order = await town.order("preparing")
    town.clock.advance(61)
    case = await town.open_case(order, "cancel")
    assert (case.kind, case.state) == ("cancel_later", "requested")
    case = await town.say(case, "approved", "restaurant")
    assert case.state == "refunded"
    assert town.till.back(order.id) == TOTAL - 1150
    entry = await town.entry(case)
    assert entry == await town.preview(case)
    assert entry[f"restaurant:{order.restaurant_id}"] == 920


async def test_a_rejection_is_disputed_and_an_operator_decides(town: Town) -> None:
    order = await town.order("delivered")
    case = await town.open_case(order, "quality", amount=c.Money(amount=500, currency="COP"))
    case = await town.say(case, "rejected", "restaurant", note="it was fine")
    assert case.state == "rejected"
    case = await town.say(case, "disputed", "customer", pictures=["s3://cold-soup"])
    assert case.state == "in_arbitration"
    case = await town.say(case, "dismissed", "operator")
    assert case.state == "closed"
    assert [said.role for said in case.evidence or []] == ["restaurant", "customer"]
    assert town.till.back(order.id) == 0
    assert await town.sums(order) == (0, TOTAL)


async def test_a_cash_order_is_credited_to_its_customer(town: Town) -> None:
    order = await town.order("completed", "cash")
    case = await town.open_case(order, "operator_decision", "operator")
    assert (case.state, case.outcome.back_to) == ("refunded", "balance")
    assert town.till.back(order.id) == TOTAL, "by payments, as everything"
    assert (await town.entry(case))[f"customer:{order.customer_id}"] == TOTAL


async def test_cases_together_never_ask_for_more_than_was_paid(town: Town) -> None:
    order = await town.order("completed")
    whole = c.Money(amount=TOTAL, currency="COP")
    await town.open_case(order, "quality", amount=whole)
    again = town.open_case(order, "quality", amount=c.Money(amount=1, currency="COP"))
    assert await refusal_of(again) == "nothing_left"


async def test_a_case_is_nobody_elses(town: Town) -> None:
    order = await town.order("completed")
    case = await town.open_case(order, "late")
    for role in ("customer", "restaurant"):
        assert await refusal_of(town.get(case, role, "somebody")) == "case_not_found"
    request = c.ListCases(order_id=order.id)
    somebody = town.as_("customer", "somebody")
    assert await refusal_of(town.reverse.list_cases(somebody, request)) == "order_not_found"


async def test_cases_on_four_nodes_are_beside_their_orders_and_in_their_restaurants_list(
    four_router: Router, clock: ManualClock, new_id: Callable[[str], str]
) -> None:
    async with Town.open(four_router, clock, new_id) as town:
        orders = [await town.order("completed") for _ in range(3)]
        cases = [await town.open_case(order, "wrong_items", amount=SOME) for order in orders]
        town.clock.advance(15 * 60)
        await town.work()
        for order, case in zip(orders, cases, strict=True):
            assert (await town.get(case)).state == "refunded"
            assert await town.entry(case) == await town.preview(case)
            assert town.till.back(order.id) == 500
            for node in four_router.nodes:
                await town.consumer.handle(await town.case_events(node, case))
        request = c.ListCases(restaurant_id=town.market.restaurant)
        listed = await town.reverse.list_cases(town.as_("restaurant"), request)
        assert {case.id for case in listed.cases} == {case.id for case in cases}
        assert {case.state for case in listed.cases} == {"refunded"}


async def test_what_waits_for_an_operator_is_listed_the_most_urgent_first(town: Town) -> None:
    waiting: list[str] = []
    for _ in range(3):
        order = await town.order("completed")
        case = await town.open_case(order, "quality", amount=SOME)
        await town.say(case, "rejected", "restaurant")
        waiting.append((await town.say(case, "disputed", "customer")).id)
        town.clock.advance(1)
    found: list[str] = []
    cursor = None
    while True:
        request = c.ListCases(state="in_arbitration", limit=2, cursor=cursor)
        page = await town.reverse.list_cases(town.as_("operator"), request)
        found += [case.id for case in page.cases if case.id in waiting]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == waiting
    with pytest.raises(Refusal, match="forbidden"):
        await town.reverse.list_cases(town.as_("customer"), c.ListCases(state="in_arbitration"))


async def test_rules_begin_in_a_while_and_never_change(town: Town) -> None:
    directory = town.router.directory
    with pytest.raises(Refusal, match="invalid_request"):
        await add_policy(directory, datetime.now(UTC) + timedelta(minutes=4), Terms(free_cancel_s=0))
    for change in ("UPDATE reverse.policies SET body = '{}'", "DELETE FROM reverse.policies"):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await directory.execute(change)


async def test_who_asks_is_told_which_orders_have_cases_that_are_not_over(town: Town) -> None:
    quiet, asking, done = [await town.order("completed") for _ in range(3)]
    await town.open_case(asking, "quality", amount=SOME)
    withdrawn = await town.open_case(done, "quality", amount=SOME)
    asked = c.OrderIds(order_ids=[order.id for order in (quiet, asking, done)] + ["0", "x", "9" * 30])

    async def unsettled() -> set[str]:
        return set((await town.reverse.unsettled(town.as_("system"), asked)).order_ids)

    assert await unsettled() == {asking.id, done.id}
    await town.say(withdrawn, "withdrawn", "customer")
    assert await unsettled() == {asking.id}
    for role in ("customer", "restaurant"):
        assert await refusal_of(town.reverse.unsettled(town.as_(role), asked)) == "forbidden"


async def test_an_operator_gives_back_of_an_order_that_is_archived(town: Town) -> None:
    order = await town.order("completed")
    await town.market.copy(order)
    town.clock.advance(AGE_MIN.total_seconds() + 1)
    router, shard = town.router, customer_shard(int(order.id))
    unsettled = ask_peers(town.reverse, NothingOnItsWay(), town.clock)  # type: ignore[arg-type]
    archiver = Archiver(router, town.clock, unsettled, AGE_MIN)
    node = router.node("customer", shard)
    assert (await archiver.archive_orders(node, shard)).orders >= 1
    assert await archive.get(node, int(order.id)) is not None
    case = await town.open_case(
        order, "operator_decision", "operator", amount=SOME, liable="platform", note="they wrote in late"
    )
    assert case.state == "refunded"
    assert town.till.back(order.id) == SOME.amount
    assert await town.entry(case) == await town.preview(case)
    assert (await town.market.get(order)) == order


class NothingOnItsWay:
    """Payments as far as the archiver asks them."""

    async def unsettled(self, context: c.CallContext, request: c.OrderIds) -> c.OrderIds:
        return c.OrderIds(order_ids=[])
