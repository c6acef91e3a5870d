"""Reading a menu from a file with a report of what is refused, and writing one."""

from collections.abc import Container, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.rpc.checks import refuse_escaped_nul
from tiffin.services.restaurants.menu import Card, Problem, problems, tidied
from tiffin.services.restaurants.menu_csv import ROWS_MAX, Fault, Rows, UnreadableError, read_csv, write_csv

ITEMS_MAX, CATEGORIES_MAX = 2000, 200
REASON_MAX = 200
REPORTED_MAX = 500

_LISTS: dict[str, type[msgspec.Struct]] = {"categories": c.MenuCategory, "items": c.MenuItem}


class Reading(NamedTuple):
    """What of a file is good, and what is not."""

    card: Card
    refused: list[c.RefusedRow]
    readable: bool
    """False: some of it could not be read at all, so what is good is not all there is."""

    def may_apply(self, mode: str) -> bool:
        """Whether the good part becomes the menu. Never, if nothing of the file's dishes is good."""
        if not self.refused:
            return True
        return mode == "valid" and self.readable and bool(self.card.items)


def write_menu(card: Card, file_format: str) -> str:
    """The menu as a file of this format."""
    if file_format == "csv":
        return write_csv(card)
    return msgspec.json.format(msgspec.json.encode(card), indent=2).decode()


def read_menu(text: str, file_format: str) -> Reading:
    """What a file says. A dish of which anything is refused is left out whole."""
    try:
        rows = read_csv(text) if file_format == "csv" else _read_json(text)
    except UnreadableError as error:
        return Reading(Card(), [_refused(Fault(error.line, None, "file", error.reason))], readable=False)
    faults = list(rows.faults)
    spoilt = {fault.dish for fault in faults if fault.dish is not None}
    faults += _misshapen(rows)
    kept, more = _without_problems(rows, spoilt | {fault.dish for fault in faults if fault.dish is not None})
    faults += more
    faults.sort(key=lambda fault: fault.line)
    return Reading(tidied(kept.items, kept.categories), [_refused(fault) for fault in faults], readable=True)


def make_report(reading: Reading, applied: bool, version: int) -> c.ImportReport:
    """As the caller sees it."""
    return c.ImportReport(
        applied=applied,
        version=version,
        taken=len(reading.card.items),
        refused_total=len(reading.refused),
        refused=reading.refused[:REPORTED_MAX],
    )


def _read_json(text: str) -> Rows:
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UnreadableError(1, f"this is no JSON: {error}") from None
    if not isinstance(document, dict) or not document.keys() <= _LISTS.keys():  # pyright: ignore[reportUnknownMemberType]
        raise UnreadableError(1, "this is not an object with `items` and `categories`")
    taken: dict[str, list[tuple[int, Any]]] = {"categories": [], "items": []}
    faults: list[Fault] = []
    for name, made in _LISTS.items():
        values: Any = document.get(name, [])  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        if not isinstance(values, list):
            raise UnreadableError(1, f"`{name}` is not a list")
        if len(values) > ROWS_MAX:  # pyright: ignore[reportUnknownArgumentType]
            raise UnreadableError(1, f"`{name}` has more than {ROWS_MAX}")
        for place, value in enumerate(values, 1):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            try:
                taken[name].append((place, msgspec.convert(value, made)))
            except msgspec.ValidationError as error:
                faults.append(Fault(place, _id_of(value), *_where(str(error), name)))
    items, categories = taken["items"], taken["categories"]
    return Rows(
        Card([item for _, item in items], [category for _, category in categories]),
        [place for place, _ in items], [place for place, _ in categories], faults,
        names_categories=bool(document.get("categories")),  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    )  # fmt: skip


def _misshapen(rows: Rows) -> Iterator[Fault]:
    """What single cells do not show: lists that are too long, and characters no text may have."""
    for line, item in zip(rows.item_lines, rows.card.items, strict=True):
        encoded = msgspec.json.encode(item)
        try:
            msgspec.json.decode(encoded, type=c.MenuItem)
        except msgspec.ValidationError as error:
            yield Fault(line, item.id, *_where(str(error), "items"))
        try:
            refuse_escaped_nul(encoded)
        except Refusal as refusal:
            yield Fault(line, item.id, "item", refusal.message)
    for line, item in list(zip(rows.item_lines, rows.card.items, strict=True))[ITEMS_MAX:]:
        yield Fault(line, item.id, "items", f"a menu has at most {ITEMS_MAX} dishes")


def _without_problems(rows: Rows, spoilt: Container[str]) -> tuple[Card, list[Fault]]:
    """What is left when everything that makes no sense is taken out, and what that made senseless in turn."""
    items = [
        (line, item)
        for line, item in zip(rows.item_lines, rows.card.items, strict=True)
        if item.id not in spoilt
    ]
    categories = list(zip(rows.category_lines, rows.card.categories, strict=True))
    faults = [
        Fault(line, None, "categories", f"a menu has at most {CATEGORIES_MAX} categories")
        for line, _ in categories[CATEGORIES_MAX:]
    ]
    del categories[CATEGORIES_MAX:]
    while True:
        card = Card([item for _, item in items], [category for _, category in categories])
        found = list(problems(card))
        if rows.names_categories and not categories:
            found += [
                Problem(item.id, place, "category", "no category of the file is good")
                for place, item in enumerate(card.items)
                if item.category is not None
            ]
        if not found:
            return card, faults
        bad_items = {problem.place for problem in found if problem.item_id is not None}
        bad_categories = {problem.place for problem in found if problem.item_id is None}
        for problem in found:
            lines: Sequence[tuple[int, object]] = categories if problem.item_id is None else items
            faults.append(Fault(lines[problem.place][0], problem.item_id, problem.field, problem.reason))
        items = [each for place, each in enumerate(items) if place not in bad_items]
        categories = [each for place, each in enumerate(categories) if place not in bad_categories]


def _where(error: str, name: str) -> tuple[str, str]:
    """Field and reason of what msgspec says."""
    reason, at, path = error.rpartition(" - at `$")
    return (path.rstrip("`").lstrip(".") or name, reason) if at else (name, error)


def _id_of(value: Any) -> str | None:
    id_ = value.get("id") if isinstance(value, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return id_[:64] if isinstance(id_, str) else None


def _refused(fault: Fault) -> c.RefusedRow:
    dish = None if fault.dish is None else fault.dish[:64]
    return c.RefusedRow(
        line=fault.line, item_id=dish, field=fault.field[:100], reason=fault.reason[:REASON_MAX]
    )
