"""What an auditor is told of an order and its payments."""

import pytest

from tiffin.services.payments.audit import PaidOrder, PaymentRow, cash_differences, differences

TAKEN = {"succeeded", "refunding", "refunded"}


def order(state: str, method: str = "online", gives_back: int | None = None) -> PaidOrder:
    return PaidOrder(state, method, 1250, "EUR", gives_back)


def paid(
    state: str, amount: int = 1250, currency: str = "EUR", refunded: int | None = None, surplus: bool = False
) -> PaymentRow:
    captured = amount if state in TAKEN else 0
    back = refunded if refunded is not None else captured if state == "refunded" else 0
    refunding = captured - back if state == "refunding" else 0
    return PaymentRow("1-a", amount, currency, state, 2, captured, refunding, back, surplus)


@pytest.mark.parametrize(
    ("of", "payments"),
    [
        (order("awaiting_payment"), []),
        (order("awaiting_payment"), [paid("declined"), paid("pending")]),
        (order("awaiting_payment"), [paid("authorised", 1000), paid("pending", 250)]),
        (order("awaiting_acceptance"), [paid("authorised")]),
        (order("scheduled"), [paid("authorised", 1000), paid("succeeded", 250)]),
        (order("preparing"), [paid("succeeded")]),
        (order("preparing"), [paid("refunding", refunded=100)]),
        (order("completed"), [paid("declined"), paid("succeeded")]),
        (order("completed"), [paid("succeeded", 1000), paid("refunded", 250)]),
        (order("completed"), [paid("refunded", surplus=True), paid("succeeded", refunded=500)]),
        (order("cancelled"), []),
        (order("cancelled"), [paid("declined"), paid("refunded"), paid("voided")]),
        (
            order("cancelled", gives_back=500),
            [paid("succeeded", 1000, refunded=300), paid("succeeded", 250, refunded=200)],
        ),
        (
            order("cancelled", gives_back=500),
            [paid("refunded", surplus=True), paid("succeeded", refunded=500)],
        ),
        (order("cancelled", gives_back=0), [paid("succeeded")]),
        (order("preparing", "cash"), []),
    ],
)
def test_what_fits_is_not_reported(of: PaidOrder, payments: list[PaymentRow]) -> None:
    assert differences(of, payments) == []


@pytest.mark.parametrize(
    ("of", "payments", "says"),
    [
        (None, [paid("succeeded")], "no such order"),
        (order("preparing", "cash"), [paid("succeeded")], "not paid online"),
        (order("preparing"), [paid("succeeded", 1251)], "the order's total is"),
        (order("preparing"), [paid("succeeded", currency="USD")], "the order's total is"),
        (order("preparing"), [paid("succeeded", 1249)], "1249 of 1250"),
        (order("preparing"), [], "0 of 1250"),
        (order("preparing"), [paid("declined"), paid("voided")], "0 of 1250"),
        (order("preparing"), [paid("succeeded"), paid("succeeded")], "2500 of 1250"),
        (order("preparing"), [paid("refunded", surplus=True)], "0 of 1250"),
        (order("preparing"), [paid("authorised")], "authorised, but the order is preparing"),
        (order("preparing"), [paid("capturing")], "capturing, but the order is preparing"),
        (
            order("cancelled", gives_back=500),
            [paid("succeeded", refunded=499)],
            "499 EUR have gone back, not 500",
        ),
        (order("cancelled", gives_back=500), [paid("refunded")], "1250 EUR have gone back, not 500"),
        (order("cancelled", gives_back=0), [paid("authorised")], "authorised and not refunded"),
        (order("awaiting_payment"), [paid("authorised")], "still awaits payment"),
        (order("awaiting_payment"), [paid("succeeded")], "still awaits payment"),
        (order("cancelled"), [paid("succeeded")], "not refunded"),
        (order("cancelled"), [paid("authorised")], "not refunded"),
        (order("cancelled"), [paid("refunding")], "still refunding"),
        (order("cancelled"), [paid("voiding")], "still voiding"),
        (order("completed"), [paid("succeeded")._replace(captured=1000)], "with 1000 captured"),
        (order("completed"), [paid("succeeded")._replace(captured=1251)], "1251 captured of 1250 authorised"),
        (order("completed"), [paid("succeeded")._replace(refunded=1251)], "1251 refunded of 1250 captured"),
        (order("completed"), [paid("refunding")._replace(refunded=1)], "1251 refunded of 1250 captured"),
    ],
)
def test_what_does_not_fit_is_reported(of: PaidOrder | None, payments: list[PaymentRow], says: str) -> None:
    wrong = differences(of, payments)
    assert any(says in what for what in wrong), wrong


CASH = (1250, "EUR")


@pytest.mark.parametrize(
    ("of", "collected", "is_wrong"),
    [
        (order("delivered", "cash"), [CASH], False),
        (order("completed", "cash"), [CASH], False),
        (order("delivering", "cash"), [], False),
        (order("completed"), [], False),
        (order("delivered", "cash"), [], True),
        (order("delivered", "cash"), [CASH, CASH], True),
        (order("delivered", "cash"), [(1249, "EUR")], True),
        (order("delivered", "cash"), [(1250, "USD")], True),
        (order("cancelled", "cash"), [CASH], True),
        (order("completed"), [CASH], True),
        (None, [CASH], True),
    ],
)
def test_cash_is_collected_once_and_only_on_delivery(
    of: PaidOrder | None, collected: list[tuple[int, str]], is_wrong: bool
) -> None:
    assert bool(cash_differences(of, collected)) == is_wrong
