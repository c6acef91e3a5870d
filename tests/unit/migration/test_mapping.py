"""The mapping file: what it says of a row, and each mistake by its name."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tiffin.migration.mapping import MappingError, problems_with, read_mapping
from tiffin.migration.rows import LINES, RowError, convert
from tiffin.rpc import contracts as c

TEXT = """
name = "zeus"
[source]
url = "postgresql://reader@db/zeus"
table = "orders"
key = "id"
revision = "changed_at"
zone = "America/Bogota"
[columns]
customer_id = "user_id"
restaurant_id = "shop_id"
state = "status"
placed_at = "created_at"
updated_at = "changed_at"
subtotal = "food"
delivery_fee = "delivery"
total = "total"
payment_method = "paid_by"
courier_id = "rider_id"
reason = "dead_because"
street = "street"
latitude = "latitude"
longitude = "longitude"
[states]
new = "awaiting_acceptance"
dead = "cancelled"
[money]
currency = "COP"
digits = 2
[ids]
customer = "z-"
courier = "r"
[items]
column = "items"
name = "dish"
quantity = "count"
unit_price = "price"
"""
COLUMNS = dict.fromkeys(
    (
        "id", "changed_at", "user_id", "shop_id", "status", "created_at", "food", "delivery", "total",
        "paid_by", "rider_id", "dead_because", "street", "latitude", "longitude", "items",
    ),
    "text",
)  # fmt: skip
ROW = {
    "id": 7, "changed_at": datetime(2026, 1, 2, 3, 4, 5, 678901), "user_id": 12, "shop_id": 5,
    "status": "new", "created_at": datetime(2026, 1, 2, 3, tzinfo=UTC), "food": Decimal("25.00"),
    "delivery": Decimal("3.5"),
    "total": Decimal("28.50"), "paid_by": "card", "rider_id": 9, "dead_because": "", "street": "Calle 9",
    "latitude": 4.6, "longitude": Decimal("-74.1"),
    "items": '[{"dish": "Sopa", "count": 2, "price": "12.50"}, {"dish": "Jugo", "count": 1, "price": 0.1}]',
}  # fmt: skip


def test_a_row_is_an_order() -> None:
    assert convert(read_mapping(TEXT), ROW) == c.LegacyOrder(
        legacy_id="7", revision=1767341045678901, customer_id="z-12", restaurant_id="5",
        state="awaiting_acceptance", placed_at="2026-01-02T03:00:00+00:00",
        updated_at="2026-01-02T08:04:05.678901+00:00", subtotal=2500, delivery_fee=350, total=2850,
        currency="COP", payment_method="card", courier_id="r9",
        lines=[
            c.LegacyLine(name="Sopa", quantity=2, unit_price=1250),
            c.LegacyLine(name="Jugo", quantity=1, unit_price=10),
        ],
        address=c.LegacyAddress(street="Calle 9", place=c.Place(latitude=4.6, longitude=-74.1)),
    )  # fmt: skip


def test_lines_come_out_of_a_table_as_well() -> None:
    text = TEXT.replace('column = "items"', 'table = "order_items"\norder = "order_id"')
    row = {**ROW, LINES: [{"dish": "Sopa", "count": 3, "price": Decimal("1.00")}]}
    assert convert(read_mapping(text), row).lines == [c.LegacyLine(name="Sopa", quantity=3, unit_price=100)]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"status": "lost"}, "state 'lost' is not in the mapping"),
        ({"status": None}, "status is null"),
        ({"user_id": None}, "user_id is null"),
        ({"user_id": "a b"}, "customer_id"),
        ({"total": Decimal("1.005")}, "total 1.005 is no whole number of minor units"),
        ({"total": 28.5}, "no exact amount"),
        ({"total": None}, "no exact amount"),
        ({"total": "much"}, "total is no number"),
        ({"total": Decimal("NaN")}, "no whole number"),
        ({"total": Decimal("-1")}, "total"),
        ({"created_at": "0000-00-00 00:00:00"}, "placed_at is no time"),
        ({"changed_at": "x"}, "revision"),
        ({"items": "{"}, "no JSON"),
        ({"items": "{}"}, "no list"),
        ({"items": '[{"dish": "Sopa"}]'}, "items cannot be read"),
        ({"items": '[{"dish": "Sopa", "count": 0, "price": 1}]'}, "lines"),
        ({"street": "x" * 201}, "street"),
        ({"street": "a\0b"}, "NUL"),
        ({"id": "a" * 65}, "legacy_id"),
    ],
)
def test_a_row_that_cannot_be_taken_says_why(change: dict[str, object], why: str) -> None:
    with pytest.raises(RowError, match=why):
        convert(read_mapping(TEXT), {**ROW, **change})


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ('name = "zeus"', "name = ", "bad_file"),
        ('name = "zeus"', 'name = "Zeus!"', "bad_file"),
        ('new = "awaiting_acceptance"', 'new = "baking"', "bad_file"),
        ('state = "status"', 'stat = "status"', "bad_file"),
        ('url = "postgresql://', 'url = "oracle://', "bad_file"),
        ('zone = "America/Bogota"', 'zone = "Moon/Base"', "bad_zone"),
        ('currency = "COP"', "", "no_currency"),
        ('column = "items"', "", "bad_items"),
        ('column = "items"', 'table = "order_items"', "bad_items"),
    ],
)
def test_each_mistake_of_a_file_has_its_name(old: str, new: str, kind: str) -> None:
    with pytest.raises(MappingError) as raised:
        read_mapping(TEXT.replace(old, new))
    assert kind in [problem.kind for problem in raised.value.problems]


@pytest.mark.parametrize(
    ("columns", "kind", "what"),
    [
        ({}, "unknown_table", "orders"),
        ({name: "text" for name in COLUMNS if name != "rider_id"}, "unknown_column", "rider_id"),
        ({**COLUMNS, "total": "double precision"}, "float_money", "total"),
        ({**COLUMNS, "food": "float(10,2)"}, "float_money", "subtotal"),
    ],
)
def test_each_column_that_does_not_fit_is_told(columns: dict[str, str], kind: str, what: str) -> None:
    (problem,) = problems_with(read_mapping(TEXT), columns, {})
    assert (problem.kind, what in problem.what) == (kind, True)


def test_a_mapping_that_fits_has_no_problems() -> None:
    assert problems_with(read_mapping(TEXT), COLUMNS, {}) == []
