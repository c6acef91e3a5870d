"""Commands of a migration that come too early or too late say what comes first, and change nothing."""

from collections.abc import AsyncIterator, Callable, Coroutine
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import databases
from old_shop import OldShop, mapping_of
from tiffin.cli import following, migrating
from tiffin.cli.config import Config
from tiffin.migration.record import Migration, Record
from tiffin.migration.stages import MigrationError
from tiffin.storage.embedded import EmbeddedServer

ROWS = 40
NAME = "stagesplace"

Command = Callable[[Config, str, Console], Coroutine[Any, Any, object]]
COMMANDS: dict[str, Command] = {
    "undo backfill": migrating.undo_backfill,
    "compare --repair": lambda config, name, console: migrating.compare(config, name, True, None, console),
    "dual-write": lambda config, name, console: following.dual_write(config, name, "triggers", console),
    "undo dual-write": following.dual_write_off,
    "follow": following.follow,
    "read-new 100": lambda config, name, console: following.read_new(config, name, 100, [], console),
    "read-new 0": lambda config, name, console: following.read_new(config, name, 0, [], console),
    "authority new": lambda config, name, console: following.give_authority(config, name, "new", 5, console),
    "authority old": lambda config, name, console: following.give_authority(config, name, "old", 5, console),
    "finish": following.finish,
}


class Steps:
    """A migration, one command after the other."""

    def __init__(self, config: Config, name: str, record: Record) -> None:
        self.config = config
        self.name = name
        self.record = record

    async def does(self, command: str) -> None:
        """It does it."""
        await COMMANDS[command](self.config, self.name, Console(file=StringIO()))

    async def refuses(self, command: str, because: str) -> None:
        """It says so, and all is as it was."""
        before = await self._known()
        with pytest.raises(MigrationError, match=because):
            await self.does(command)
        assert await self._known() == before

    async def _known(self) -> tuple[Migration, int]:
        return await self.record.get(self.name), len(await self.record.changes(self.name))


@pytest.fixture
async def steps(server: EmbeddedServer, shop: OldShop, tmp_path: Path) -> AsyncIterator[Steps]:
    """Planned, of a shop with some orders."""
    await shop.fill(ROWS)
    (node,) = await databases.open_platform(server, [NAME])
    config = Config(data_directory=tmp_path, nodes={NAME: node.url})
    text = mapping_of(shop)
    assert await migrating.plan(config, text, None, None, Console(file=StringIO()))
    yield Steps(config, text.split('"')[1], Record(node))
    await node.close()
    await databases.drop_platform(server, [NAME])


@pytest.mark.parametrize("shop", ["postgresql"], indirect=True)
async def test_what_comes_too_early_or_too_late_is_refused_and_changes_nothing(steps: Steps) -> None:
    for command in ("dual-write", "follow", "read-new 100", "authority new", "authority old"):
        await steps.refuses(command, "comes first|has the truth already")
    await steps.refuses("finish", "`tiffin migrate authority new` comes first")

    await migrating.backfill(steps.config, steps.name, None, Console(file=StringIO()))
    for command in ("follow", "read-new 100", "authority new"):
        await steps.refuses(command, "`tiffin migrate dual-write` comes first")
    await steps.refuses("finish", "`tiffin migrate authority new` comes first")

    await steps.does("dual-write")
    await steps.refuses("undo backfill", "undo dual-write first")
    await steps.refuses("authority new", "`tiffin migrate read-new 100` comes first")
    await steps.refuses("authority old", "old has the truth already")
    await steps.does("read-new 100")
    await steps.refuses("undo dual-write", "`tiffin migrate read-new 0` first")
    await steps.refuses("undo backfill", "undo that first")

    await steps.does("authority new")
    await steps.refuses("authority new", "new has the truth already")
    await steps.refuses("read-new 0", "Tiffin has the truth")
    await steps.refuses("undo dual-write", "`tiffin migrate authority old` first")
    await steps.refuses("undo backfill", "undo that first")
    await steps.refuses("compare --repair", "Tiffin has the truth")

    await steps.does("finish")
    for command in (
        "dual-write",
        "follow",
        "read-new 0",
        "authority old",
        "finish",
        "undo dual-write",
        "undo backfill",
    ):
        await steps.refuses(command, "finished")
