"""`tiffin dead-letters`: what consumers could not take, why, and having it handled again."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tiffin.cli.clock import utc_now
from tiffin.cli.config import Config
from tiffin.cli.moments import parse_moment
from tiffin.cli.nodes import open_nodes
from tiffin.events import triage
from tiffin.events.dead_letters import EventId, State
from tiffin.events.triage import Letter, Which
from tiffin.storage.node import Node

OPEN: tuple[State, ...] = ("dead", "parked", "replaying")
ALL: tuple[State, ...] = (*OPEN, "replayed", "discarded")


@dataclass(frozen=True)
class Criteria:
    """Letters as somebody types which are meant."""

    event: str | None = None
    """stream:key:version."""
    consumer: str | None = None
    order: str | None = None
    restaurant: str | None = None
    reason: str | None = None
    since: str | None = None
    until: str | None = None

    def which(self) -> Which:
        """The same for the databases. Leaves with a message if something makes no sense."""
        try:
            return Which(
                self.consumer,
                _event_id(self.event) if self.event else None,
                _order_id(self.order) if self.order else None,
                self.restaurant,
                self.reason,
                parse_moment(self.since, utc_now()) if self.since else None,
                parse_moment(self.until, utc_now()) if self.until else None,
            )
        except ValueError as error:
            raise SystemExit(f"tiffin: {error}") from None


async def list_letters(
    config: Config, console: Console, criteria: Criteria, settled: bool, limit: int
) -> None:
    """A line for each, the newest failure first."""
    which = criteria.which()
    found: list[tuple[Node, Letter]] = []
    async with open_nodes(config) as nodes:
        for node in nodes.all:
            found += [(node, it) for it in await triage.browse(node, which, ALL if settled else OPEN, limit)]
    found.sort(key=lambda pair: pair[1].last_failed_at, reverse=True)
    console.print(_table(found[:limit]) if found else "No dead letters.")


async def show(config: Config, console: Console, criteria: Criteria) -> bool:
    """All there is to know of an event's letters, one a consumer. False if there is none."""
    which = criteria.which()
    async with open_nodes(config) as nodes:
        found = [letter for node in nodes.all for letter in await triage.browse(node, which, ALL, 100)]
    for letter in found:
        table = Table(title=f"{letter.consumer}  {_named(letter)}", title_justify="left", show_header=False)
        event = letter.event
        table.add_row("event", f"{event.type} at {event.at:%Y-%m-%d %H:%M:%S}, trace {event.trace}")
        table.add_row("state", letter.state)
        table.add_row("tries", f"{letter.tries:,}")
        table.add_row("failed first", f"{letter.first_failed_at:%Y-%m-%d %H:%M:%S}")
        table.add_row("failed last", f"{letter.last_failed_at:%Y-%m-%d %H:%M:%S}")
        table.add_row("reason", Text(letter.reason))
        table.add_row("data", Text(event.data))
        console.print(table)
        console.print(Text(letter.stack, style="dim"))
    if not found:
        console.print("There is no such dead letter.", style="red")
    return bool(found)


async def replay(config: Config, console: Console, criteria: Criteria) -> None:
    """Have them handled again."""
    count = await _on_every_node(config, criteria, triage.replay)
    console.print(f"{count:,} are to be handled again; their consumers do it when they are at work.")


async def discard(config: Config, console: Console, criteria: Criteria) -> None:
    """Give them up."""
    count = await _on_every_node(config, criteria, triage.discard)
    console.print(f"{count:,} are given up.")


async def _on_every_node(
    config: Config, criteria: Criteria, do: Callable[[Node, Which], Awaitable[int]]
) -> int:
    which = criteria.which()
    if which == Which():
        raise SystemExit(
            "tiffin: say which: an event, a consumer, an order, a restaurant, a reason or a time"
        )
    async with open_nodes(config) as nodes:
        return sum([await do(node, which) for node in nodes.all])


def _table(found: list[tuple[Node, Letter]]) -> Table:
    table = Table(title="Dead letters", title_justify="left")
    for name in ("event", "type", "consumer", "state", "tries", "failed", "restaurant", "reason"):
        table.add_column(name, overflow="fold")
    for node, letter in found:
        table.add_row(
            _named(letter),
            letter.event.type,
            f"{letter.consumer} on {node.name}",
            letter.state,
            f"{letter.tries:,}",
            f"{letter.last_failed_at:%m-%d %H:%M:%S}",
            Text(letter.restaurant_id or ""),
            Text(letter.reason),
        )
    return table


def _named(letter: Letter) -> str:
    return f"{letter.event.stream}:{letter.event.key}:{letter.event.version}"


def _event_id(text: str) -> EventId:
    stream, _, rest = text.partition(":")
    key, _, version = rest.rpartition(":")
    if not (stream and key and version.isdecimal() and len(version) < 10):
        raise ValueError(f"{text} names no event: write stream:key:version, such as order:1074694770:3")
    return stream, key, int(version)


def _order_id(text: str) -> int:
    if not (text.isdecimal() and len(text) < 19):
        raise ValueError(f"{text} is no order's number")
    return int(text)
