"""A menu as a CSV file: a row a category, dish, option group or option; see docs/restaurants.md.

A cell that a spreadsheet would take for a formula is written with an apostrophe before it, as is one that
begins with an apostrophe; reading takes exactly that apostrophe away again.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from tiffin.rpc import contracts as c
from tiffin.services.restaurants.menu import Card

COLUMNS: tuple[str, ...] = (
    "kind", "dish", "id", "name", "price", "category", "group", "description", "choose_min", "choose_max",
    "quantity_max", "available", "limited", "daily_portions", "preparation_minutes", "windows",
)  # fmt: skip

ROWS_MAX = 20_000
"""A megabyte of JSON has no more, and a report of so many faults takes a tenth of a second."""

_OF_KIND: Mapping[str, tuple[type[msgspec.Struct], frozenset[str]]] = {
    "category": (c.MenuCategory, frozenset({"name", "description", "windows"})),
    "item": (
        c.MenuItem,
        frozenset({"id", "name", "price", "category", "description", "available", "limited", "daily_portions",
                   "preparation_minutes", "windows"}),
    ),
    "group": (c.OptionGroup, frozenset({"id", "name", "choose_min", "choose_max"})),
    "option": (c.OptionChoice, frozenset({"id", "name", "price", "group", "quantity_max", "available"})),
}  # fmt: skip
"""What a row of each kind says, but for the dish it is about."""

_TEXT = frozenset({"name", "description", "category"})
"""Taken as it stands; other cells may have spaces around them."""
_NUMBERS = frozenset(
    {"price", "choose_min", "choose_max", "quantity_max", "daily_portions", "preparation_minutes"}
)
_FIELDS = {
    kind: {field.name: field for field in msgspec.structs.fields(made)}
    for kind, (made, _) in _OF_KIND.items()
}
_FORMULA = "=+-@\t\r\n"
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_YES, _NO = ("yes", "true", "1"), ("no", "false", "0")


class Fault(NamedTuple):
    """Why a row is refused. Nothing of its dish is taken."""

    line: int
    dish: str | None
    field: str
    reason: str


class Rows(NamedTuple):
    """What a file says, row by row."""

    card: Card
    item_lines: list[int]
    category_lines: list[int]
    faults: list[Fault]
    names_categories: bool
    """Whether there are any, good or bad: then every dish's has to be a good one."""


class UnreadableError(Exception):
    """The file cannot be read from this line on."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line, self.reason = line, reason


class _Made(NamedTuple):
    line: int
    kind: str
    dish: str
    struct: Any


def write_csv(card: Card) -> str:
    """The menu as a file. Read again, it is the same menu."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    for row in _rows(card):
        writer.writerow({column: _disarmed(_text(value)) for column, value in row.items()})
    return out.getvalue()


def read_csv(text: str) -> Rows:
    """What a file says. `UnreadableError` if it is no CSV file, or not one of a menu."""
    made: list[_Made] = []
    faults: list[Fault] = []
    names_categories = False
    for line, cells in _records(text.removeprefix("\ufeff")):
        kind = cells.pop("kind", "").strip().lower()
        if kind not in _OF_KIND:
            faults.append(Fault(line, None, "kind", "is one of category, item, group, option"))
            continue
        names_categories = names_categories or kind == "category"
        dish = cells.pop("dish", "").strip()
        if kind == "item":
            dish = dish or cells.get("id", "").strip()
        struct = _struct(line, kind, dish, cells, faults)
        if struct is not None:
            made.append(_Made(line, kind, dish, struct))
    return _put_together(made, faults, names_categories)


def _records(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Each record's first line and its cells that are not empty, by column."""
    head = text.partition("\n")[0]
    delimiter = ";" if ";" in head and "," not in head else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    columns: list[str] | None = None
    line, count = 1, 0
    try:
        for record in reader:
            if columns is None:
                columns = _header([cell.strip().lower() for cell in record])
            elif any(record):
                count += 1
                if count > ROWS_MAX:
                    raise UnreadableError(line, f"a file has at most {ROWS_MAX} rows")
                if len(record) > len(columns):
                    raise UnreadableError(line, f"there are {len(record)} cells, and {len(columns)} columns")
                yield line, {name: _armed(cell) for name, cell in zip(columns, record, strict=False) if cell}
            line = reader.line_num + 1
    except csv.Error as error:
        raise UnreadableError(line, str(error)) from None
    if columns is None:
        raise UnreadableError(1, "there is nothing in it")


def _header(columns: list[str]) -> list[str]:
    unknown = sorted(set(columns) - set(COLUMNS))
    if unknown or len(set(columns)) < len(columns) or "kind" not in columns:
        told = f"unknown: {', '.join(unknown)}"[:100] if unknown else "each once, `kind` among them"
        raise UnreadableError(1, f"the first line names the columns ({told}); they are {', '.join(COLUMNS)}")
    return columns


def _struct(line: int, kind: str, dish: str, cells: Mapping[str, str], faults: list[Fault]) -> Any:
    """What the row is, or None and at least one fault."""
    made, wanted = _OF_KIND[kind]
    values: dict[str, Any] = {}
    before = len(faults)
    if kind in ("group", "option") and not dish:
        faults.append(Fault(line, None, "dish", "is missing: the id of the dish this is for"))
    for name, cell in cells.items():
        if name not in wanted:
            faults.append(Fault(line, dish or None, name, f"is not for a row of kind {kind}"))
            continue
        try:
            values[name] = _value(kind, name, cell)
        except ValueError as error:
            faults.append(Fault(line, dish or None, name, str(error)))
    for name, field in _FIELDS[kind].items():
        if field.required and name not in cells:
            faults.append(Fault(line, dish or None, name, "is missing"))
    return made(**values) if len(faults) == before else None


def _value(kind: str, name: str, cell: str) -> Any:
    """A cell as its field's type. `ValueError` with the reason if it is none."""
    if name == "windows":
        return [_window(part) for part in cell.split(";")]
    text = cell if name in _TEXT else cell.strip()
    if name in ("available", "limited"):
        if text.lower() not in _YES + _NO:
            raise ValueError("is yes or no")
        return text.lower() in _YES
    if name in _NUMBERS and not (text.isascii() and text.isdigit()):
        hint = " of minor units: 850, not 8.50" if name == "price" else ""
        raise ValueError(f"is a whole number{hint}")
    try:
        return msgspec.convert(text, _FIELDS[kind][name].type, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None


def _window(text: str) -> c.AvailabilityWindow:
    """`mon-fri 07:00-11:00`, `sat,sun 09:00-12:00`, `18:00-02:00`."""
    days, _, times = text.strip().rpartition(" ")
    starts, _, ends = times.partition("-")
    weekdays = [day for part in days.split(",") for day in _days(part.strip().lower())] if days else None
    try:
        return msgspec.convert({"weekdays": weekdays, "starts": starts, "ends": ends}, c.AvailabilityWindow)
    except msgspec.ValidationError:
        raise ValueError(f"{text.strip()[:40]!r} is not like `mon-fri 07:00-11:00`") from None


def _days(text: str) -> Sequence[int]:
    first, dash, last = text.partition("-")
    try:
        start = _DAYS.index(first)
        stop = _DAYS.index(last) if dash else start
    except ValueError:
        raise ValueError(f"{text[:20]!r} is not a day: {' '.join(_DAYS)}") from None
    return [day % 7 for day in range(start, stop + 1 if stop >= start else stop + 8)]


def _put_together(made: Iterable[_Made], faults: list[Fault], names_categories: bool) -> Rows:
    """Dishes with their groups and options, in the order of their rows."""
    rows = Rows(Card([], []), [], [], faults, names_categories)
    items: dict[str, c.MenuItem] = {}
    for each in made:
        if each.kind == "category":
            rows.card.categories.append(each.struct)
            rows.category_lines.append(each.line)
        elif each.kind == "item" and each.dish in items:
            faults.append(Fault(each.line, each.dish, "id", "another row is this dish"))
        elif each.kind == "item":
            items[each.dish] = each.struct
            rows.card.items.append(each.struct)
            rows.item_lines.append(each.line)
    for each in made:
        if each.kind in ("category", "item"):
            continue
        item = items.get(each.dish)
        if item is None:
            faults.append(
                Fault(each.line, each.dish, "dish", "there is no good row of kind item with this id")
            )
        elif each.kind == "group":
            item.option_groups = [*(item.option_groups or ()), each.struct]
        else:
            item.options = [*(item.options or ()), each.struct]
    return rows


def _rows(card: Card) -> Iterator[dict[str, Any]]:
    for category in card.categories:
        yield {"kind": "category", **_cells("category", category)}
    for item in card.items:
        yield {"kind": "item", **_cells("item", item)}
        for group in item.option_groups or ():
            yield {"kind": "group", "dish": item.id, **_cells("group", group)}
        for option in item.options or ():
            yield {"kind": "option", "dish": item.id, **_cells("option", option)}


def _cells(kind: str, struct: msgspec.Struct) -> dict[str, Any]:
    """What is not as it would be without being said."""
    fields = _FIELDS[kind]
    values = {name: getattr(struct, name) for name in _OF_KIND[kind][1]}
    return {
        name: value
        for name, value in values.items()
        if fields[name].required or value != fields[name].default
    }


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "; ".join(_window_text(window) for window in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return "" if value is None else str(value)


def _window_text(window: c.AvailabilityWindow) -> str:
    days = ",".join(_DAYS[day] for day in window.weekdays or ())
    return f"{days} {window.starts}-{window.ends}".strip()


def _disarmed(cell: str) -> str:
    return f"'{cell}" if cell[:1] and cell[0] in _FORMULA + "'" else cell


def _armed(cell: str) -> str:
    return cell[1:] if cell[:1] == "'" and cell[1:2] and cell[1] in _FORMULA + "'" else cell
