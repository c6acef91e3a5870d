"""Every order and every payment has gone a way that the state tables allow, and stands where it ended.

A row and its events live on one node and are written by one statement: one snapshot shows both, no lag.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time
from typing import Any, Literal

import asyncpg
import msgspec

from tiffin.audit.desk import QUERIES, Desk
from tiffin.audit.walks import Row, order_faults, parse_order_step, parse_payment_step, payment_faults
from tiffin.events.reader import QUERIES as LOG_QUERIES
from tiffin.storage.node import Connection, Node

Stream = Literal["order", "payment"]
EVENTS_MAX = 2_000_000
"""So many events are sorted at once; a longer log is taken in groups of shards."""


async def check_log(desk: Desk) -> None:
    """Orders' events, then payments'."""
    for done, node in enumerate(desk.router.nodes):
        desk.tell("log", done, len(desk.router.nodes))
        for stream in ("order", "payment"):
            for shards in await _groups(desk, node, stream):
                async with desk.snapshot(node) as connection:
                    await _check_walks(desk, connection, node, stream, shards)
    desk.tell("log", 1, 1)


async def _groups(desk: Desk, node: Node, stream: Stream) -> list[list[int]]:
    events: int = (await desk.fetch(node, "log_size", stream))[0]["events"]
    desk.report.checked[f"{stream} events"] += events
    shards = desk.router.shards_on("customer", node)
    size = max(1, len(shards) * EVENTS_MAX // max(events, EVENTS_MAX))
    return [shards[start : start + size] for start in range(0, len(shards), size)]


async def _check_walks(
    desk: Desk, connection: Connection, node: Node, stream: Stream, shards: Sequence[int]
) -> None:
    beginning = await _beginning(connection)
    try:
        async with connection.transaction():  # a savepoint, for the case that the data of an event is no JSON
            walks = await connection.fetch(QUERIES[f"{stream}_walks"], shards, [], beginning)
    except asyncpg.DataError:
        broken = await _tell_broken(desk, connection, node, stream, shards)
        walks = await connection.fetch(QUERIES[f"{stream}_walks"], shards, broken, beginning)
    for walk in walks:
        for what in _FAULTS[stream](walk):
            for key in walk["keys"]:
                desk.add("log", node, "log", f"{stream} {key}", what)
            rest = walk[f"{stream}s"] - len(walk["keys"])
            if rest:
                desk.add("log", node, "log", f"{rest} more {stream}s", what, rest)


async def _beginning(connection: Connection) -> datetime:
    """Where the log begins: the first day that has not been dropped."""
    days = await connection.fetch(LOG_QUERIES["days"])
    return datetime.combine(days[0]["day"], time(), UTC) if days else datetime.max.replace(tzinfo=UTC)


async def _tell_broken(
    desk: Desk, connection: Connection, node: Node, stream: Stream, shards: Sequence[int]
) -> list[str]:
    """Find the events that are no JSON. Returns whose they are."""
    broken: set[str] = set()
    async for event in connection.cursor(QUERIES["log_texts"], shards, stream):
        try:
            msgspec.json.decode(event["data"])
        except msgspec.DecodeError:
            broken.add(event["key"])
            what = f"version {event['version']}: the event's data is no JSON"
            desk.add("log", node, "log", f"{stream} {event['key']}", what)
    return list(broken)


def _order_faults(walk: Any) -> list[str]:
    return order_faults([parse_order_step(step) for step in walk["walk"] or ()], _row(walk))


def _payment_faults(walk: Any) -> list[str]:
    faults = payment_faults([parse_payment_step(step) for step in walk["walk"] or ()], _row(walk))
    if walk["agrees"] is False:
        faults.append("has events of another order or another amount")
    return faults


def _row(walk: Any) -> Row | None:
    if walk["state"] is None:
        return None
    return Row(walk["state"], walk["version"], walk["began_before"], walk["ended_before"])


_FAULTS: dict[Stream, Callable[[Any], list[str]]] = {"order": _order_faults, "payment": _payment_faults}
