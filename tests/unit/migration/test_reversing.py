"""What comes from the old table goes back into it as it was."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from tiffin.migration.live.reversing import row_of, unknown_there
from tiffin.migration.mapping import read_mapping
from tiffin.migration.rows import convert

MAPPING = """
name = "zeus"
[source]
url = "postgresql://db/zeus"
table = "orders"
key = "id"
revision = "updated_at"
zone = "America/Bogota"
[columns]
customer_id = "user_id"
restaurant_id = "shop_id"
state = "status"
placed_at = "created_at"
updated_at = "updated_at"
subtotal = "food"
delivery_fee = "delivery"
total = "total"
payment_method = "paid_by"
courier_id = "rider_id"
reason = "dead_because"
street = "street"
city = "city"
latitude = "latitude"
longitude = "longitude"
[states]
new = "awaiting_acceptance"
fresh = "awaiting_acceptance"
dead = "cancelled"
[money]
currency = "COP"
[ids]
customer = "z"
courier = "r-"
[items]
column = "items"
name = "dish"
quantity = "count"
unit_price = "price"
"""
ROW: dict[str, Any] = {
    "id": 17, "user_id": 5, "shop_id": 9, "status": "new", "food": Decimal("12.50"),
    "delivery": Decimal("3.00"), "total": Decimal("15.50"), "paid_by": "cash", "street": "Calle 1",
    "city": "Medellín", "latitude": 6.25, "longitude": -75.56, "rider_id": 3, "dead_because": None,
    "items": '[{"dish":"Arepa","count":2,"price":"6.25"}]',
    "created_at": datetime(2026, 6, 1, 12, 0, tzinfo=UTC),
    "updated_at": datetime(2026, 6, 1, 12, 0, 1, 123456, tzinfo=UTC),
}  # fmt: skip


def test_a_row_goes_back_as_it_came() -> None:
    mapping = read_mapping(MAPPING)
    order = convert(mapping, ROW)
    back = row_of(mapping, order)
    texts = {**{name: str(value) for name, value in ROW.items()}, "dead_because": None}
    texts |= {
        "created_at": "2026-06-01 07:00:00.000000-05:00",
        "updated_at": "2026-06-01 07:00:01.123456-05:00",
    }
    assert back.values == texts
    assert back.changing == {"status", "updated_at", "rider_id", "dead_because"}
    assert convert(mapping, {**ROW, "items": back.values["items"]}) == order


def test_of_two_states_that_are_one_here_the_first_is_written_back() -> None:
    mapping = read_mapping(MAPPING)
    assert row_of(mapping, convert(mapping, {**ROW, "status": "fresh"})).values["status"] == "new"


def test_a_revision_that_is_a_number_is_left_to_the_table() -> None:
    mapping = read_mapping(MAPPING.replace('revision = "updated_at"', 'revision = "version"'))
    back = row_of(mapping, convert(mapping, {**ROW, "version": 4}))
    assert back.values["version"] == "4"
    assert "version" not in back.changing


def test_what_has_no_name_in_the_old_system_is_told() -> None:
    mapping = read_mapping(MAPPING)
    assert unknown_there(mapping) == ["preparing", "ready", "delivering", "delivered", "completed"]
    named = msgspec.structs.replace(mapping, states={state: state for state in unknown_there(mapping)})
    assert unknown_there(named) == ["awaiting_acceptance", "cancelled"]
