"""The mapping file: which column of the old table is what. And by it, a row as a `LegacyOrder`. No I/O.

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
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Annotated, Any, Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from tiffin.rpc import contracts as c

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
LINES = "lines"
"""Under this name a source gives a row its lines out of a table of their own."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Row = MappingOf[str, Any]
"""A row of the source, by column: what its driver makes of it."""


class Problem(NamedTuple):
    """A mistake of a mapping, or one that meets the source."""

    kind: Kind
    what: str


class MappingError(Exception):
    """The mapping does not fit; `problems` says each thing that is wrong."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(problem.what for problem in problems))
        self.problems = tuple(problems)


class RowError(Exception):
    """A row that cannot be taken over as it is; the message says why."""


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

    def legacy_id(self, row: Row) -> str:
        """The old id of a row, which is its key as text."""
        return str(row[self.source.key])

    def convert(self, row: Row) -> c.LegacyOrder:
        """A row of the source as Tiffin is told of it. `RowError` if it cannot be."""
        columns, ids = self.columns, self.ids
        told: dict[str, Any] = {
            "legacy_id": self.legacy_id(row),
            "revision": revision_of(row[self.source.revision], self.zone),
            "customer_id": ids.customer + _text(row, columns.customer_id),
            "restaurant_id": ids.restaurant + _text(row, columns.restaurant_id),
            "state": self._state(row),
            "payment_method": _text(row, columns.payment_method),
            "currency": _text(row, columns.currency) if columns.currency else self.money.currency,
            **{field: self._amount(row[getattr(columns, field)], field) for field in MONEY},
        }
        for field in TIMES:
            column: str | None = getattr(columns, field)
            if column is not None and row[column] is not None:
                told[field] = _time(row[column], self.zone, field).isoformat()
        for field in ("reason", "note"):
            told[field] = _optional(row, getattr(columns, field))
        courier = _optional(row, columns.courier_id)
        told["courier_id"] = None if courier is None else ids.courier + courier
        told["address"] = self._address(row)
        told["lines"] = self._lines(row)
        return _checked(told)

    def _state(self, row: Row) -> State:
        value = _text(row, self.columns.state)
        state = self.states.get(value)
        if state is None:
            raise RowError(f"state {value!r} is not in the mapping")
        return state

    def _amount(self, value: Any, field: str) -> int:
        if isinstance(value, bool | float) or value is None:
            raise RowError(f"{field} is {value!r}: no exact amount")
        try:
            scaled = Decimal(str(value)).scaleb(self.money.digits)
        except InvalidOperation:
            raise RowError(f"{field} is no number: {value!r}") from None
        if not scaled.is_finite() or scaled != scaled.to_integral_value():
            raise RowError(f"{field} {value} is no whole number of minor units")
        return int(scaled)

    def _address(self, row: Row) -> dict[str, Any] | None:
        columns = self.columns
        street = _optional(row, columns.street)
        if street is None:
            return None
        told: dict[str, Any] = {"street": street, "city": _optional(row, columns.city)}
        latitude, longitude = (
            None if column is None else row[column] for column in (columns.latitude, columns.longitude)
        )
        if latitude is not None and longitude is not None:
            told["place"] = {"latitude": float(latitude), "longitude": float(longitude)}
        return told

    def _lines(self, row: Row) -> list[dict[str, Any]] | None:
        items = self.items
        if items is None:
            return None
        told: Any = row[LINES] if items.column is None else _json_list(row[items.column])
        try:
            return [
                {
                    "name": _said(line[items.name], "name"),
                    "quantity": int(line[items.quantity]),
                    "unit_price": self._amount(line[items.unit_price], "unit_price"),
                }
                for line in told
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise RowError(f"its items cannot be read: {error!r}") from None


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


def revision_of(value: Any, zone: ZoneInfo) -> int:
    """A revision as a number; of a time its microseconds."""
    if isinstance(value, datetime):
        return (_aware(value, zone) - _EPOCH) // _MICROSECOND
    try:
        return int(value)
    except (TypeError, ValueError):
        raise RowError(f"revision is {value!r}") from None


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


def _text(row: Row, column: str) -> str:
    if row[column] is None:
        raise RowError(f"{column} is null")
    return _said(row[column], column)


def _optional(row: Row, column: str | None) -> str | None:
    if column is None or row[column] is None:
        return None
    return _said(row[column], column) or None


def _said(value: Any, column: str) -> str:
    text = str(value)
    if "\0" in text:
        raise RowError(f"{column} has the character NUL")
    return text


def _time(value: Any, zone: ZoneInfo, field: str) -> datetime:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise RowError(f"{field} is no time: {value!r}") from None
    if not isinstance(value, datetime):
        raise RowError(f"{field} is no time: {value!r}")
    return _aware(value, zone)


def _aware(value: datetime, zone: ZoneInfo) -> datetime:
    try:
        return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError:
        raise RowError(f"{value} is out of range") from None


def _json_list(value: Any) -> Any:
    if value is None:
        return ()
    try:
        told = value if isinstance(value, list) else _decode(value)  # pyright: ignore[reportUnknownVariableType]
    except msgspec.DecodeError as error:
        raise RowError(f"its items are no JSON: {error}") from None
    if not isinstance(told, list):
        raise RowError("its items are no list")
    return told  # pyright: ignore[reportUnknownVariableType]


def _checked(told: dict[str, Any]) -> c.LegacyOrder:
    try:
        return msgspec.convert(
            {name: value for name, value in told.items() if value is not None}, c.LegacyOrder
        )
    except msgspec.ValidationError as error:
        raise RowError(str(error)) from None


_decode = msgspec.json.Decoder(float_hook=Decimal).decode
"""Numbers of JSON as they are written: no float comes near money."""
