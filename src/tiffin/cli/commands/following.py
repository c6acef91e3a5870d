"""`tiffin migrate`, from the first change that is heard of to the end: who writes, who reads, who has the
truth.
"""

from typing import Annotated, Literal

import cyclopts
from cyclopts import Parameter
from cyclopts.validators import Number

from tiffin.cli.commands.migrating import migrate_app, undo_app
from tiffin.cli.commands.shell import ConfigFile, configure, console, run
from tiffin.cli.config import FILE

commands = cyclopts.App()

Seconds = Annotated[float, Parameter(validator=Number(gt=0, lte=60))]
Name = Annotated[str | None, Parameter(name="--name", help="Which migration, where there are several.")]


@migrate_app.command(name="dual-write")
def dual_write(
    capture: Literal["library", "triggers", "stream"], *, name: Name = None, config: ConfigFile = FILE
) -> None:
    """Hear of every change of the old table from now on. `follow` then brings them over.

    Parameters
    ----------
    capture
        Who tells: the monolith, by the library `tiffin_dual_write`; triggers of its database; or its
        replication stream (PostgreSQL with wal_level = logical). The last two need no change of the monolith.
    """
    from tiffin.cli.following import dual_write

    run(dual_write(configure(config), name, capture, console))


@undo_app.command(name="dual-write")
def undo_dual_write(*, name: Name = None, config: ConfigFile = FILE) -> None:
    """Hear of no change any more. Leaves nothing in the old database."""
    from tiffin.cli.following import dual_write_off

    run(dual_write_off(configure(config), name, console))


@migrate_app.command
def follow(*, name: Name = None, config: ConfigFile = FILE) -> None:
    """Bring changes over for as long as it runs: from the side that has the truth to the other.

    May be killed and started again at any moment, and run twice.
    """
    from tiffin.cli.following import follow

    run(follow(configure(config), name, console))


@migrate_app.command(name="read-new")
def read_new(
    share: str | None = None, *, customers: str = "", name: Name = None, config: ConfigFile = FILE
) -> None:
    """Say who reads from Tiffin; the monolith's library asks every second.

    Parameters
    ----------
    share
        Of a hundred customers so many, always the same ones: 5 or 5%. Left out it stays as it is.
    customers
        Others by their id in the old system, separated by commas; they replace those named before.
    """
    from tiffin.cli.following import LiveError, read_new

    try:
        percent = None if share is None else int(share.removesuffix("%"))
    except ValueError:
        percent = -1
    if percent is not None and not 0 <= percent <= 100:
        raise LiveError(f"a share is a whole number from 0 to 100, not {share!r}")
    named = [customer for customer in customers.split(",") if customer]
    run(read_new(configure(config), name, percent, named, console))


@migrate_app.command
def authority(
    to: Literal["new", "old"], *, within: Seconds = 5, name: Name = None, config: ConfigFile = FILE
) -> None:
    """Give the truth to Tiffin, or back. Writers wait meanwhile, and both sides are compared once more.

    Parameters
    ----------
    within
        Seconds to wait for those who are writing. If one takes longer nothing changes.
    """
    from tiffin.cli.following import give_authority

    run(give_authority(configure(config), name, to, within, console))


@migrate_app.command
def finish(*, name: Name = None, config: ConfigFile = FILE) -> None:
    """Follow no more: the end, and the one stage without a way back. Old ids are answered for ever."""
    from tiffin.cli.following import finish

    run(finish(configure(config), name, console))
