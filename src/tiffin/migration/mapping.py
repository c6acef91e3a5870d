"""The mapping file: which column of the old table is what. `rows.py` reads rows by it. No I/O.

name = "zeus"                       # names the source in Tiffin, for ever

[source]
url = "postgresql://reader@db/zeus" # or mariadb://, mysql://
table = "orders"                    # or schema.table
key = "id"                          # unique; old ids are this, as text
revision = "updated_at"             # a number or a time that grows with every change of the row
zone = "America/Bogota"             # of times that name none; without it UTC
busy = 16                           # with more active statements than that the source is left in peace

[columns]                           # what has none is left out
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
reason = "dead_because"             # also: note, scheduled_for, street, city, latitude, longitude, currency

[states]                            # the old system's to Tiffin's
new = "awaiting_acceptance"
dead = "cancelled"

[money]
currency = "COP"                    # unless a column has it
digits = 2                          # 12.50 is 1250 minor units; 0: amounts are in minor units already

[ids]                               # put before the old system's ids
customer = "z"
restaurant = "z"
courier = ""

[items]                             # left out: orders have no lines
column = "items"                    # JSON, a list of objects; or, from a table of their own:
# table = "order_items"
# order = "order_id"
name = "dish"
quantity = "count"
unit_price = "price"
"""

import tomllib
from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

Kind = Literal[
    "bad_file", "bad_zone", "unknown_table", "unknown_column", "not_unique", "float_money", "bad_type",
    "no_currency", "unmapped_state", "bad_items", "unreachable",
]  # fmt: skip
State = Literal[
    "awaiting_payment", "scheduled", "awaiting_acceptance", "preparing", "ready", "delivering", "delivered",
    "completed", "cancelled",
]  # fmt: skip

Name = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_-]{0,31}$")]
Column = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Prefix = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_.:-]{0,20}$")]

MONEY = ("subtotal", "delivery_fee", "total")
TIMES = ("placed_at", "updated_at", "scheduled_for")


class Problem(NamedTuple):
    """A mistake of a mapping, or one that meets the source."""

    kind: Kind
    what: str


class MappingError(Exception):
    """The mapping does not fit; `problems` says each thing that is wrong."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(problem.what for problem in problems))
        self.problems = tuple(problems)


class SourceTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the orders are."""

    url: Annotated[str, msgspec.Meta(pattern="^(postgres(ql)?|mariadb|mysql)://.")]
    table: Column
    key: Column
    revision: Column
    zone: str = "UTC"
    busy: Annotated[int, msgspec.Meta(ge=1)] = 16


class Columns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is in which column."""

    customer_id: Column
    restaurant_id: Column
    state: Column
    placed_at: Column
    updated_at: Column
    subtotal: Column
    delivery_fee: Column
    total: Column
    payment_method: Column
    courier_id: Column | None = None
    reason: Column | None = None
    note: Column | None = None
    scheduled_for: Column | None = None
    street: Column | None = None
    city: Column | None = None
    latitude: Column | None = None
    longitude: Column | None = None
    currency: Column | None = None


class Currency(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an amount of the old system means."""

    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")] | None = None
    digits: Annotated[int, msgspec.Meta(ge=0, le=6)] = 2


class Ids(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is put before ids of the old system."""

    customer: Prefix = ""
    restaurant: Prefix = ""
    courier: Prefix = ""


class Items(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where an order's lines are: a JSON column, or a table."""

    name: Column
    quantity: Column
    unit_price: Column
    column: Column | None = None
    table: Column | None = None
    order: Column | None = None


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """A mapping file, as far as it can be judged without its source."""

    name: Name
    source: SourceTable
    columns: Columns
    states: dict[str, State]
    money: Currency = Currency()
    ids: Ids = Ids()
    items: Items | None = None

    @cached_property
    def zone(self) -> ZoneInfo:
        """Of times without one."""
        return ZoneInfo(self.source.zone)

    def wanted(self) -> list[str]:
        """The columns of the table that are read, each once."""
        mapped = [getattr(self.columns, field) for field in self.columns.__struct_fields__]
        items = self.items.column if self.items else None
        every = [self.source.key, self.source.revision, *mapped, items]
        return list(dict.fromkeys(name for name in every if name is not None))


def read_mapping(text: str) -> Mapping:
    """A mapping of a file's text. `MappingError`."""
    try:
        mapping = msgspec.convert(tomllib.loads(text), Mapping)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise MappingError([Problem("bad_file", str(error))]) from None
    problems = _own_problems(mapping)
    if problems:
        raise MappingError(problems)
    return mapping


def problems_with(
    mapping: Mapping, columns: MappingOf[str, str], item_columns: MappingOf[str, str]
) -> list[Problem]:
    """What of a mapping does not fit the columns that there are, by name and type."""
    table = mapping.source.table
    if not columns:
        return [Problem("unknown_table", f"there is no table {table}")]
    problems = [
        Problem("unknown_column", f"{table} has no column {name}; it has {', '.join(columns)}")
        for name in mapping.wanted()
        if name not in columns
    ]
    money = {getattr(mapping.columns, field): field for field in MONEY}
    problems += [
        Problem("float_money", f"{field} is {columns[name]} ({name}): sums in it are not exact")
        for name, field in money.items()
        if _is_float(columns.get(name, ""))
    ]
    items = mapping.items
    if items is not None and items.table is not None:
        if not item_columns:
            return [*problems, Problem("unknown_table", f"there is no table {items.table}")]
        problems += [
            Problem("unknown_column", f"{items.table} has no column {name}")
            for name in (items.order, items.name, items.quantity, items.unit_price)
            if name not in item_columns
        ]
        if _is_float(item_columns.get(items.unit_price, "")):
            problems.append(
                Problem("float_money", f"{items.table}.{items.unit_price} is of a type that is not exact")
            )
    return problems


def _own_problems(mapping: Mapping) -> list[Problem]:
    problems: list[Problem] = []
    try:
        ZoneInfo(mapping.source.zone)
    except (ZoneInfoNotFoundError, ValueError):
        problems.append(Problem("bad_zone", f"there is no time zone {mapping.source.zone!r}"))
    if mapping.columns.currency is None and mapping.money.currency is None:
        problems.append(Problem("no_currency", "name a currency: [money] currency, or a column"))
    items = mapping.items
    if items is not None and ((items.column is None) == (items.table is None)):
        problems.append(Problem("bad_items", "[items] is of a column or of a table: name exactly one"))
    if items is not None and (items.table is None) != (items.order is None):
        problems.append(Problem("bad_items", "[items] of a table: say which column is the order's key"))
    return problems


def _is_float(type_: str) -> bool:
    return type_.lower().split("(")[0].strip() in ("real", "double precision", "float", "double")
