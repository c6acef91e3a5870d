from datetime import UTC, datetime, timedelta

import pytest

from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.restaurants.holding import HOLD_MS_MAX, parse_hold, parse_order_id, refuse_unless_done
from tiffin.services.restaurants.stock import Release, Result, Sell, Verdict
from tiffin.sharding import order_id as ids
from tiffin.sharding.slots import slot_of

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ORDER = ids.make(7, slot_of("customer"), slot_of("r"))


def request(*lines: tuple[str, int], **changes: object) -> c.HoldStock:
    fields: dict[str, object] = {
        "restaurant_id": "r", "order_id": str(ORDER), "expires_in_ms": 60_000,
        "lines": [c.HoldLine(item_id=item_id, quantity=quantity) for item_id, quantity in lines],
    }  # fmt: skip
    return c.HoldStock(**{**fields, **changes})  # pyright: ignore


def test_lines_of_one_dish_are_summed():
    hold = parse_hold(request(("cake", 2), ("pie", 1), ("cake", 3)), NOW, {})
    assert hold.quantities == {"cake": 5, "pie": 1}
    assert (hold.order_id, hold.restaurant_id, hold.expires_at) == (ORDER, "r", NOW + timedelta(minutes=1))


@pytest.mark.parametrize(
    "bad",
    [
        request(),
        request(("cake", 0)),
        request(("cake", -1)),
        request(("cake", 2**31 - 1)),
        request(*[("cake", 1)] * 101),
        request(("cake", 1), expires_in_ms=0),
        request(("cake", 1), expires_in_ms=-1),
        request(("cake", 1), expires_in_ms=HOLD_MS_MAX + 1),
        request(("cake", 1), order_id="soon"),
        request(("cake", 1), restaurant_id="another"),
    ],
)
def test_a_hold_that_makes_no_sense_is_refused(bad: c.HoldStock):
    with pytest.raises(Refusal) as refused:
        parse_hold(bad, NOW, {})
    assert refused.value.code == "invalid_request"


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "1.5", "١٢٣", "x", "9" * 19, "9" * 5000, str(7 << 20 | 1000)]
)
def test_what_can_be_no_orders_id_is_refused(text: str):
    with pytest.raises(Refusal) as refused:
        parse_order_id(text)
    assert refused.value.code == "invalid_request"


def test_a_shortage_is_told_dish_by_dish():
    hold = parse_hold(request(("cake", 2), ("pie", 1)), NOW, {})
    with pytest.raises(Refusal) as refused:
        refuse_unless_done(hold, Result(Verdict.SHORT, {"cake": 1}))
    assert refused.value.code == "out_of_stock"
    assert refused.value.details == {"items": [{"item_id": "cake", "left": 1, "wanted": 2}]}


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (Result(Verdict.DONE), None),
        (Result(Verdict.NOTHING_HELD), None),
        (Result(Verdict.SHORT, {"cake": 0}), "hold_expired"),
        (Result(Verdict.FALLEN), "hold_expired"),
        (Result(Verdict.OTHER_PORTIONS), "id_taken"),
    ],
)
def test_every_verdict_is_an_answer_or_a_refusal(result: Result, code: str | None):
    for command in (Sell(ORDER), Release(ORDER)):
        if code is None:
            refuse_unless_done(command, result)
            continue
        with pytest.raises(Refusal) as refused:
            refuse_unless_done(command, result)
        assert refused.value.code == code
