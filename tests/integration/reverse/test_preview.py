"""What a case quotes is what the ledger then holds: every kind, any order, vouchers, splits, currencies."""

from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integration.reverse.counter import Counter
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.rpc.context import Role
from tiffin.services.payments.ledger.policy import Terms as Fees
from tiffin.services.reverse.kinds import ARRIVED, RULES, Kind
from tiffin.services.reverse.policy import WHOLE_BP, Bears, Terms
from tiffin.sharding.router import Router
from unit.reverse.orders import sold_orders

pytestmark = pytest.mark.asyncio(loop_scope="session")

EXAMPLES, SOAK_EXAMPLES = 8, 500
CASES_MAX = 3
STATES: dict[Kind, frozenset[str]] = {
    **{kind: rule.states for kind, rule in RULES.items()},
    "free_cancel": frozenset({"preparing"}),  # accepted a moment ago
    "cancel_later": frozenset({"ready", "delivering"}),
}
"""Of orders that a kind's case is drawn for."""


class Asked(NamedTuple):
    """A case as somebody asks for it."""

    kind: Kind
    role: Role
    fields: dict[str, Any]


@st.composite
def bearings(draw: st.DrawFn) -> Bears:
    """Any split of a case among those who bear it."""
    cuts = sorted(draw(st.lists(st.integers(0, WHOLE_BP), min_size=3, max_size=3)))
    parts = [after - before for before, after in zip([0, *cuts], [*cuts, WHOLE_BP], strict=True)]
    return Bears(*parts)


@st.composite
def asked(draw: st.DrawFn, kind: Kind, counter: Counter) -> Asked:
    """A case of a kind: by one who may open it, of the whole, of lines or of an amount."""
    rule, sold = RULES[kind], counter.sold
    role = draw(st.sampled_from(sorted({*rule.openers, "operator"})))
    scope = draw(st.sampled_from(rule.scopes))
    fields: dict[str, Any] = {}
    if scope == "lines":
        wanted = draw(st.sets(st.integers(0, len(sold.lines) - 1), min_size=1))
        fields["lines"] = [
            c.CaseLine(line=line, quantity=draw(st.integers(1, sold.lines[line][0])))
            for line in sorted(wanted)
        ]
    if scope == "amount":
        amount = draw(st.integers(1, max(1, counter.till.paid)))
        fields["amount"] = c.Money(amount=amount, currency=sold.currency)
    if kind == "operator_decision":
        fields["liable"] = draw(st.sampled_from((None, "restaurant", "courier", "platform")))
    name = "cancel" if "cancel" in kind else kind
    return Asked(kind, role, {"order_id": str(sold.order_id), "kind": name, **fields})


def checked(examples: int) -> settings:
    return settings(
        max_examples=examples, deadline=None, print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )  # fmt: skip


async def check(data: st.DataObject, router: Router, kind: Kind) -> None:
    """Up to three cases of one order, the first of the kind; each is asked for as it was quoted."""
    sold = data.draw(sold_orders(tuple(sorted(STATES[kind]))))
    fees = Fees(
        data.draw(st.integers(0, WHOLE_BP)),
        data.draw(st.integers(0, WHOLE_BP)),
        data.draw(st.integers(0, 500)),
    )
    kinds = [kind, *data.draw(st.lists(st.sampled_from(sorted(RULES)), max_size=CASES_MAX - 1))]
    bears = {each: data.draw(bearings()) for each in kinds if data.draw(st.booleans())}
    counter = Counter(router, sold, fees, Terms(bears=bears))
    refunds = 0
    for each in kinds:
        refunds += await check_case(counter, data.draw(asked(each, counter)))
    called_off, arrived = counter.desk.state == "cancelled", sold.state in ARRIVED
    if arrived:
        await counter.complete()
    books = await counter.posted()
    assert sum(books.values()) == 0
    assert sum(money.amount for money in counter.till.back.values()) == refunds <= counter.till.paid
    if arrived or called_off:
        # paid in, refunds out, and the rest has gone to those who have earned it
        customer = f"customer:{counter.sold.customer_id}"
        assert counter.till.paid + books.get(customer, 0) - refunds == 0
        assert (await counter.balance()).get(sold.currency, 0) == books.get(customer, 0)


async def check_case(counter: Counter, asked: Asked) -> int:
    """Quote, open, agree: what is posted, goes back and is shown was quoted. Returns what goes back."""
    context = counter.as_(asked.role)
    try:
        quote = await counter.reverse.quote(context, c.QuoteCase(**asked.fields))
        inside = await counter.reverse.quote(counter.as_("operator"), c.QuoteCase(**asked.fields))
    except Refusal as refusal:
        assert refusal.code in ("case_not_possible", "nothing_left", "case_open", "forbidden"), refusal
        return 0
    request = c.OpenCase(
        idempotency_key=uuid4().hex, expected_refund=quote.outcome.refund, **asked.fields
    )  # fmt: skip
    case = await counter.reverse.open(context, request)
    if case.state == "requested":
        approved = c.AdvanceCase(case_id=case.id, event="approved")
        await counter.reverse.advance(counter.as_("operator"), approved)
    case = await counter.reverse.get(counter.as_("operator"), c.CaseRef(case_id=case.id))
    assert case.state == "refunded"
    previewed = {posting.account: posting.amount for posting in _postings(quote, inside, case)}
    assert await counter.posted(f"case:{case.id}") == previewed
    assert case.outcome.refund == quote.outcome.refund == inside.outcome.refund
    assert case.outcome.shares == quote.outcome.shares
    assert _by_party(quote) == _by_party_posted(previewed, quote.outcome.refund.amount)
    back = counter.till.back.get(case.id, c.Money(amount=0, currency=counter.sold.currency))
    assert back == quote.outcome.refund
    return back.amount


def _postings(quote: c.CaseQuote, inside: c.CaseQuote, case: c.Case) -> list[c.Posting]:
    """What the case says that it posts; the same as the quote has said if the same party asks."""
    if inside.outcome.shares == quote.outcome.shares:
        assert case.outcome.postings == inside.outcome.postings
    return case.outcome.postings or []


def _by_party(quote: c.CaseQuote) -> dict[str, int]:
    return {share.party: share.amount.amount for share in quote.outcome.shares}


def _by_party_posted(postings: dict[str, int], refund: int) -> dict[str, int]:
    """What the ledger's accounts say of each party; of the customer it is the refund."""
    sums = {"customer": refund}
    for account, amount in postings.items():
        kind = account.split(":")[0]
        party = "subsidy" if account.startswith("platform:subsidy:") else kind
        if kind != "customer":
            sums[party] = sums.get(party, 0) + amount
    return {party: amount for party, amount in sums.items() if amount or party == "customer"}


@pytest.mark.parametrize("kind", RULES)
@checked(EXAMPLES)
@given(data=st.data())
async def test_what_a_case_quotes_is_what_is_posted(data: st.DataObject, router: Router, kind: Kind) -> None:
    await check(data, router, kind)


@pytest.mark.soak
@pytest.mark.parametrize("kind", RULES)
@checked(SOAK_EXAMPLES)
@given(data=st.data())
async def test_what_a_case_quotes_is_what_is_posted_often(
    data: st.DataObject, router: Router, kind: Kind
) -> None:
    await check(data, router, kind)
