"""Cases from their opening to their end, on a real database."""

from integration.reverse.town import Town
from marketplace import refusal_of
from tiffin.rpc import contracts as c

TOTAL = 2600


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
    assert town.till.asked == 0
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
