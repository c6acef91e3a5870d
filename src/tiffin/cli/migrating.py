"""`tiffin migrate plan`, `backfill`, `compare`, `status`, `undo backfill`: what they do, what one sees."""

from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from tiffin.cli.clock import utc_now
from tiffin.cli.config import Config
from tiffin.cli.nodes import open_nodes
from tiffin.migration import planning
from tiffin.migration.backfill import Backfill
from tiffin.migration.comparing import Compared, Comparison, Difference
from tiffin.migration.live.opening import open_desk
from tiffin.migration.mapping import Mapping, MappingError, Problem, read_mapping
from tiffin.migration.pacing import Tell
from tiffin.migration.record import Change, Migration, Record
from tiffin.migration.sources import Count, Source
from tiffin.migration.sources.opening import open_source
from tiffin.migration.stages import MigrationError
from tiffin.migration.undoing import undo_backfill as take_all_away
from tiffin.rpc import contracts as c
from tiffin.rpc.context import new_context
from tiffin.services.orders.adoption import AdoptionDesk
from tiffin.services.orders.store import OrderStore
from tiffin.sharding.sequence import Sequence as OrderNumbers

CALL_TIMEOUT_MS = 60_000
SHOWN_MAX = 20


@dataclass(frozen=True)
class Place:
    """A migration with both its sides open."""

    migration: Migration
    mapping: Mapping
    source: Source
    record: Record
    orders: AdoptionDesk


async def plan(config: Config, text: str, check: int | None, rate: int | None, console: Console) -> bool:
    """Check a mapping file's text, tell, and record. False: it cannot be carried out as it is."""
    try:
        mapping = read_mapping(text)
    except MappingError as error:
        console.print(_problems(error.problems))
        return False
    source = open_source(mapping)
    try:
        with _bars(console) as tell:
            found = await planning.plan(mapping, source, check, tell)
    finally:
        await source.close()
    if found.states:
        console.print(_states(mapping, found.states))
    if found.problems:
        console.print(_problems(found.problems))
        return False
    bad = found.reasons.total()
    console.print(
        f"{found.rows:,} rows, of which {found.checked:,} were tried and {bad:,} do not fit.", highlight=False
    )
    if bad:
        console.print(_bad_rows(found))
    async with open_nodes(config) as nodes:
        await Record(nodes.all[0]).plan(mapping.name, text, found.rows)
    takes = timedelta(seconds=round(found.estimate_s(rate)))
    at = rate or planning.ASSUMED_ROWS_PER_S
    console.print(
        f"Recorded as {mapping.name}. At {at:,} rows a second the backfill takes {takes}:"
        f" `tiffin migrate backfill {mapping.name}`.",
        highlight=False,
    )
    return True


async def backfill(config: Config, name: str | None, rate: int | None, console: Console) -> None:
    """Copy until the end of the source."""
    async with _open(config, name) as place:
        with _bars(console) as tell:
            done = await Backfill(place.mapping, place.source, place.orders, place.record, context, tell).run(
                rate
            )
        refused = await place.record.refused(done.name, SHOWN_MAX)
    console.print(f"{done.taken:,} orders taken over, {done.refused:,} refused.", highlight=False)
    if refused:
        console.print(_refused(refused))


async def compare(config: Config, name: str | None, repair: bool, rate: int | None, console: Console) -> bool:
    """Compare everything. True if both sides agree now."""
    async with _open(config, name) as place:
        if repair and place.migration.authority == "new":
            raise MigrationError("Tiffin has the truth: what differs is not to be made like the old table")
        with _bars(console) as tell:
            found = await Comparison(place.mapping, place.source, place.orders, context, tell).run(
                repair=repair, rows_per_s=rate, rows=place.migration.rows
            )
        said = ", ".join(f"{count:,} {kind}" for kind, count in sorted(found.kinds.items()))
        told = f"{found.rows:,} rows compared: {said or 'no difference'}."
        if found.repaired:
            told += f" {found.repaired:,} repaired."
        if found.unsettled:
            told += f" {found.unsettled:,} changed all the time."
        await place.record.note(place.migration.name, told)
    console.print(told, highlight=False)
    if found.samples:
        console.print(_samples(found))
    return found.is_clean


async def status(config: Config, console: Console) -> None:
    """All that is known of every migration."""
    async with open_nodes(config) as nodes:
        record = Record(nodes.all[0])
        migrations = await record.all()
        changes = {each.name: await record.changes(each.name) for each in migrations}
        refused = {each.name: await record.refused(each.name, SHOWN_MAX) for each in migrations}
    if not migrations:
        console.print("There is no migration: `tiffin migrate plan FILE` begins one.", highlight=False)
    for each in migrations:
        console.print(_migration(each))
        if each.stage == "live":
            console.print(await _behind(each), highlight=False)
        if refused[each.name]:
            console.print(_refused(refused[each.name]))
        console.print(_changes(changes[each.name]))


async def _behind(migration: Migration) -> str:
    """How far the follower is behind; as the source says."""
    try:
        desk = await open_desk(read_mapping(migration.mapping))
    except Exception as error:  # whatever its driver says: the rest of the status is known all the same
        return f"How far the follower is behind the source does not say: {error!r}"
    try:
        backlog = await desk.backlog()
    finally:
        await desk.close()
    kept = f", and {backlog.bytes:,} bytes of its stream are kept" if backlog.bytes else ""
    return f"{backlog.orders:,} changes wait to be fetched, the oldest for {backlog.oldest_s:.1f} s{kept}."


async def undo_backfill(config: Config, name: str | None, console: Console) -> None:
    """Take away what was copied."""
    async with _open(config, name) as place:
        with _bars(console) as tell:
            removed = await take_all_away(place.migration.name, place.orders, place.record, context, tell)
    console.print(f"{removed:,} orders taken away again.", highlight=False)


def context() -> c.CallContext:
    """Of calls of a migration."""
    return new_context("system", "migration", utc_now(), CALL_TIMEOUT_MS)


@asynccontextmanager
async def _open(config: Config, name: str | None) -> AsyncGenerator[Place]:
    async with open_nodes(config) as nodes:
        record = Record(nodes.all[0])
        migration = await record.get(name or await _only(record))
        mapping = read_mapping(migration.mapping)
        source, store = open_source(mapping), OrderStore(nodes.router)
        orders = AdoptionDesk(store, OrderNumbers(nodes.all[0]), utc_now, config.policy)
        try:
            yield Place(migration, mapping, source, record, orders)
        finally:
            await store.close()
            await source.close()


async def _only(record: Record) -> str:
    names = [migration.name for migration in await record.all()]
    if len(names) != 1:
        raise MigrationError(
            f"which one: {', '.join(names)}?" if names else "begin with `tiffin migrate plan FILE`"
        )
    return names[0]


@contextmanager
def _bars(console: Console) -> Generator[Tell]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bars: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in bars:
                bars[what] = progress.add_task(what)
            progress.update(bars[what], completed=done, total=total)

        yield show


def _problems(problems: Sequence[Problem]) -> Table:
    table = Table("mistake", "what", title="The mapping does not fit", title_justify="left")
    for problem in problems:
        table.add_row(problem.kind, escape(problem.what))
    return table


def _states(mapping: Mapping, states: Sequence[Count]) -> Table:
    table = Table("there", "here", title="States", title_justify="left")
    table.add_column("rows", justify="right")
    for count in states:
        here = mapping.states.get(count.value or "")
        table.add_row(
            escape(repr(count.value)), here or "?", f"{count.rows:,}", style=None if here else "red"
        )
    return table


def _bad_rows(found: planning.Plan) -> Table:
    table = Table("why", title="Rows that would be left behind", title_justify="left")
    table.add_column("rows", justify="right")
    table.add_column("such as")
    for reason, rows in found.reasons.most_common(SHOWN_MAX):
        such = next((bad for bad in found.samples if planning.without_values(bad.reason) == reason), None)
        table.add_row(escape(reason), f"{rows:,}", escape(f"{such.legacy_id}: {such.reason}") if such else "")
    return table


def _refused(refused: Sequence[tuple[str, str]]) -> Table:
    table = Table("old id", "why", title="Refused", title_justify="left")
    for legacy_id, reason in refused:
        table.add_row(escape(legacy_id), escape(reason))
    return table


def _samples(found: Compared) -> Table:
    fields = ", ".join(f"{name} {count:,}" for name, count in found.by_field.most_common())
    title = f"Differences{f', by field: {fields}' if fields else ''}"
    table = Table("old id", "what", "there", "here", title=title, title_justify="left")
    for sample in found.samples:
        for row in _sample_rows(sample):
            table.add_row(*map(escape, row))
    left = found.kinds.total() - len(found.samples)
    if left:
        table.caption = f"and {left:,} more"
    return table


def _sample_rows(sample: Difference) -> list[tuple[str, str, str, str]]:
    if not sample.fields:
        return [(sample.legacy_id, sample.kind, sample.reason, "")]
    return [(sample.legacy_id, each.field, str(each.there), str(each.here)) for each in sample.fields]


def _migration(migration: Migration) -> Table:
    table = Table(title=f"Migration {migration.name}", title_justify="left", show_header=False)
    share = migration.taken + migration.refused
    table.add_row("stage", migration.stage)
    table.add_row("rows", f"{migration.rows:,} when planned at {migration.planned_at:%Y-%m-%d %H:%M}")
    table.add_row("taken over", f"{migration.taken:,} ({100 * share / max(migration.rows, share, 1):.1f} %)")
    table.add_row("refused", f"{migration.refused:,}")
    table.add_row("changes", "written to both sides" if migration.dual_write else "not followed")
    customers = f", and {len(migration.read_customers)} customers" if migration.read_customers else ""
    table.add_row("read here", f"{migration.read_share} %{customers}")
    table.add_row("authority", migration.authority)
    return table


def _changes(changes: Sequence[Change]) -> Table:
    table = Table("at", "what", title="What was done", title_justify="left")
    for change in changes:
        table.add_row(f"{change.at:%Y-%m-%d %H:%M:%S}", escape(change.what))
    return table
