"""A row of the old table as Tiffin is told of it, by the mapping file. No I/O."""

from collections.abc import Mapping as MappingOf
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from tiffin.migration.mapping import MONEY, TIMES, Columns, Mapping, State
from tiffin.rpc import contracts as c

LINES = "lines"
"""Under this name a source gives a row its lines out of a table of their own."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Row = MappingOf[str, Any]
"""A row of the source, by column: what its driver makes of it."""


class RowError(Exception):
    """A row that cannot be taken over as it is; the message says why."""


def legacy_id(mapping: Mapping, row: Row) -> str:
    """The old id of a row, which is its key as text."""
    return str(row[mapping.source.key])


def convert(mapping: Mapping, row: Row) -> c.LegacyOrder:
    """A row of the source as Tiffin is told of it. `RowError` if it cannot be."""
    columns, ids = mapping.columns, mapping.ids
    told: dict[str, Any] = {
        "legacy_id": legacy_id(mapping, row),
        "revision": revision_of(row[mapping.source.revision], mapping.zone),
        "customer_id": ids.customer + _text(row, columns.customer_id),
        "restaurant_id": ids.restaurant + _text(row, columns.restaurant_id),
        "state": _state(mapping, row),
        "payment_method": _text(row, columns.payment_method),
        "currency": _text(row, columns.currency) if columns.currency else mapping.money.currency,
        **{field: _amount(row[getattr(columns, field)], mapping.money.digits, field) for field in MONEY},
    }
    for field in TIMES:
        column: str | None = getattr(columns, field)
        if column is not None and row[column] is not None:
            told[field] = _time(row[column], mapping.zone, field).isoformat()
    for field in ("reason", "note"):
        told[field] = _optional(row, getattr(columns, field))
    courier = _optional(row, columns.courier_id)
    told["courier_id"] = None if courier is None else ids.courier + courier
    told["address"] = _address(columns, row)
    told["lines"] = _lines(mapping, row)
    return _checked(told)


def _state(mapping: Mapping, row: Row) -> State:
    value = _text(row, mapping.columns.state)
    state = mapping.states.get(value)
    if state is None:
        raise RowError(f"state {value!r} is not in the mapping")
    return state


def _amount(value: Any, digits: int, field: str) -> int:
    if isinstance(value, bool | float) or value is None:
        raise RowError(f"{field} is {value!r}: no exact amount")
    try:
        scaled = Decimal(str(value)).scaleb(digits)
    except InvalidOperation:
        raise RowError(f"{field} is no number: {value!r}") from None
    if not scaled.is_finite() or scaled != scaled.to_integral_value():
        raise RowError(f"{field} {value} is no whole number of minor units")
    return int(scaled)


def _address(columns: Columns, row: Row) -> dict[str, Any] | None:
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


def _lines(mapping: Mapping, row: Row) -> list[dict[str, Any]] | None:
    items = mapping.items
    if items is None:
        return None
    told: Any = row[LINES] if items.column is None else _json_list(row[items.column])
    try:
        return [
            {
                "name": _said(line[items.name], "name"),
                "quantity": int(line[items.quantity]),
                "unit_price": _amount(line[items.unit_price], mapping.money.digits, "unit_price"),
            }
            for line in told
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise RowError(f"its items cannot be read: {error!r}") from None


def revision_of(value: Any, zone: ZoneInfo) -> int:
    """A revision as a number; of a time its microseconds."""
    if isinstance(value, datetime):
        return (_aware(value, zone) - _EPOCH) // _MICROSECOND
    try:
        return int(value)
    except (TypeError, ValueError):
        raise RowError(f"revision is {value!r}") from None


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
