"""`tiffin messages`: what the platform has told people, in a table, and as it goes on."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tiffin.cli.clock import utc_now
from tiffin.cli.config import Config
from tiffin.cli.nodes import open_nodes
from tiffin.services.notifications.message import MessageKey, MessageRow, key_of
from tiffin.services.notifications.store import MessageStore
from tiffin.sharding import order_id as order_ids
from tiffin.sharding.router import Router

SHOWN_MAX = 50
LATELY = timedelta(days=1)
LOOK_AGAIN_S = 0.5
FOLLOWED_MAX = 10_000
ROLES = ("customer", "restaurant", "courier", "operator")
_COLORS = {"sent": "green", "failed": "red", "suppressed": "yellow", "expired": "yellow"}

Read = Callable[[], Awaitable[Sequence[MessageRow]]]


async def messages(
    config: Config, console: Console, order_id: str | None, person_id: str | None, follow: bool
) -> None:
    """Messages about an order, to a person, or the newest of all; with `follow` until interrupted."""
    async with open_nodes(config) as nodes:
        read = _reader(MessageStore(await Router.open(nodes.all)), order_id, person_id)
        if follow:
            await _follow(read, console)
        else:
            rows = await read()
            console.print(_table(rows) if rows else "No messages.", highlight=False)


def _reader(store: MessageStore, order_id: str | None, person_id: str | None) -> Read:
    """What is to be read, oldest first."""

    async def read() -> Sequence[MessageRow]:
        if order_id is not None:
            number = int(order_id) if order_id.isdecimal() and len(order_id) < 20 else 0
            rows = await store.of_order(number) if order_ids.is_valid(number) else []
            return [row for row in rows if person_id in (None, row.person_id)]
        if person_id is None:
            return (await store.since(utc_now() - LATELY, SHOWN_MAX))[::-1]
        newest = datetime.max.replace(tzinfo=UTC), ""
        found = [await store.of_person(role, person_id, newest, SHOWN_MAX) for role in ROLES]
        return sorted((row for rows in found for row in rows), key=lambda row: (row.created_at, row.key))

    return read


async def _follow(read: Read, console: Console) -> None:
    """A line for each message, and another one when its state changes."""
    shown: dict[MessageKey, str] = {}
    while True:
        for row in await read():
            key = key_of(row)
            if shown.get(key) != row.state:
                shown.pop(key, None)
                shown[key] = row.state
                console.print(_line(row), highlight=False, soft_wrap=True)
        while len(shown) > FOLLOWED_MAX:
            shown.pop(next(iter(shown)))
        await asyncio.sleep(LOOK_AGAIN_S)


def _table(rows: Sequence[MessageRow]) -> Table:
    table = Table(title="Messages", title_justify="left")
    table.add_column("at", no_wrap=True)
    table.add_column("to", overflow="fold", max_width=24)
    table.add_column("state", no_wrap=True)
    table.add_column("text", overflow="fold")
    for row in rows:
        table.add_row(_at(row), _whom(row), _state(row), _said(row))
    return table


def _line(row: MessageRow) -> Text:
    return Text("  ").join((Text(_at(row)), Text(_whom(row)), _state(row), _said(row)))


def _at(row: MessageRow) -> str:
    return f"{row.created_at:%m-%d %H:%M:%S}"


def _whom(row: MessageRow) -> str:
    return f"{row.role} {row.person_id or 'by phone'}"


def _state(row: MessageRow) -> Text:
    return Text(row.state, style=_COLORS.get(row.state, ""))


def _said(row: MessageRow) -> Text:
    """The text; what it was to say where it has not been said, and why not."""
    said = row.readable or row.text
    why = f" ({row.reason})" if row.reason else ""
    return Text(said or f"{row.template}{why}", style="" if said else "dim")
