"""The table of a payment's states, walked whole: every state with everything a provider can say."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiffin.rpc import contracts as c
from tiffin.services.payments.outcomes import (
    Authorised,
    Charged,
    Declined,
    Disagreement,
    NeverArrived,
    NoAnswer,
    Outcome,
    Refunded,
    RefundFailed,
    RefundOutcome,
    Undecided,
    Voided,
    begin_refund,
    decide,
    decide_refund,
    intend,
    share_out,
)
from tiffin.services.payments.payment import (
    CAPTURE_AHEAD,
    Change,
    Payment,
    event_of,
    order_id_of,
    to_contract,
)
from tiffin.services.payments.states import CLAIMING, EDGES, OLD_NEWS, Happening, RefundState, State
from tiffin.sharding import order_id as ids

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
LATER = datetime(2026, 6, 1, 12, 1, tzinfo=UTC)
ORDER_ID = ids.make(7, 17, 5)

PAYMENT = Payment(
    id=f"{ORDER_ID}-abc", order_id=ORDER_ID, customer_id="c-1", method="card", provider="sandbox",
    amount=1250, currency="EUR", total=1250, source="tok_ok", at_once=False, state="pending", version=1,
    captured=0, refunding=0, refunded=0, provider_reference=None, decline_reason=None, attempts=3,
    next_check_at=NOW, expires_at=None, created_at=NOW, updated_at=NOW,
)  # fmt: skip

SAID: dict[Happening, Outcome] = {
    "authorised": Authorised("ch_1", 1250, "EUR", LATER + timedelta(days=7)),
    "charged": Charged("ch_1", 1250, "EUR"),
    "declined": Declined("ch_1", "insufficient_funds"),
    "voided": Voided("ch_1", "expired"),
}
WANTED: tuple[Happening, ...] = ("capture", "void")
REFUNDS: tuple[Happening, ...] = ("refund_started", "refunded", "refund_failed")

BECOMES: dict[tuple[State, Happening], State] = {
    ("pending", "authorised"): "authorised",
    ("pending", "charged"): "succeeded",
    ("pending", "declined"): "declined",
    ("pending", "voided"): "declined",
    ("authorised", "charged"): "succeeded",
    ("authorised", "voided"): "voided",
    ("authorised", "capture"): "capturing",
    ("authorised", "void"): "voiding",
    ("capturing", "charged"): "succeeded",
    ("capturing", "voided"): "voided",
    ("capturing", "declined"): "voided",
    ("capturing", "void"): "voiding",
    ("voiding", "voided"): "voided",
    ("voiding", "declined"): "voided",
    ("voiding", "charged"): "succeeded",
    ("voided", "charged"): "succeeded",
    ("declined", "authorised"): "voiding",
    ("declined", "charged"): "succeeded",
}
"""Written down a second time, on purpose."""
ALL_BACK = {("voiding", "charged"), ("voided", "charged"), ("declined", "charged")}
UNCHANGED = {
    ("authorised", "authorised"), ("capturing", "authorised"), ("succeeded", "authorised"),
    ("voiding", "authorised"), ("voided", "authorised"), ("succeeded", "charged"),
    ("declined", "declined"), ("voided", "declined"), ("voided", "voided"), ("declined", "voided"),
}  # fmt: skip


def standing(state: State, version: int = 4) -> Payment:
    return replace(PAYMENT, state=state, version=version, captured=1250 if state == "succeeded" else 0)


@pytest.mark.parametrize("state", get_args(State))
@pytest.mark.parametrize("happening", SAID)
def test_every_word_of_the_provider_in_every_state(state: State, happening: Happening) -> None:
    decision = decide(standing(state), SAID[happening], LATER, "t")
    if (state, happening) in BECOMES:
        assert isinstance(decision, Change)
        after = decision.payment
        assert (after.state, after.version) == (BECOMES[state, happening], 5)
        assert after.captured == (1250 if after.state == "succeeded" else 0)
        assert after.left == (1250 if after.state == "succeeded" and not decision.refund else 0)
        assert (decision.refund is not None) == ((state, happening) in ALL_BACK)
        assert (decision.freed > 0) == (state in CLAIMING and after.state not in CLAIMING)
    elif (state, happening) in UNCHANGED:
        assert decision is None
    else:
        assert isinstance(decision, Disagreement)


@pytest.mark.parametrize("state", get_args(State))
@pytest.mark.parametrize("happening", WANTED)
def test_every_wish_in_every_state(state: State, happening: Happening) -> None:
    change = intend(standing(state), happening, LATER, "t", "why")
    if (state, happening) in BECOMES:
        assert change is not None
        assert (change.payment.state, change.payment.next_check_at) == (BECOMES[state, happening], LATER)
        assert change.payment.attempts == 0
    else:
        assert change is None


@pytest.mark.parametrize("state", get_args(State))
def test_only_what_has_been_taken_is_given_back(state: State) -> None:
    amounts = {PAYMENT.id: 500}
    if state == "succeeded":
        (change,) = begin_refund({PAYMENT.id: standing(state)}, amounts, "k", "cold", LATER, LATER, "t")
        assert (change.payment.state, change.payment.refunding, change.payment.left) == (state, 500, 750)
    else:
        with pytest.raises(ValueError, match=state):
            begin_refund({PAYMENT.id: standing(state)}, amounts, "k", "cold", LATER, LATER, "t")


REFUND_SAYS: dict[str, RefundOutcome] = {
    "succeeded": Refunded("re_1", 500, "EUR"), "failed": RefundFailed("closed"), "pending": Undecided(),
    "no answer": NoAnswer("timeout"),
}  # fmt: skip


@pytest.mark.parametrize("said", REFUND_SAYS)
@pytest.mark.parametrize("state", get_args(RefundState))
def test_every_word_about_a_refund_in_every_state_of_it(state: RefundState, said: str) -> None:
    (begun,) = begin_refund({PAYMENT.id: standing("succeeded")}, {PAYMENT.id: 500}, "k", None, NOW, NOW, "t")
    assert begun.refund is not None
    decision = decide_refund(begun.payment, replace(begun.refund, state=state), REFUND_SAYS[said], LATER, "t")
    if said in ("pending", "no answer") or said == state:
        assert decision is None
    elif state != "pending":
        assert isinstance(decision, Disagreement)
    else:
        assert isinstance(decision, Change) and decision.refund is not None
        after, refund = decision.payment, decision.refund
        back = 500 if said == "succeeded" else 0
        assert (after.refunding, after.refunded, after.left) == (0, back, 1250 - back)
        assert (refund.state, refund.next_check_at) == (said, None)
        assert event_of(decision).refund_amount == c.Money(amount=500, currency="EUR")
        assert event_of(decision).refund_id == refund.id


@pytest.mark.parametrize("money", [(499, "EUR"), (501, "EUR"), (500, "USD")])
def test_another_amount_given_back_is_a_disagreement(money: tuple[int, str]) -> None:
    (begun,) = begin_refund({PAYMENT.id: standing("succeeded")}, {PAYMENT.id: 500}, "k", None, NOW, NOW, "t")
    assert begun.refund is not None
    decision = decide_refund(begun.payment, begun.refund, Refunded("re", *money), LATER, "t")
    assert isinstance(decision, Disagreement)


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50)), max_size=5),
    st.integers(1, 200),
)
def test_a_refund_is_shared_out_to_the_cent_and_never_above_what_is_left(
    sums: list[tuple[int, int, int]], amount: int
) -> None:
    payments = [
        replace(
            PAYMENT,
            id=f"{ORDER_ID}-{n}",
            captured=left + on_the_way + back,
            refunding=on_the_way,
            refunded=back,
        )
        for n, (left, on_the_way, back) in enumerate(sums)
    ]
    shares = share_out(amount, payments)
    assert (shares is None) == (amount > sum(payment.left for payment in payments))
    if shares is not None:
        assert sum(shares.values()) == amount
        assert all(0 < share <= payments[int(of.rpartition("-")[2])].left for of, share in shares.items())


@pytest.mark.parametrize("state", get_args(State))
@pytest.mark.parametrize("outcome", [Undecided(), NeverArrived(), NoAnswer("timeout")], ids=repr)
def test_what_is_not_known_changes_nothing(state: State, outcome: Outcome) -> None:
    assert decide(replace(PAYMENT, state=state), outcome, LATER, "t") is None


@pytest.mark.parametrize("kind", ["charged", "authorised"])
@pytest.mark.parametrize("money", [(1249, "EUR"), (1251, "EUR"), (1250, "USD"), (0, "EUR"), (-1250, "EUR")])
@pytest.mark.parametrize("state", get_args(State))
def test_another_amount_is_a_disagreement(kind: str, money: tuple[int, str], state: State) -> None:
    outcome = Charged("ch_1", *money) if kind == "charged" else Authorised("ch_1", *money, None)
    assert isinstance(decide(standing(state), outcome, LATER, "t"), Disagreement)


def test_the_table_names_each_move_once_and_no_old_news() -> None:
    moves = [(edge.state, edge.happening) for edge in EDGES]
    assert len(set(moves)) == len(moves)
    assert not set(moves) & OLD_NEWS
    assert {*moves} == {*BECOMES, *(("succeeded", happening) for happening in REFUNDS)}


def test_the_log_alone_tells_where_a_payment_stands() -> None:
    told = [(edge.state, edge.event) for edge in EDGES]
    assert len({(state, event, edge.to) for (state, event), edge in zip(told, EDGES, strict=True)}) == len(
        set(told)
    )


def test_every_state_but_the_first_is_reached_and_only_open_ones_are_checked() -> None:
    assert {edge.to for edge in EDGES} == set(get_args(State)) - {"pending"}
    for state in get_args(State):
        for outcome in SAID.values():
            decision = decide(standing(state), outcome, LATER, "t")
            if isinstance(decision, Change):
                is_open = decision.payment.state in ("capturing", "voiding", "authorised")
                assert (decision.payment.next_check_at is not None) == is_open
                assert decision.payment.attempts == 0


def test_an_authorisation_is_looked_at_before_it_expires() -> None:
    decision = decide(PAYMENT, SAID["authorised"], LATER, "t")
    assert isinstance(decision, Change) and decision.payment.expires_at is not None
    assert decision.payment.next_check_at == decision.payment.expires_at - CAPTURE_AHEAD


def test_an_event_says_what_changed_and_a_payment_hides_its_source() -> None:
    decision = decide(PAYMENT, SAID["declined"], LATER, "trace-1")
    assert isinstance(decision, Change)
    event = event_of(decision)
    assert (event.type, event.version, event.reason) == ("payment.declined", 2, "insufficient_funds")
    assert (event.payment_id, event.order_id, event.request_id) == (PAYMENT.id, str(ORDER_ID), "trace-1")
    assert (event.amount.amount, event.amount.currency) == (1250, "EUR")
    shown = to_contract(decision.payment)
    assert shown.decline_reason == "insufficient_funds"
    assert "tok_ok" not in repr(shown)


def test_a_long_reason_is_cut_to_what_the_contract_takes() -> None:
    decision = decide(PAYMENT, Declined(None, "x" * 1000), LATER, "t")
    assert isinstance(decision, Change)
    assert decision.payment.decline_reason == "x" * 200


def test_a_payment_id_names_its_order() -> None:
    assert order_id_of(PAYMENT.id) == ORDER_ID


@pytest.mark.parametrize(
    "text",
    ["", "-", "7", f"{ORDER_ID}", f"{ORDER_ID}-", f"-{ORDER_ID}-a", f"0{ORDER_ID}-a", "7-a", "٣-a",
     f"{2**70}-a", f"{ORDER_ID}-a\n", f"{ORDER_ID}-a\0", f"{ORDER_ID}-" + "a" * 33, f" {ORDER_ID}-a"],
)  # fmt: skip
def test_what_is_no_payment_id_names_no_order(text: str) -> None:
    assert order_id_of(text) is None
