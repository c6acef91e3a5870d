"""The mapping the other way round: an order of Tiffin's as a row of the old table. No I/O."""

from datetime import datetime
from decimal import Decimal
from typing import get_args

import msgspec

from tiffin.migration.live.desk import Row
from tiffin.migration.mapping import MONEY, TIMES, Mapping, State
from tiffin.rpc import contracts as c

_WRITTEN_BACK: tuple[State, ...] = (
    "awaiting_acceptance", "preparing", "ready", "delivering", "delivered", "completed", "cancelled",
)  # fmt: skip
"""States in which an adopted order can be, once Tiffin decides about it; whatever else it had, it has left.
"""
_CHANGING = ("state", "updated_at", "courier_id", "reason")
_encode = msgspec.json.Encoder().encode


def unknown_there(mapping: Mapping) -> list[State]:
    """States that orders may get in Tiffin, and that none of the old system's stands for."""
    return [state for state in _WRITTEN_BACK if state not in mapping.states.values()]


def row_of(mapping: Mapping, order: c.LegacyOrder) -> Row:
    """The row, with every column that the mapping knows of.

    Of several old states that stand for one of Tiffin's it gets the first. Its revision is the moment of the
    last change; one that is a number is left to whoever writes the row. `KeyError` if no old state stands for
    the order's.
    """
    columns, ids = mapping.columns, mapping.ids
    states = {new: old for old, new in reversed(mapping.states.items())}
    told: dict[str, str | None] = {
        "customer_id": order.customer_id.removeprefix(ids.customer),
        "restaurant_id": order.restaurant_id.removeprefix(ids.restaurant),
        "courier_id": order.courier_id and order.courier_id.removeprefix(ids.courier),
        "state": states[_state(order)],
        "payment_method": order.payment_method,
        "currency": order.currency,
        "reason": order.reason,
        "note": order.note,
        **{field: _amount(mapping, getattr(order, field)) for field in MONEY},
        **{field: _time(mapping, getattr(order, field)) for field in TIMES},
    }
    if order.address is not None:
        told |= {"street": order.address.street, "city": order.address.city}
        if order.address.place is not None:
            place = order.address.place
            told |= {"latitude": repr(place.latitude), "longitude": repr(place.longitude)}
    values: dict[str, str | None] = {mapping.source.key: order.legacy_id}
    if mapping.source.revision != columns.updated_at:
        values[mapping.source.revision] = str(order.revision)
    for field in columns.__struct_fields__:
        column: str | None = getattr(columns, field)
        if column is not None and field in told:
            values[column] = told[field]
    if mapping.items is not None and mapping.items.column is not None:
        values[mapping.items.column] = _lines(mapping, order)
    changing = {getattr(columns, field) for field in _CHANGING}
    return Row(values, frozenset(column for column in changing if column is not None))


def _state(order: c.LegacyOrder) -> State:
    assert order.state in get_args(State)
    return order.state  # pyright: ignore[reportReturnType] - the contract has it as text


def _amount(mapping: Mapping, minor_units: int) -> str:
    return str(Decimal(minor_units).scaleb(-mapping.money.digits))


def _time(mapping: Mapping, text: str | None) -> str | None:
    """In the zone of times that name none, with its offset: right for columns with one and without."""
    if text is None:
        return None
    return datetime.fromisoformat(text).astimezone(mapping.zone).isoformat(" ", "microseconds")


def _lines(mapping: Mapping, order: c.LegacyOrder) -> str:
    items = mapping.items
    assert items is not None
    return _encode(
        [
            {
                items.name: line.name,
                items.quantity: line.quantity,
                items.unit_price: _amount(mapping, line.unit_price),
            }
            for line in order.lines or ()
        ]
    ).decode()
