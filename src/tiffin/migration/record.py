"""What is known of each migration: on the directory, for every process and whoever goes on with it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from tiffin.migration.stages import Authority, MigrationError, Stage
from tiffin.storage.node import Node
from tiffin.storage.queries import load_queries

QUERIES = load_queries("tiffin.migration")


class Migration(NamedTuple):
    """A row of `migration.migrations`."""

    name: str
    """Of the source, as the orders service knows it."""
    mapping: str
    """The mapping file's text."""
    stage: Stage
    dual_write: bool
    authority: Authority
    read_share: int
    """Of a hundred customers so many read from here."""
    read_customers: Sequence[str]
    """These read from here whatever the share is."""
    rows: int
    """That the source had when it was planned."""
    cursor: str | None
    """The last key of the backfill that has been taken over, with all before it."""
    taken: int
    refused: int
    planned_at: datetime


class Change(NamedTuple):
    """Something that was decided."""

    what: str
    at: datetime


class Record:
    """Reads and writes it. All may raise `Unavailable`."""

    def __init__(self, directory: Node) -> None:
        self._directory = directory

    async def all(self) -> list[Migration]:
        """Every migration, by name."""
        return [Migration(*row) for row in await self._directory.fetch(QUERIES["all"])]

    async def get(self, name: str) -> Migration:
        """One migration. `MigrationError` if there is none of that name."""
        row = await self._directory.fetchrow(QUERIES["find"], name)
        if row is None:
            raise MigrationError(f"there is no migration {name}: begin with `tiffin migrate plan FILE`")
        return Migration(*row)

    async def plan(self, name: str, mapping: str, rows: int) -> Migration:
        """A new migration, or a new mapping of one of which nothing was taken over yet."""
        if await self._directory.fetchrow(QUERIES["plan"], name, mapping, rows) is None:
            stage = (await self.get(name)).stage
            raise MigrationError(
                f"{name} is {stage}, with another mapping: `tiffin migrate undo backfill {name}` first"
            )
        return await self.get(name)

    async def change(
        self,
        name: str,
        what: str,
        *,
        only_in: Sequence[Stage] | None = None,
        stage: Stage | None = None,
        dual_write: bool | None = None,
        authority: Authority | None = None,
        read_share: int | None = None,
        read_customers: Sequence[str] | None = None,
    ) -> Migration:
        """Set what is given, and note `what` was done. `MigrationError` if the stage is none of `only_in`."""
        row = await self._directory.fetchrow(
            QUERIES["change"], name, only_in and list(only_in), what, stage, dual_write, authority,
            read_share, None if read_customers is None else list(read_customers),
        )  # fmt: skip
        migration = await self.get(name)
        if row is None:
            raise MigrationError(
                f"{name} is {migration.stage}: {what} needs it to be {' or '.join(only_in or ())}"
            )
        return migration

    async def advance(self, migration: Migration, cursor: str, taken: int, refused: int) -> bool:
        """The backfill has come so far. False: another worker has moved the cursor meanwhile."""
        row = await self._directory.fetchrow(
            QUERIES["advance"], migration.name, migration.cursor, cursor, taken, refused
        )
        return row is not None

    async def rewind(self, name: str) -> None:
        """The backfill has not begun."""
        await self._directory.execute(QUERIES["rewind"], name)
        await self._directory.execute(QUERIES["forget_refused"], name)

    async def refuse(self, name: str, reasons: Mapping[str, str]) -> None:
        """Note rows that could not be taken over, by old id."""
        if reasons:
            await self._directory.execute(QUERIES["refuse"], name, list(reasons), list(reasons.values()))

    async def accept(self, name: str, legacy_ids: Sequence[str]) -> None:
        """Rows that had been refused are taken over now."""
        await self._directory.execute(QUERIES["accept"], name, list(legacy_ids))

    async def refused(self, name: str, limit: int) -> list[tuple[str, str]]:
        """Old ids and reasons, the longest known first."""
        rows = await self._directory.fetch(QUERIES["refused"], name, limit)
        return [(row["legacy_id"], row["reason"]) for row in rows]

    async def note(self, name: str, what: str) -> None:
        """Something that was done, with the time."""
        await self._directory.execute(QUERIES["note"], name, what)

    async def changes(self, name: str) -> list[Change]:
        """Everything that was done, in order."""
        return [Change(*row) for row in await self._directory.fetch(QUERIES["changes"], name)]

    async def save_position(self, name: str, part: str, position: str) -> None:
        """Remember where a part of the migration (a follower, a comparison) stands."""
        await self._directory.execute(QUERIES["save_position"], name, part, position)

    async def position(self, name: str, part: str) -> str | None:
        """Where a part stands; None: it has not begun."""
        row = await self._directory.fetchrow(QUERIES["position"], name, part)
        return None if row is None else row["position"]

    async def forget_position(self, name: str, part: str) -> None:
        """It has not begun."""
        await self._directory.execute(QUERIES["forget_position"], name, part)
