"""What can happen to an order's money, each way as a whole that may be gone again from anywhere.

Together they pass every site; `test_every_site_is_on_some_way` says which is not.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from crashes.world import DAY_S, MINUTE_S, World
from tiffin.primitives.errors import Refusal, Unavailable
from tiffin.rpc import contracts as c
from tiffin.services.payments.ledger import policies as fees
from tiffin.services.payments.ledger.policy import Fees
from tiffin.services.payments.ledger.store import remake_balances
from tiffin.services.reverse import policies as rules
from tiffin.services.reverse.policy import Terms
from tiffin.sharding.order_id import customer_shard

TOTAL = 2600
"""Of every order: two portions and their delivery."""
ONE_PORTION = [c.CaseLine(line=0, quantity=1)]
PORTION = 1150


class Way(NamedTuple):
    """What happens, and what the provider has moved in the end."""

    go: Callable[[World], Awaitable[None]]
    moved: tuple[tuple[str, int], ...] = (("charge", TOTAL),)
    method: str = "online"
    at_once: bool = False
    naming: bool = False
    """The provider has names of its own for payments."""
    loses: str | None = None
    """A statement whose answer is lost with its connection."""


async def taken(w: World) -> None:
    await w.pay()
    await w.bring_to("preparing")
    await w.hear()
    await w.settle()
    await w.bring_to("completed")
    await w.hear()


async def paid_in_two(w: World) -> None:
    """Two payments, one of them declined first; some of both goes back at once."""
    await w.pay("tok_declined", "declined", 1000)
    await w.pay("tok_ok", "first", 1000)
    w.clock.advance(1)
    await w.pay("tok_ok", "second", TOTAL - 1000)
    await w.bring_to("completed")
    await w.hear()
    await w.settle()
    await given_back(w, 2000)
    await w.hear()


async def unanswered(w: World) -> None:
    await w.pay("tok_lost_reply")
    await w.settle()
    await w.bring_to("preparing")
    await w.hear()
    await w.settle()
    await w.bring_to("completed")
    await w.hear()


async def capture_unanswered(w: World) -> None:
    await w.pay("tok_lost_capture_reply")
    await w.bring_to("preparing")
    await w.hear()
    await w.settle()
    await w.bring_to("completed")
    await w.hear()


async def refund_unanswered(w: World) -> None:
    await w.pay("tok_lost_refund_reply")
    await w.bring_to("completed")
    await w.hear()
    await given_back(w, 700)
    await w.settle()
    await w.work()
    await w.hear()


async def never_arrived(w: World) -> None:
    await w.pay("tok_error")
    await w.settle()
    await w.bring_to("completed")
    await w.hear()
    await w.settle()
    await w.hear()


async def let_go(w: World) -> None:
    await w.pay()
    await w.say("cancelled")
    await w.hear()
    await w.settle()
    await w.hear()


async def fell(w: World) -> None:
    """Taken, and called off by somebody: all goes back."""
    await w.pay()
    await w.bring_to("preparing")
    await w.hear()
    await w.settle()
    await w.say("cancelled")
    await w.hear()
    await w.settle()
    await w.hear()


async def by_hand(w: World) -> None:
    """An operator captures; the customer looks; an operator finds the refund again."""
    payment = await w.pay()
    ref = c.PaymentRef(payment_id=f"{w.order_id}-x" if payment is None else payment.id)
    if payment is not None:
        await w.payments.capture_payment(w.as_("operator"), ref)
    await w.bring_to("completed")
    refund = await given_back(w, 600)
    if refund is not None:
        await w.payments.find_refund(w.as_("operator"), c.RefundRef(refund_id=refund.id))
    await w.hear()


async def voided_by_hand(w: World) -> None:
    payment = await w.pay()
    if payment is not None:
        await w.payments.void_payment(w.as_("operator"), c.PaymentRef(payment_id=payment.id))
    await w.hear()  # nobody pays for the order: it falls


async def expiring(w: World) -> None:
    """An authorisation that would be over soon is taken before the restaurant has answered."""
    await w.pay()
    w.clock.advance(7 * DAY_S - 5 * 3600)
    await w.settle()
    await w.bring_to("completed")
    await w.hear()


async def told_by_notice(w: World) -> None:
    """Slow charge, slow refund; each notice comes twice."""
    payment = await w.pay("tok_slow_silent")
    if payment is not None:
        for _ in range(2):
            await w.notice(payment)
    await w.settle()
    await w.bring_to("completed")
    await w.hear()


async def refund_told_by_notice(w: World) -> None:
    payment = await w.pay("tok_slow_refund")
    await w.bring_to("completed")
    await w.hear()
    refund = await given_back(w, 800)
    if payment is not None and refund is not None:
        for _ in range(2):
            await w.notice(payment, refund)
    await w.settle()
    await w.work()
    await w.hear()


async def in_cash(w: World) -> None:
    await w.bring_to("completed")
    await w.hear()


async def from_balance(w: World) -> None:
    await owed(w)
    await w.pay(None)
    await w.settle()
    await w.bring_to("completed")
    await w.hear()
    await w.settle()
    await w.hear()


async def balance_let_go(w: World) -> None:
    await owed(w)
    await w.pay(None)
    await w.say("cancelled")
    await w.hear()
    await w.settle()
    await w.hear()


async def back_to_balance(w: World) -> None:
    """Cash that goes back is owed to the customer."""
    await w.bring_to("completed")
    await w.hear()
    await given_back(w, 300)
    await w.hear()


async def fell_refused(w: World) -> None:
    """Called off, and the provider gives nothing back: an operator puts it on the balance by hand."""
    await w.pay("tok_refund_failed")
    await w.bring_to("preparing")
    await w.hear()
    await w.settle()
    await w.say("cancelled")
    await w.hear()
    await w.settle()
    request = c.RefundPayment(
        order_id=w.order_id, amount=c.Money(amount=TOTAL, currency="COP"), key="by hand", to="balance"
    )
    refund = await w.payments.refund(w.as_("operator"), request)
    w.acknowledged("refund", refund.id)
    await w.hear()


async def connection_lost(w: World) -> None:
    """A statement whose answer never came is looked for."""
    try:
        await w.pay()
    except Unavailable:
        await w.pay()
    await w.bring_to("completed")
    await w.hear()
    await w.settle()
    await w.hear()


async def missing_items(w: World) -> None:
    """A customer complains, the restaurant agrees, the money goes back, the case is filed."""
    await paid_and_completed(w)
    case = await w.open_case("missing_items", "customer", lines=ONE_PORTION)
    await answered(w, case, "approved", "restaurant")
    await w.hear()
    await w.work(8 * DAY_S)
    await w.hear()


async def called_off(w: World) -> None:
    """An operator's decision ends an order that was only authorised, and gives all back."""
    await w.pay()
    await w.bring_to("preparing")
    await w.open_case("operator_decision", "operator")
    await w.hear()
    await w.settle()
    await w.work()
    await w.hear()


async def called_off_unpaid(w: World) -> None:
    await w.open_case("cancel", "customer")
    await w.hear()


async def cancelled_later(w: World) -> None:
    """The customer calls off what is being cooked; nobody answers in time: what is kept is entered."""
    await w.pay()
    await w.bring_to("preparing")
    await w.hear()
    await w.settle()
    await w.open_case("cancel", "customer")
    await w.work(16 * MINUTE_S)
    await w.hear()


async def arbitrated(w: World) -> None:
    """Rejected, disputed, decided for the customer."""
    await paid_and_completed(w)
    case = await w.open_case("quality", "customer", amount=c.Money(amount=500, currency="COP"))
    await answered(w, case, "rejected", "restaurant")
    await answered(w, case, "disputed", "customer")
    await answered(w, case, "approved", "operator")
    await w.hear()


async def withdrawn(w: World) -> None:
    await paid_and_completed(w)
    case = await w.open_case("wrong_items", "customer", lines=ONE_PORTION)
    for _ in range(2):  # the answer is said not to have come
        await answered(w, case, "withdrawn", "customer")
    await w.hear()


async def refund_refused(w: World) -> None:
    """The provider gives nothing back: the customer is owed it instead."""
    await paid_and_completed(w, "tok_refund_failed")
    case = await w.open_case("operator_decision", "operator", amount=c.Money(amount=900, currency="COP"))
    await answered(w, case, "credited", "operator")
    await w.hear()


async def undone(w: World) -> None:
    """A portion was missing; then the whole order falls, and what the case has moved is undone."""
    await w.pay()
    await w.bring_to("preparing")
    await w.hear()
    await w.settle()
    await w.open_case("cannot_supply", "restaurant", lines=ONE_PORTION)
    await w.hear()
    await w.say("cancelled")
    await w.hear()
    await w.settle()
    await w.hear()


async def paid_out(w: World) -> None:
    """Restaurant and courier get what they have earned."""
    await w.bring_to("completed")
    await w.hear()
    made = await w.settle_parties()
    await w.hear()
    order = await w.order()
    party = f"restaurant:{order.restaurant_id}"
    await w.ledger.list_settlements(w.as_("operator"), c.SettlementsOf(party=party))
    for settlement in made:
        await w.ledger.settlement_statement(w.as_("operator"), c.SettlementRef(settlement_id=settlement.id))


async def looked_at(w: World) -> None:
    """Everybody looks at everything."""
    await paid_and_completed(w)
    order, operator = await w.order(), w.as_("operator")
    customer, restaurant = w.as_("customer", order.customer_id), w.as_("restaurant", order.restaurant_id)
    await w.payments.list_payments(customer, c.PaymentsOf(order_id=order.id))
    await w.ledger.entries(operator, c.EntriesOf(order_id=order.id))
    for account in (f"customer:{order.customer_id}", f"restaurant:{order.restaurant_id}", "platform:bank"):
        await w.ledger.balance(operator, c.BalanceOf(account=account))
    await w.ledger.waiting_settlements(operator, c.WaitingSettlements())
    for service in (w.payments, w.reverse):  # as the archive does
        await service.unsettled(w.as_("system", "orders"), c.OrderIds(order_ids=[order.id]))
    await w.reverse.quote(customer, c.QuoteCase(order_id=order.id, kind="late"))
    await w.reverse.list_cases(customer, c.ListCases(customer_id=order.customer_id))
    await w.reverse.list_cases(restaurant, c.ListCases(restaurant_id=order.restaurant_id))
    await w.reverse.list_cases(operator, c.ListCases(state="requested"))
    await w.reverse.list_cases(operator, c.ListCases(order_id=order.id))
    begins = w.clock() + timedelta(days=365)
    await fees.add_policy(w.node, max(begins, await _after_last(w, "ledger")), Fees())
    await rules.add_policy(w.node, max(begins, await _after_last(w, "reverse")), Terms())
    await remake_balances(w.node, [customer_shard(int(order.id))])


async def paid_and_completed(w: World, source: str = "tok_ok") -> None:
    await w.pay(source)
    await w.bring_to("completed")
    await w.hear()
    await w.settle()
    await w.hear()


async def given_back(w: World, amount: int) -> c.Refund | None:
    """An operator decides that some of the money goes back. None: none is on its way yet."""
    await w.open_case("operator_decision", "operator", amount=c.Money(amount=amount, currency="COP"))
    listed = await w.payments.list_payments(w.as_("operator"), c.PaymentsOf(order_id=w.order_id))
    return listed.refunds[-1] if listed.refunds else None


async def owed(w: World) -> None:
    """The customer is owed as much as the order costs."""
    lose, w.seam.lose = w.seam.lose, None  # what is to be lost comes later
    postings = [
        c.Posting(account=f"credit:{(await w.order()).customer_id}", amount=TOTAL),
        c.Posting(account="platform:cost:compensation", amount=-TOTAL),
    ]
    request = c.EnterEntry(order_id=w.order_id, fact="goodwill", currency="COP", postings=postings)
    await w.ledger.enter(w.as_("operator"), request)
    w.seam.lose = lose


async def answered(w: World, case: c.Case, event: str, role: str) -> None:
    """Somebody says it, unless the case is beyond it."""
    try:
        await w.answer(case, event, role)  # type: ignore[arg-type]
    except Refusal as refusal:
        if refusal.code != "wrong_state":
            raise


async def _after_last(w: World, schema: str) -> datetime:
    (row,) = await w.ask(f"SELECT max(begins_at) AS last FROM {schema}.policies")
    return row["last"] + timedelta(seconds=1)


_ALL = ("charge", TOTAL), ("refund", -TOTAL)


def _back(*amounts: int) -> tuple[tuple[str, int], ...]:
    return ("charge", TOTAL), *(("refund", -amount) for amount in amounts)


WAYS: dict[str, Way] = {
    "taken": Way(taken),
    "paid in two": Way(
        paid_in_two, (("charge", 1000), ("charge", 1600), ("refund", -400), ("refund", -1600)), at_once=True
    ),
    "taken by a provider with names of its own": Way(taken, at_once=True, naming=True),
    "charged, unanswered": Way(unanswered),
    "captured, unanswered": Way(capture_unanswered),
    "given back, unanswered": Way(refund_unanswered, _back(700), at_once=True),
    "never arrived": Way(never_arrived),
    "let go": Way(let_go, ()),
    "fell after it was taken": Way(fell, _ALL),
    "by hand": Way(by_hand, _back(600)),
    "let go by hand": Way(voided_by_hand, ()),
    "expiring": Way(expiring),
    "told by notices": Way(told_by_notice, at_once=True),
    "given back, told by notices": Way(refund_told_by_notice, _back(800), at_once=True),
    "in cash": Way(in_cash, (), "cash"),
    "from the balance": Way(from_balance, ()),
    "from the balance, let go": Way(balance_let_go, ()),
    "from the balance, unanswered": Way(from_balance, (), loses="ledger.enter"),
    "given back to the balance": Way(back_to_balance, (), "cash"),
    "fell, and the provider refuses": Way(fell_refused),
    "connection lost at the start": Way(connection_lost, loses="payments.start"),
    "connection lost at a change": Way(connection_lost, loses="payments.change"),
    "case: missing items": Way(missing_items, _back(PORTION)),
    "case: called off": Way(called_off, _ALL),
    "case: called off unpaid": Way(called_off_unpaid, ()),
    "case: cancelled later": Way(cancelled_later, _back(1450)),
    "case: arbitrated": Way(arbitrated, _back(500)),
    "case: withdrawn": Way(withdrawn),
    "case: refund refused": Way(refund_refused),
    "case: undone": Way(undone, _back(PORTION, TOTAL - PORTION)),
    "paid out": Way(paid_out, (), "cash"),
    "looked at": Way(looked_at),
}
