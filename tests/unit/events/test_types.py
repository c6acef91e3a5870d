"""What consumers ask the log for has all that concerns them, whatever moves are added to the tables."""

import pytest

from tiffin.services.orders.states import EDGES
from tiffin.services.payments.consumers import PaymentsConsumer
from tiffin.services.restaurants.consumers import StockConsumer
from tiffin.services.reverse.consumers import ReverseConsumer
from tiffin.services.reverse.states import EDGES as CASE_EDGES


@pytest.mark.parametrize("consumer", [StockConsumer, PaymentsConsumer, ReverseConsumer])
def test_who_cares_for_fallen_orders_hears_of_every_way_to_fall(
    consumer: type[StockConsumer | PaymentsConsumer | ReverseConsumer],
) -> None:
    assert {f"order.{edge.event}" for edge in EDGES if edge.target == "cancelled"} <= consumer.types


def test_the_copy_of_cases_hears_of_every_move() -> None:
    assert {f"case.{edge.event}" for edge in CASE_EDGES} <= ReverseConsumer.types


def test_stock_hears_of_every_order_that_comes_to_stand() -> None:
    unsure = (None, "awaiting_payment")
    comes_to_stand = {
        f"order.{edge.event}"
        for edge in EDGES
        if edge.source in unsure and edge.target in ("scheduled", "awaiting_acceptance")
    }
    assert comes_to_stand <= StockConsumer.types
