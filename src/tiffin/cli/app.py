"""`tiffin`: the commands, of three rooms: running the platform, looking at it, and events on their way."""

import cyclopts

from tiffin.cli.commands import events, looking, running
from tiffin.cli.config import ConfigError
from tiffin.primitives.errors import Unavailable
from tiffin.storage.migrations import EditedMigration
from tiffin.storage.roles import RoleError

app = cyclopts.App(name="tiffin", help="An order platform for on-demand delivery, on PostgreSQL.")
app.update(running.commands)
app.update(looking.commands)
app.update(events.commands)


def main() -> None:
    """The console script."""
    try:
        app()
    except (ConfigError, EditedMigration, RoleError, Unavailable, OSError) as error:
        raise SystemExit(f"tiffin: {error}") from None
