"""Whatever an order was and whatever the fees: its entries sum to zero and lose no minor unit."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiffin.rpc import contracts as c
from tiffin.services.payments.ledger import accounts, facts
from tiffin.services.payments.ledger.dues import dues_of
from tiffin.services.payments.ledger.entry import Entry, Posting, Unbalanced, balanced, reversed_entry
from tiffin.services.payments.ledger.facts import Charge, Moment, Settled
from tiffin.services.payments.ledger.policy import Fees, Policies, Policy, Terms
from tiffin.sharding import order_id as ids
from tiffin.sharding.slots import shard_of, slot_of

WHEN = Moment(datetime(2026, 6, 1, 12, tzinfo=UTC), "request")
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
CURRENCIES = st.sampled_from(["JPY", "EUR", "COP", "BHD"])
AMOUNTS = st.one_of(st.integers(0, 50), st.integers(0, 10**11))
BASIS_POINTS = st.integers(0, 10_000)
ORDER_ID = ids.make(17, slot_of("ana"), slot_of("olla"))


def terms(subtotal: int, fee: int, currency: str, discounts: dict[str, int] | None = None) -> c.OrderTerms:
    given = discounts or {}
    return c.OrderTerms(
        order_id=str(ORDER_ID), customer_id="ana", restaurant_id="olla", subtotal=subtotal, delivery_fee=fee,
        total=subtotal + fee - sum(given.values()), currency=currency, payment_method="online",
        placed_at="2026-06-01T11:00:00.000Z",
        discounts=[c.Discount(programme=name, amount=amount) for name, amount in given.items()] or None,
    )  # fmt: skip


def policy(commission: int = 2000, share: int = 8000, minimum: int = 0, **own: int) -> Policy:
    of_all = Terms(commission_bp=commission, courier_share_bp=share, courier_minimum=minimum)
    return Policy(3, BEGINNING, Fees(default=of_all, commission_bp=own))


def moved(entry: Entry | None) -> dict[str, int]:
    return dict(entry.postings) if entry else {}


@st.composite
def orders(draw: st.DrawFn) -> c.OrderTerms:
    subtotal, fee = draw(AMOUNTS), draw(AMOUNTS)
    discount = draw(st.integers(0, subtotal))
    split = draw(st.integers(0, discount))
    given = {name: part for name, part in (("summer", split), ("member", discount - split)) if part}
    return terms(subtotal, fee, draw(CURRENCIES), given)


POLICIES = st.builds(policy, BASIS_POINTS, BASIS_POINTS, st.integers(0, 10**6))
COURIERS = st.sampled_from([None, "carlos"])


@given(orders(), POLICIES, COURIERS)
def test_a_completed_order_gives_all_of_its_money_to_somebody(
    order: c.OrderTerms, fees: Policy, courier: str | None
) -> None:
    shares = moved(facts.completed(order, fees, courier, WHEN))
    assert sum(shares.values()) == 0
    assert -shares.get(accounts.customer("ana"), 0) == order.total
    kept = shares.get(accounts.restaurant("olla"), 0) + shares.get(accounts.COMMISSION, 0)
    assert kept == order.subtotal
    exact = order.subtotal * fees.fees.default.commission_bp
    assert abs(shares.get(accounts.COMMISSION, 0) * 10_000 - exact) <= 5_000
    assert shares.get(accounts.DELIVERY_FEES, 0) == order.delivery_fee
    pay = shares.get(accounts.courier("carlos"), 0)
    assert pay == -shares.get(accounts.COURIER_PAY, 0)
    assert (pay == 0) if courier is None else (pay >= fees.fees.default.courier_minimum)
    for discount in order.discounts or ():
        assert shares[accounts.subsidy(discount.programme)] == -discount.amount


@given(orders(), POLICIES, COURIERS, st.sampled_from(["online", "cash"]))
def test_an_order_that_is_paid_and_completed_leaves_its_customer_even(
    order: c.OrderTerms, fees: Policy, courier: str | None, method: str
) -> None:
    charge = Charge("p", ORDER_ID, "ana", "sandbox", order.total, order.currency)
    paid = facts.captured(charge, WHEN) if method == "online" else facts.cash_collected(order, courier, WHEN)
    done = facts.completed(order, fees, courier, WHEN)
    customer = accounts.customer("ana")
    assert moved(paid).get(customer, 0) + moved(done).get(customer, 0) == 0


@given(orders(), POLICIES, COURIERS)
def test_an_entry_and_its_opposite_leave_everybody_as_they_were(
    order: c.OrderTerms, fees: Policy, courier: str | None
) -> None:
    entry = facts.completed(order, fees, courier, WHEN)
    if entry is None:
        return
    undone = reversed_entry(entry, WHEN.at, "other")
    assert undone.fact == "reversal:completed"
    assert [sum(pair) for pair in zip(moved(entry).values(), moved(undone).values(), strict=True)] == [
        0
    ] * len(entry.postings)
    with pytest.raises(Unbalanced):
        reversed_entry(undone, WHEN.at, "other")


SPLITS = [
    # currency, subtotal, basis points, to the restaurant, commission
    ("JPY", 1, 2000, 1, 0),
    ("JPY", 3, 2000, 2, 1),  # 2.4 and 0.6: the larger remainder
    ("JPY", 5, 1000, 5, 0),  # 4.5 and 0.5: to the restaurant among equals
    ("EUR", 999, 2500, 749, 250),
    ("EUR", 1, 10_000, 0, 1),
    ("EUR", 1, 0, 1, 0),
    ("BHD", 12_345, 1234, 10_822, 1_523),
]


@pytest.mark.parametrize(("currency", "subtotal", "bp", "kept", "taken"), SPLITS)
def test_a_commission_is_rounded_to_a_whole_minor_unit(
    currency: str, subtotal: int, bp: int, kept: int, taken: int
) -> None:
    shares = moved(facts.completed(terms(subtotal, 0, currency), policy(bp), None, WHEN))
    assert (shares.get(accounts.restaurant("olla"), 0), shares.get(accounts.COMMISSION, 0)) == (kept, taken)


def test_a_restaurant_with_a_contract_of_its_own_pays_its_own_commission() -> None:
    order = terms(1000, 0, "EUR")
    assert moved(facts.completed(order, policy(olla=700), None, WHEN))[accounts.COMMISSION] == 70
    assert accounts.COMMISSION not in moved(facts.completed(order, policy(olla=0), None, WHEN))
    assert moved(facts.completed(order, policy(other=700), None, WHEN))[accounts.COMMISSION] == 200


def test_an_order_whose_sums_do_not_add_up_is_no_entry() -> None:
    order = terms(1000, 200, "EUR")
    order.total = 1199
    with pytest.raises(Unbalanced, match="sum to 1 EUR"):
        facts.completed(order, policy(), None, WHEN)


def test_what_costs_nothing_moves_nothing() -> None:
    free = terms(0, 0, "EUR")
    charge = Charge("p", ORDER_ID, "ana", "sandbox", 0, "EUR")
    assert facts.completed(free, policy(), "carlos", WHEN) is None
    assert facts.captured(charge, WHEN) is facts.refunded(charge, WHEN) is None
    assert facts.cash_collected(free, None, WHEN) is facts.called_off(free, {}, WHEN) is None


def test_a_refund_moves_back_what_a_charge_moved() -> None:
    charge = Charge("p", ORDER_ID, "ana", "sandbox", 1200, "EUR")
    there, back = facts.captured(charge, WHEN), facts.refunded(charge, WHEN)
    assert moved(there) == {"provider:clearing:sandbox": -1200, "customer:ana": 1200}
    assert moved(back) == {account: -amount for account, amount in moved(there).items()}
    assert there and back and (there.fact, back.fact) == ("captured:p", "refunded:p")


def test_what_is_kept_of_a_cancelled_order_is_the_customers_loss() -> None:
    kept = {accounts.restaurant("olla"): 300, accounts.COMMISSION: 20}
    assert moved(facts.called_off(terms(1000, 0, "EUR"), kept, WHEN)) == {"customer:ana": -320, **kept}


def test_a_settlement_and_its_payout_move_a_due_to_the_bank_by_way_of_a_statement() -> None:
    settled = Settled("restaurant:olla:EUR:1", "restaurant:olla", 700, "EUR")
    made, paid = facts.settled(settled, WHEN), facts.paid_out(settled, WHEN)
    assert moved(made) == {"restaurant:olla": -700, "platform:settlements": 700}
    assert moved(paid) == {"platform:settlements": -700, "platform:bank": 700}
    assert made and made.shard == shard_of("olla") and made.subject == "settlement:restaurant:olla:EUR:1"


def test_an_entry_lies_with_its_order() -> None:
    entry = facts.cash_collected(terms(1000, 0, "EUR"), "carlos", WHEN)
    assert entry and (entry.shard, entry.subject) == (ids.customer_shard(ORDER_ID), str(ORDER_ID))


@pytest.mark.parametrize(
    ("currency", "postings"),
    [
        ("EUR", [("a", 1), ("b", -2)]),
        ("EUR", [("a", 1)]),
        ("XYZ", [("a", 1), ("b", -1)]),
        ("EUR", [("a", 10**12 + 1), ("b", -(10**12) - 1)]),
        ("EUR", [*((f"a{n}", 1) for n in range(50)), ("b", -50)]),
        ("EUR", [("a", True), ("b", -1)]),
        ("EUR", [("a", 0.5), ("b", -0.5)]),
    ],
)  # fmt: skip
def test_what_does_not_balance_is_no_entry(currency: str, postings: list[tuple[str, int]]) -> None:
    with pytest.raises(Unbalanced):
        balanced(currency, [Posting(*posting) for posting in postings])


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-100, 100))))
def test_merged_postings_move_the_same_and_name_an_account_once(pairs: list[tuple[str, int]]) -> None:
    rest = -sum(amount for _, amount in pairs)
    merged = balanced("EUR", [Posting(*pair) for pair in [*pairs, ("d", rest)]])
    assert len({posting.account for posting in merged}) == len(merged)
    assert all(posting.amount for posting in merged)
    for account in "abc":
        wanted = sum(amount for name, amount in pairs if name == account)
        assert sum(posting.amount for posting in merged if posting.account == account) == wanted


def test_an_order_keeps_the_version_it_was_placed_under() -> None:
    noon = datetime(2026, 6, 1, 12, tzinfo=UTC)
    versions = [Policy(2, noon, Fees()), Policy(1, BEGINNING, Fees()), Policy(3, noon + timedelta(1), Fees())]
    policies = Policies(versions)
    moment = timedelta(microseconds=1)
    assert [policies.at(at).version for at in (BEGINNING, noon - moment, noon, noon + timedelta(1))] == [
        1, 1, 2, 3,
    ]  # fmt: skip
    assert policies.version(2).begins_at == noon
    with pytest.raises(LookupError):
        policies.at(BEGINNING - moment)


def test_earnings_fall_due_after_the_window_and_debts_at_once() -> None:
    entry = facts.completed(terms(1000, 200, "EUR"), policy(), "carlos", WHEN)
    assert entry
    lines = dues_of([entry, reversed_entry(entry, WHEN.at, "x")], lambda _: timedelta(days=7))
    assert {(line.party, line.fact, line.amount, (line.due_at - WHEN.at).days) for line in lines} == {
        ("restaurant:olla", "completed", 800, 7), ("courier:carlos", "completed", 160, 7),
        ("restaurant:olla", "reversal:completed", -800, 0), ("courier:carlos", "reversal:completed", -160, 0),
    }  # fmt: skip
    assert {line.party: line.shard for line in lines} == {
        "restaurant:olla": shard_of("olla"), "courier:carlos": shard_of("carlos"),
    }  # fmt: skip
    assert dues_of([replace(entry, postings=())], lambda _: timedelta()) == []
