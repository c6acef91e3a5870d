"""`tiffin archive`: orders that ended long ago."""

import sys

import cyclopts

from tiffin.cli.commands.shell import ConfigFile, configure, console, run
from tiffin.cli.config import FILE

archive_app = cyclopts.App(name="archive", help="Orders that ended long ago, on cheap storage.")
commands = cyclopts.App()
commands.command(archive_app)


@archive_app.default
def show(*, config: ConfigFile = FILE) -> None:
    """Show how many orders are hot and how many archived, by node."""
    from tiffin.cli.archiving import show

    run(show(configure(config), console))


@archive_app.command(name="run")
def run_now(*, config: ConfigFile = FILE) -> None:
    """Archive now what may go, as the platform does by itself every hour. Exit code 1 if some could not.

    Cut short, it has archived what it has archived: the next run goes on.
    """
    from tiffin.cli.archiving import archive_now

    if not run(archive_now(configure(config), console)):
        sys.exit(1)
