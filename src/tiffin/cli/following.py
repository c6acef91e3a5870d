"""`tiffin migrate dual-write`, `follow`, `read-new`, `authority`, `finish`: what they do, what one sees."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pymysql
import structlog
from rich.console import Console

from tiffin.cli.clock import utc_now
from tiffin.cli.config import Config
from tiffin.cli.migrating import context
from tiffin.cli.nodes import Nodes, open_nodes
from tiffin.cli.stopping import stop_event
from tiffin.events.consumer import Consumer
from tiffin.events.runner import ConsumerRunner
from tiffin.migration.comparing import Comparison
from tiffin.migration.live.authority import Sides
from tiffin.migration.live.desk import Capture, Desk, LiveError
from tiffin.migration.live.follower import Follower, hold_all, release_all
from tiffin.migration.live.opening import asking, open_desk
from tiffin.migration.live.reversing import row_of, unknown_there
from tiffin.migration.live.writing_back import TYPES, WriteBack, forget_reader
from tiffin.migration.mapping import Mapping, read_mapping
from tiffin.migration.record import Migration, Record
from tiffin.migration.sources import Source
from tiffin.migration.sources.opening import open_source
from tiffin.migration.stages import Authority
from tiffin.primitives.errors import Unavailable
from tiffin.rpc import contracts as c
from tiffin.services.orders.adoption import AdoptionDesk
from tiffin.services.orders.legacy import as_adopted
from tiffin.services.orders.store import OrderStore
from tiffin.sharding.sequence import Sequence as OrderNumbers
from tiffin.storage.node import CONNECTION_LOST

POLL_S = 0.1
SWEEP_S = 1.0
PAUSE_MAX_S = 5.0
GRACE_S = 2.0
"""Longer than the monolith believes its settings: afterwards each of its processes writes on both sides."""
CHANGED_MAX = 5000
"""So many orders are compared while nobody writes; if more have just changed, it is tried another time."""
LOST = (*CONNECTION_LOST, Unavailable, pymysql.err.OperationalError, pymysql.err.InterfaceError,
        asyncpg.ObjectInUseError)  # fmt: skip
"""What is over after a while: a database that is away; the slot that somebody else reads at the moment."""

_log = structlog.get_logger()


@dataclass(frozen=True)
class Live:
    """A migration with both its sides open."""

    migration: Migration
    mapping: Mapping
    record: Record
    nodes: Nodes
    source: Source
    desk: Desk
    follower: Follower
    orders: AdoptionDesk
    store: OrderStore

    @property
    def name(self) -> str:
        """Of the migration, which is the source's."""
        return self.migration.name

    def runners(self, starts_at: datetime) -> list[ConsumerRunner]:
        """Those that write back, one a node."""
        back = WriteBack(self.desk, self._find, self.name, lambda order: row_of(self.mapping, order))
        consumer = Consumer(back.name, back.handle, types=TYPES, starts_at=starts_at)
        return [ConsumerRunner(consumer, node, utc_now) for node in self.nodes.all]

    async def _find(self, ids: Sequence[int]) -> list[c.AsAdopted]:
        found = [as_adopted(row) for row in await self.store.get_many(ids)]
        return [each for each in found if each is not None]


@asynccontextmanager
async def open_live(config: Config, name: str | None) -> AsyncGenerator[Live]:
    """The migration of that name; None: the only one there is."""
    async with open_nodes(config) as nodes:
        record = Record(nodes.all[0])
        migration = await record.get(name) if name else await _only(record)
        mapping = read_mapping(migration.mapping)
        source = open_source(mapping)
        desk = await open_desk(mapping)
        store = OrderStore(nodes.router)
        orders = AdoptionDesk(store, OrderNumbers(nodes.router.directory), utc_now, config.policy)
        follower = Follower(desk, asking(source, mapping), orders, migration.name, context)
        try:
            yield Live(migration, mapping, record, nodes, source, desk, follower, orders, store)
        finally:
            await store.close()
            await desk.close()
            await source.close()


async def _only(record: Record) -> Migration:
    found = await record.all()
    if len(found) != 1:
        names = ", ".join(each.name for each in found)
        raise LiveError(f"which migration? There are {names}" if names else "no migration is planned")
    return found[0]


async def dual_write(config: Config, name: str | None, capture: Capture, console: Console) -> None:
    """From now on every change is heard of; what changed since the migration was planned is noted."""
    async with open_live(config, name) as live:
        _check_unfinished(live)
        if live.migration.stage not in ("backfilled", "live"):
            raise LiveError(f"{live.name} is {live.migration.stage}: `tiffin migrate backfill` comes first")
        await live.desk.prepare(live.name, capture)
        if capture == "library":
            await asyncio.sleep(GRACE_S)
        await live.desk.wait_for_writers()
        since = _revision_since(live)
        noted = await live.desk.note_since(since)
        await live.record.change(
            live.name,
            f"dual write by {capture}",
            only_in=("backfilled", "live"),
            stage="live",
            dual_write=True,
        )
    console.print(
        f"Every change is heard of, by {capture}. {noted:,} orders that changed meanwhile wait for"
        " `tiffin migrate follow`.",
        highlight=False,
    )


def _revision_since(live: Live) -> str:
    """Greater revisions have come after the migration was planned, for all that is known."""
    if live.mapping.source.revision != live.mapping.columns.updated_at:
        return "0"
    return _as_time(live, live.migration.planned_at - timedelta(minutes=1))


def _as_time(live: Live, moment: datetime) -> str:
    return moment.astimezone(live.mapping.zone).isoformat(" ", "microseconds")


async def dual_write_off(config: Config, name: str | None, console: Console) -> None:
    """The way back: nothing in the monolith's database is left."""
    async with open_live(config, name) as live:
        _check_unfinished(live)
        if await _authority(live) == "new":
            raise LiveError("Tiffin has the truth: `tiffin migrate authority old` first")
        if live.migration.read_share or live.migration.read_customers:
            raise LiveError("somebody reads from Tiffin: `tiffin migrate read-new 0` first")
        await live.desk.switch_off()
        await asyncio.sleep(GRACE_S)
        await live.desk.forget()
        await forget_reader(live.nodes.all, live.name)
        await live.record.change(live.name, "dual write off", stage="backfilled", dual_write=False)
    console.print("Nothing is heard of any more. What Tiffin has stays as it is.")


async def follow(config: Config, name: str | None, console: Console) -> None:
    """Until the migration is finished, or this is stopped: fetch, or write back, as the settings say."""
    stop = stop_event()
    async with open_live(config, name) as live:
        await _prepared(live)
        console.print(f"Following {live.name}. Ctrl-C ends it; it goes on where it was.", highlight=False)
        runners = [asyncio.create_task(runner.run()) for runner in live.runners(utc_now())]
        working = asyncio.create_task(_follow(live))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        await _end(*runners, working, stopping)
        if not stop.is_set():
            await working
            await forget_reader(live.nodes.all, live.name)  # nobody reads now; else it would have come back
            console.print(f"{live.name} is followed no more.", highlight=False)


async def _end(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _follow(live: Live) -> None:
    pause_s = POLL_S
    loop = asyncio.get_running_loop()
    swept_s = 0.0
    while True:
        try:
            settings = await live.desk.settings()
            if (
                settings is None
                or settings.capture == "off"
                or (await live.record.get(live.name)).stage == "finished"
            ):
                return
            busy = await live.follower.fetch() > 0 if settings.authority == "old" else False
            if loop.time() - swept_s >= SWEEP_S:
                await _sweep(live)
                swept_s = loop.time()
            pause_s = POLL_S if settings.authority == "old" else SWEEP_S
            if not busy:
                await asyncio.sleep(pause_s)
        except LOST as error:
            _log.warning("migration_paused", source=live.name, error=repr(error))
            pause_s = min(pause_s * 2, PAUSE_MAX_S)
            await asyncio.sleep(pause_s)


async def _sweep(live: Live) -> None:
    """All orders are in the hands of whoever has the truth: a switch may have been cut short."""
    async with live.desk.share() as authority:
        hand_over = release_all if authority == "new" else hold_all
        await hand_over(live.orders, context, live.name)


async def read_new(
    config: Config, name: str | None, percent: int | None, customers: Sequence[str], console: Console
) -> None:
    """Who reads from Tiffin, within about a second."""
    async with open_live(config, name) as live:
        await _prepared(live)
        if await _authority(live) == "new":
            raise LiveError("Tiffin has the truth, and everybody reads there")
        share = live.migration.read_share if percent is None else percent
        await live.desk.set_reading(share, customers)
        await live.record.change(
            live.name, f"read new: {share} % and {len(customers)} customers by name",
            read_share=share, read_customers=list(customers),
        )  # fmt: skip
    named = f", and {', '.join(customers)}" if customers else ""
    console.print(f"{share} % of the customers read from Tiffin{named}.", highlight=False)


async def give_authority(
    config: Config, name: str | None, to: Authority, within_s: float, console: Console
) -> None:
    """The truth changes sides while everybody who writes waits, and they are told how long."""
    async with open_live(config, name) as live:
        await _prepared(live)
        if await _authority(live) == to:
            raise LiveError(f"{to} has the truth already")
        if to == "new":
            _check_ready(live)
        began = utc_now()
        runners = [asyncio.create_task(runner.run()) for runner in live.runners(began)]
        since = began - timedelta(seconds=1)

        async def compare() -> tuple[int, list[str]]:
            keys = await live.desk.changed_since(_as_time(live, since), CHANGED_MAX)
            if len(keys) == CHANGED_MAX:
                raise LiveError(f"more than {CHANGED_MAX} orders changed just now: try again")
            comparison = Comparison(live.mapping, live.source, live.orders, context, lasts_s=0)
            return len(keys), (await comparison.of_keys(keys)).differing

        sides = Sides(live.name, live.desk, live.follower, live.orders, live.nodes.all, context, compare)
        try:
            done = await sides.switch(to, within_s)
        finally:
            await _end(*runners)
        await live.record.change(live.name, f"authority: {to}", authority=to)
    whose = "Tiffin has the truth" if to == "new" else "The old table has the truth again"
    console.print(
        f"{whose}. Writers waited for {done.pause_s * 1000:.0f} ms; {done.orders:,} orders changed hands,"
        f" {done.compared:,} that had changed just before were compared.",
        highlight=False,
    )


async def finish(config: Config, name: str | None, console: Console) -> None:
    """The end: nothing follows any more. Old ids are answered for ever."""
    async with open_live(config, name) as live:
        _check_unfinished(live)
        if await _authority(live) != "new":
            raise LiveError("the old table has the truth: `tiffin migrate authority new` comes first")
        await live.desk.finish()
        await live.record.change(live.name, "finished", only_in=("live",), stage="finished", dual_write=False)
        await forget_reader(live.nodes.all, live.name)
    console.print("Finished. The old table stays as it is and takes no writes. Old ids stay valid.")


def _check_unfinished(live: Live) -> None:
    if live.migration.stage == "finished":
        raise LiveError(f"{live.name} is finished: there is no way back, and nothing more to do")


async def _prepared(live: Live) -> None:
    _check_unfinished(live)
    if live.migration.stage != "live" or await live.desk.settings() is None:
        raise LiveError(f"{live.name} is {live.migration.stage}: `tiffin migrate dual-write` comes first")


async def _authority(live: Live) -> Authority:
    """Who has the truth: the monolith's database says so, and the record follows it."""
    settings = await live.desk.settings()
    authority = settings.authority if settings else "old"
    if live.migration.authority != authority:
        await live.record.change(live.name, f"authority was found to be {authority}", authority=authority)
    return authority


def _check_ready(live: Live) -> None:
    if live.migration.read_share != 100:
        raise LiveError("not everybody reads from Tiffin yet: `tiffin migrate read-new 100` comes first")
    if missing := unknown_there(live.mapping):
        raise LiveError(
            f"the way back needs a state of the old system for {', '.join(missing)}: add them to [states]"
        )
