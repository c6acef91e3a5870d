"""The table of a payment's states, walked whole: every state with everything a provider can say."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import get_args

import pytest

from tiffin.services.payments.outcomes import (
    Charged,
    Declined,
    Disagreement,
    NeverArrived,
    NoAnswer,
    Outcome,
    Refunded,
    Undecided,
    decide,
    refund_for_cancelled_order,
)
from tiffin.services.payments.payment import Change, Payment, event_of, order_id_of, to_contract
from tiffin.services.payments.states import EDGES, OLD_NEWS, Happening, State, next_edge
from tiffin.sharding import order_id as ids

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
LATER = datetime(2026, 6, 1, 12, 1, tzinfo=UTC)
ORDER_ID = ids.make(7, 17, 5)

PAYMENT = Payment(
    id=f"{ORDER_ID}-abc", order_id=ORDER_ID, customer_id="c-1", amount=1250, currency="EUR", source="tok_ok",
    state="pending", version=1, provider_reference=None, decline_reason=None, attempts=3, next_check_at=NOW,
    created_at=NOW, updated_at=NOW,
)  # fmt: skip

OUTCOMES: dict[Happening, Outcome] = {
    "charged": Charged("ch_1", 1250, "EUR"),
    "declined": Declined("ch_1", "insufficient_funds"),
    "refunded": Refunded("ch_1", 1250, "EUR"),
}

BECOMES: dict[tuple[State, Happening], State] = {
    ("pending", "charged"): "succeeded",
    ("pending", "declined"): "declined",
    ("declined", "charged"): "refunding",
    ("refunding", "refunded"): "refunded",
}
UNCHANGED = {
    ("succeeded", "charged"), ("refunding", "charged"), ("refunded", "charged"),
    ("declined", "declined"), ("refunded", "refunded"),
}  # fmt: skip


@pytest.mark.parametrize("state", get_args(State))
@pytest.mark.parametrize("happening", OUTCOMES)
def test_every_word_of_the_provider_in_every_state(state: State, happening: Happening) -> None:
    decision = decide(replace(PAYMENT, state=state, version=4), OUTCOMES[happening], LATER, "t")
    if (state, happening) in BECOMES:
        assert isinstance(decision, Change)
        assert decision.payment.state == BECOMES[state, happening]
        assert decision.payment.version == 5
    elif (state, happening) in UNCHANGED:
        assert decision is None
    else:
        assert isinstance(decision, Disagreement)


@pytest.mark.parametrize("state", get_args(State))
def test_only_a_succeeded_payment_of_a_cancelled_order_is_given_back(state: State) -> None:
    change = refund_for_cancelled_order(replace(PAYMENT, state=state), LATER, "t")
    assert (change is not None) == (state == "succeeded")
    if change:
        assert (change.payment.state, change.payment.next_check_at) == ("refunding", LATER)


@pytest.mark.parametrize("state", get_args(State))
@pytest.mark.parametrize("outcome", [Undecided(), NeverArrived(), NoAnswer("timeout")], ids=repr)
def test_what_is_not_known_changes_nothing(state: State, outcome: Outcome) -> None:
    assert decide(replace(PAYMENT, state=state), outcome, LATER, "t") is None


@pytest.mark.parametrize("kind", [Charged, Refunded])
@pytest.mark.parametrize("money", [(1249, "EUR"), (1251, "EUR"), (1250, "USD"), (0, "EUR"), (-1250, "EUR")])
@pytest.mark.parametrize("state", get_args(State))
def test_another_amount_is_a_disagreement(
    kind: type[Charged] | type[Refunded], money: tuple[int, str], state: State
) -> None:
    decision = decide(replace(PAYMENT, state=state), kind("ch_1", *money), LATER, "t")
    assert isinstance(decision, Disagreement)


def test_the_table_names_each_move_once_and_no_old_news() -> None:
    moves = [(edge.state, edge.happening) for edge in EDGES]
    assert len(set(moves)) == len(moves)
    assert not set(moves) & OLD_NEWS
    assert next_edge("refunded", "charged") is None


def test_every_state_but_the_first_is_reached_and_only_open_ones_are_checked() -> None:
    assert {edge.to for edge in EDGES} == set(get_args(State)) - {"pending"}
    for happening, outcome in OUTCOMES.items():
        for state in get_args(State):
            decision = decide(replace(PAYMENT, state=state), outcome, LATER, "t")
            if isinstance(decision, Change):
                is_open = decision.payment.state == "refunding"
                assert (decision.payment.next_check_at is not None) == is_open, happening
                assert decision.payment.attempts == 0


def test_an_event_says_what_changed_and_a_payment_hides_its_source() -> None:
    decision = decide(PAYMENT, OUTCOMES["declined"], LATER, "trace-1")
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
