"""The same platform on four databases."""

import re
from collections.abc import Mapping
from concurrent.futures import Future

import pytest

from system.commands import ORDERS, Demo

pytestmark = pytest.mark.xdist_group("system demos")

ROW = re.compile(r"│ (local\d?) +│ (customer|restaurant) +│ (\d+)-(\d+) \((\d+) of 120\) +│ +([\d,]+) │")


def test_a_day_on_four_nodes_is_carried_and_proved(demos: Mapping[int, "Future[Demo]"]) -> None:
    demo = demos[4].result()
    assert demo.exit_code == 0, demo.printed
    assert f"{ORDERS} of {ORDERS} orders placed" in demo.printed
    assert "Audit: 0 differences" in demo.printed

    shown = demo.tiffin("shards")
    rows = ROW.findall(shown.stdout)
    nodes = ("local", "local2", "local3", "local4")
    assert [(node, dimension) for node, dimension, *_ in rows] == [
        (node, dimension) for node in nodes for dimension in ("customer", "restaurant")
    ]
    for dimension in ("customer", "restaurant"):
        mine = [row for row in rows if row[1] == dimension]
        ranges = [(int(first), int(last), int(count)) for _, _, first, last, count, _ in mine]
        assert ranges == [(0, 29, 30), (30, 59, 30), (60, 89, 30), (90, 119, 30)]
        orders = [int(row[5]) for row in mine]
        assert sum(orders) == ORDERS
        assert all(orders), f"a node without {dimension} orders: {orders}"
