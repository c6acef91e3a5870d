"""The desk of a mapping, whichever database it is; and how rows are asked for by their keys."""

from collections.abc import Sequence

from tiffin.migration.live.desk import Desk, Table
from tiffin.migration.live.follower import Ask, Told
from tiffin.migration.live.mariadb import MariadbDesk
from tiffin.migration.live.postgresql import PostgresqlDesk
from tiffin.migration.mapping import Mapping
from tiffin.migration.rows import RowError, convert, legacy_id
from tiffin.migration.sources import Source
from tiffin.rpc import contracts as c


async def open_desk(mapping: Mapping) -> Desk:
    """Connects."""
    source = mapping.source
    table = Table(source.url, source.table, source.key, source.revision, mapping.columns.updated_at)
    is_postgresql = source.url.startswith("postgres")
    return await (PostgresqlDesk if is_postgresql else MariadbDesk).open(table, mapping.name)


def asking(source: Source, mapping: Mapping) -> Ask:
    """What the old table says of some keys."""

    async def ask(keys: Sequence[str]) -> Told:
        orders: list[c.LegacyOrder] = []
        there: list[str] = []
        unreadable: list[str] = []
        for row in await source.of_keys(keys):
            there.append(legacy_id(mapping, row))
            try:
                orders.append(convert(mapping, row))
            except RowError:
                unreadable.append(there[-1])
        return Told(orders, sorted(set(keys).difference(there)), unreadable)

    return ask
