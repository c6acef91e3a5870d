"""`tiffin migrate`: bringing the databases up to date; and the way in from a monolith's orders table."""

import sys
from pathlib import Path

import cyclopts

from tiffin.cli.commands.shell import ConfigFile, Count, Flag, configure, console, run
from tiffin.cli.config import FILE

migrate_app = cyclopts.App(
    name="migrate",
    help="Bring the databases up to date. And with a subcommand: take orders over from another system.",
)
undo_app = cyclopts.App(name="undo", help="The way back of a stage.")
commands = cyclopts.App()
commands.command(migrate_app)
migrate_app.command(undo_app)


@migrate_app.default
def migrate(*, new_passwords: Flag = False, config: ConfigFile = FILE) -> None:
    """Bring the databases up to date, as their owner: schemas, roles, shards, the log's days.

    Parameters
    ----------
    new_passwords
        Give the services' roles the passwords that go with the secret in the data directory.
    """
    from tiffin.cli.inspect import migrate

    run(migrate(configure(config), new_passwords, console))


@migrate_app.command
def plan(
    file: Path, *, check: Count | None = None, rate: Count | None = None, config: ConfigFile = FILE
) -> None:
    """Hold a mapping file against its source, and record it if it fits. Copies nothing.

    Parameters
    ----------
    file
        The mapping: which column of the old table is what (docs/migrating.md).
    check
        Try so many rows, instead of all.
    rate
        For the estimate: rows a second of the backfill.
    """
    from tiffin.cli.migrating import plan

    if not run(plan(configure(config), file.read_text(encoding="utf-8"), check, rate, console)):
        sys.exit(1)


@migrate_app.command
def backfill(name: str | None = None, *, rate: Count | None = None, config: ConfigFile = FILE) -> None:
    """Copy what the source has, in chunks by its key. Cut short, the same command goes on, from anywhere.

    Parameters
    ----------
    name
        Which migration; need not be said where there is one.
    rate
        At most so many rows a second. A busy source is left in peace in any case.
    """
    from tiffin.cli.migrating import backfill

    run(backfill(configure(config), name, rate, console))


@migrate_app.command
def compare(
    name: str | None = None,
    *,
    repair: Flag = False,
    rate: Count | None = None,
    config: ConfigFile = FILE,
) -> None:
    """Hold every row of the source against Tiffin: what is missing, too much, different, and in which field.

    Parameters
    ----------
    name
        Which migration; need not be said where there is one.
    repair
        Make what differs as it is in the source.
    rate
        At most so many rows a second.
    """
    from tiffin.cli.migrating import compare

    if not run(compare(configure(config), name, repair, rate, console)):
        sys.exit(1)


@migrate_app.command
def status(*, config: ConfigFile = FILE) -> None:
    """Show every migration: how far it is, what was refused, and all that was done."""
    from tiffin.cli.migrating import status

    run(status(configure(config), console))


@undo_app.command(name="backfill")
def undo_backfill(name: str | None = None, *, config: ConfigFile = FILE) -> None:
    """Take away every order that was taken over, as long as the old system decides about them.

    Parameters
    ----------
    name
        Which migration; need not be said where there is one.
    """
    from tiffin.cli.migrating import undo_backfill

    run(undo_backfill(configure(config), name, console))
