"""What an auditor is told of an order and its payments."""

import pytest

from tiffin.services.payments.audit import PaidOrder, PaymentRow, differences


def order(state: str, method: str = "online") -> PaidOrder:
    return PaidOrder(state, method, 1250, "EUR")


def paid(state: str, amount: int = 1250, currency: str = "EUR") -> PaymentRow:
    return PaymentRow("1-a", amount, currency, state, 2)


@pytest.mark.parametrize(
    ("of", "payments"),
    [
        (order("awaiting_payment"), []),
        (order("awaiting_payment"), [paid("declined"), paid("pending")]),
        (order("preparing"), [paid("succeeded")]),
        (order("completed"), [paid("declined"), paid("succeeded")]),
        (order("cancelled"), []),
        (order("cancelled"), [paid("declined"), paid("refunded")]),
        (order("completed", "cash"), []),
        (None, []),
    ],
)
def test_what_agrees_is_not_reported(of: PaidOrder | None, payments: list[PaymentRow]) -> None:
    assert differences(of, payments) == []


@pytest.mark.parametrize(
    ("of", "payments", "words"),
    [
        (order("awaiting_payment"), [paid("succeeded")], "still awaits payment"),
        (order("preparing"), [], "0 succeeded payments"),
        (order("scheduled"), [paid("declined")], "0 succeeded payments"),
        (order("preparing"), [paid("pending")], "0 succeeded payments"),
        (order("preparing"), [paid("refunded")], "0 succeeded payments"),
        (order("completed"), [paid("succeeded"), paid("succeeded")], "2 succeeded payments"),
        (order("preparing"), [paid("succeeded", 1249)], "order's total"),
        (order("preparing"), [paid("succeeded", 1250, "USD")], "order's total"),
        (order("cancelled"), [paid("succeeded")], "not refunded"),
        (order("cancelled"), [paid("refunding")], "still refunding"),
        (order("completed", "cash"), [paid("succeeded")], "not paid online"),
        (None, [paid("succeeded")], "no such order"),
    ],
)
def test_what_does_not_is(of: PaidOrder | None, payments: list[PaymentRow], words: str) -> None:
    (found,) = differences(of, payments)
    assert words in found
