"""`tiffin`: the commands, of two rooms: running the platform, and looking at it."""

import cyclopts

from tiffin.cli.commands import looking, running
from tiffin.cli.config import ConfigError
from tiffin.primitives.errors import Unavailable
from tiffin.storage.migrations import EditedMigration
from tiffin.storage.roles import RoleError

app = cyclopts.App(name="tiffin", help="An order platform for on-demand delivery, on PostgreSQL.")
app.update(running.commands)
app.update(looking.commands)


def main() -> None:
    """The console script."""
    try:
        app()
    except (ConfigError, EditedMigration, RoleError, Unavailable, OSError) as error:
        raise SystemExit(f"tiffin: {error}") from None
