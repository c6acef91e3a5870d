from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from tiffin.services.restaurants.stock import Book, Hold, Item, Level, Release, Sell, Verdict

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=20)
CAKE, PIE = Item("r", "cake"), Item("r", "pie")
DONE, SHORT, FALLEN = Verdict.DONE, Verdict.SHORT, Verdict.FALLEN

Step = tuple[str, int, Verdict]


def hold(order: int, now: datetime = NOW, **quantities: int) -> Hold:
    return Hold(order, "r", quantities, now + timedelta(minutes=15))


def book(cake: int = 0, pie: int = 0) -> Book:
    return Book(NOW, {CAKE: Level(cake, cake), PIE: Level(pie, pie)})


def pass_time(before: Book) -> Book:
    """The same stock and holdings as a transaction reads them when every hold has run out."""
    levels = {item: Level(level.on_hand, level.received) for item, level in before.levels.items()}
    return Book(LATER, levels, before.holdings)


# Two portions of cake. Orders 1 and 2 want two each: one of them has to go without.
@pytest.mark.parametrize(
    ("steps", "on_hand", "left"),
    [
        ([("hold", 1, DONE)], 2, 0),
        ([("hold", 1, DONE), ("hold", 1, DONE)], 2, 0),
        ([("hold", 1, DONE), ("hold", 2, SHORT)], 2, 0),
        ([("hold", 1, DONE), ("sell", 1, DONE)], 0, 0),
        ([("hold", 1, DONE), ("sell", 1, DONE), ("sell", 1, DONE)], 0, 0),
        ([("hold", 1, DONE), ("sell", 1, DONE), ("hold", 1, DONE)], 0, 0),
        ([("hold", 1, DONE), ("sell", 1, DONE), ("hold", 2, SHORT)], 0, 0),
        ([("hold", 1, DONE), ("release", 1, DONE)], 2, 2),
        ([("hold", 1, DONE), ("release", 1, DONE), ("release", 1, DONE)], 2, 2),
        ([("hold", 1, DONE), ("release", 1, DONE), ("sell", 1, FALLEN)], 2, 2),
        ([("hold", 1, DONE), ("release", 1, DONE), ("hold", 1, FALLEN)], 2, 2),
        ([("hold", 1, DONE), ("release", 1, DONE), ("hold", 2, DONE)], 2, 0),
        ([("hold", 1, DONE), ("sell", 1, DONE), ("release", 1, DONE)], 2, 2),
        ([("hold", 1, DONE), ("sell", 1, DONE), ("release", 1, DONE), ("release", 1, DONE)], 2, 2),
        ([("hold", 1, DONE), ("sell", 1, DONE), ("release", 1, DONE), ("sell", 1, FALLEN)], 2, 2),
        ([("sell", 1, Verdict.NOTHING_HELD)], 2, 2),
        ([("sell", 1, Verdict.NOTHING_HELD), ("hold", 1, DONE)], 2, 0),
        ([("release", 1, DONE)], 2, 2),
        ([("release", 1, DONE), ("hold", 1, FALLEN)], 2, 2),
        ([("release", 1, DONE), ("sell", 1, FALLEN), ("hold", 1, FALLEN)], 2, 2),
        ([("hold", 1, DONE), ("wait", 0, DONE), ("hold", 2, DONE)], 2, 0),
        ([("hold", 1, DONE), ("wait", 0, DONE), ("hold", 1, DONE), ("hold", 2, SHORT)], 2, 0),
        ([("hold", 1, DONE), ("wait", 0, DONE), ("sell", 1, DONE)], 0, 0),
        ([("hold", 1, DONE), ("wait", 0, DONE), ("hold", 2, DONE), ("sell", 1, SHORT)], 2, 0),
        ([("hold", 1, DONE), ("wait", 0, DONE), ("hold", 2, DONE), ("hold", 1, SHORT)], 2, 0),
        ([("hold", 1, DONE), ("wait", 0, DONE), ("sell", 1, DONE), ("hold", 2, SHORT)], 0, 0),
        ([("hold", 1, DONE), ("wait", 0, DONE), ("release", 1, DONE), ("sell", 1, FALLEN)], 2, 2),
        ([("hold", 1, DONE), ("sell", 1, DONE), ("wait", 0, DONE), ("release", 1, DONE)], 2, 2),
    ],
)  # fmt: skip
def test_whatever_comes_twice_late_or_in_the_wrong_order_no_portion_is_lost_or_doubled(
    steps: Sequence[Step], on_hand: int, left: int
):
    stock = book(cake=2)
    for what, order, verdict in steps:
        if what == "wait":
            stock = pass_time(stock)
            continue
        command = {"hold": hold(order, stock.now, cake=2), "sell": Sell(order), "release": Release(order)}[
            what
        ]
        assert stock.carry_out(command).verdict is verdict
    assert (stock.levels[CAKE].on_hand, stock.levels[CAKE].left) == (on_hand, left)


def test_a_hold_takes_all_its_dishes_or_none_and_says_what_is_left():
    stock = book(cake=5, pie=1)
    result = stock.carry_out(hold(1, cake=2, pie=3))
    assert (result.verdict, result.left) == (SHORT, {"pie": 1})
    assert (stock.levels[CAKE].left, stock.levels[PIE].left) == (5, 1)
    assert not stock.changed_orders


def test_a_dish_that_never_had_stock_has_none_left():
    result = book().carry_out(hold(1, bread=1))
    assert (result.verdict, result.left) == (SHORT, {"bread": 0})


def test_an_order_that_holds_cannot_hold_something_else():
    stock = book(cake=5, pie=5)
    stock.carry_out(hold(1, cake=2))
    assert stock.carry_out(hold(1, cake=3)).verdict is Verdict.OTHER_PORTIONS
    assert stock.carry_out(hold(1, cake=2, pie=1)).verdict is Verdict.OTHER_PORTIONS
    assert stock.levels[CAKE].left == 3


def test_a_repeated_hold_lasts_no_longer_than_the_first():
    stock = book(cake=5)
    first = hold(1, cake=1)
    stock.carry_out(first)
    stock.carry_out(hold(1, NOW + timedelta(minutes=5), cake=1))
    assert stock.holdings[1].expires_at == first.expires_at


def test_portions_that_clocks_disagree_about_are_never_sold_twice():
    """A process whose clock is ahead took order 1's time for up, and sold its portions to order 2."""
    stock = book(cake=1)
    stock.carry_out(hold(1, cake=1))
    stock.levels[CAKE].on_hand = 0
    result = stock.carry_out(Sell(1))
    assert (result.verdict, result.left) == (SHORT, {"cake": 0})
    assert (stock.levels[CAKE].on_hand, stock.levels[CAKE].live) == (0, 1)


@pytest.mark.parametrize(
    ("quantity", "received", "on_hand"),
    [(3, True, 5), (-1, True, 1), (-2, False, 2), (0, True, 2), (10**9, False, 2)],
)
def test_portions_that_are_promised_cannot_be_taken_off(quantity: int, received: bool, on_hand: int):
    stock = book(cake=2)
    stock.carry_out(hold(1, cake=1))
    assert stock.receive(CAKE, quantity) is received
    assert stock.levels[CAKE].on_hand == stock.levels[CAKE].received == on_hand


def test_only_what_has_changed_is_written():
    stock = book(cake=2, pie=2)
    stock.carry_out(hold(1, cake=1))
    assert (stock.changed_items, stock.changed_orders) == (set(), {1})
    stock.carry_out(Sell(1))
    assert (stock.changed_items, stock.changed_orders) == ({CAKE}, {1})
