"""The judgement of walks of orders of another system."""

import pytest

from tiffin.audit.walks import OrderStep, Row, order_faults

ADOPTED = [
    OrderStep(1, "order.adopted", None, "preparing", "system", True),
    OrderStep(2, "order.adopted", "preparing", "awaiting_payment", "system", True),
    OrderStep(3, "order.taken_over", "awaiting_payment", "awaiting_payment", "system", True),
    OrderStep(4, "order.cancelled", "awaiting_payment", "cancelled", "customer", True),
    OrderStep(5, "order.handed_back", "cancelled", "cancelled", "operator", True),
]
DISOWNED = OrderStep(6, "order.disowned", "cancelled", "cancelled", "system", True)
END = Row("cancelled", 5, False, False)


def test_another_systems_word_may_lead_anywhere() -> None:
    assert order_faults(ADOPTED, END) == []


def test_an_order_that_was_taken_away_is_not_there() -> None:
    assert order_faults([*ADOPTED, DISOWNED], None) == []
    assert order_faults([*ADOPTED, DISOWNED], END._replace(version=6)) == ["was taken away and is there"]
    assert order_faults(ADOPTED, None)


@pytest.mark.parametrize(
    ("at", "changes"),
    [
        (0, {"role": "customer"}),
        (0, {"source": "preparing"}),
        (1, {"source": None}),
        (1, {"source": "ready"}),
        (1, {"agrees": False}),
        (1, {"version": 7}),
        (2, {"target": "cancelled"}),
        (4, {"role": "restaurant"}),
    ],
)
def test_a_change_of_one_thing_is_found(at: int, changes: dict[str, object]) -> None:
    steps = [*ADOPTED[:at], ADOPTED[at]._replace(**changes), *ADOPTED[at + 1 :]]  # type: ignore[arg-type]
    assert order_faults(steps, END)
