"""`tiffin shards`: where the shards are, and taking them to other nodes while orders keep coming."""

import sys

import cyclopts

from tiffin.cli.commands.shell import ConfigFile, Flag, configure, console, run
from tiffin.cli.config import FILE

shards_app = cyclopts.App(name="shards", help="Which node holds which shards; and moving them under load.")
commands = cyclopts.App()
commands.command(shards_app)


@shards_app.default
def show(*, config: ConfigFile = FILE) -> None:
    """Show which node holds which shards, and how many orders each node carries."""
    from tiffin.cli.inspect import shards

    run(shards(configure(config), console))


@shards_app.command
def move(
    *shards: str,
    to: str | None = None,
    drain: str | None = None,
    balance: Flag = False,
    copy_only: Flag = False,
    config: ConfigFile = FILE,
) -> None:
    """Move shards to another node: copy, follow, compare, switch. The old node follows until `finish`.

    Cut short, it is gone on with by `resume`. Nothing of it disturbs who orders, but for the moment of each
    shard's switch, in which its requests wait.

    Parameters
    ----------
    shards
        Such as `customer/7` or `restaurant/3-9`.
    to
        The node they go to.
    drain
        All shards of this node, evenly to the others.
    balance
        As few shards as it takes until every node has as many.
    copy_only
        Stop when everything is copied and compared; `resume` switches.
    """
    from tiffin.cli.shards import Wanted, move

    if not run(move(configure(config), Wanted(shards, to, drain, balance), copy_only, console)):
        sys.exit(1)


@shards_app.command
def status(*, config: ConfigFile = FILE) -> None:
    """Show the moves that are open, and how far each is."""
    from tiffin.cli.shards import status

    run(status(configure(config), console))


@shards_app.command
def resume(*, config: ConfigFile = FILE) -> None:
    """Go on with every open move, whoever began it, until its shards are on their new node."""
    from tiffin.cli.shards import resume

    if not run(resume(configure(config), console)):
        sys.exit(1)


@shards_app.command
def cancel(*, config: ConfigFile = FILE) -> None:
    """Give up moves before their first switch."""
    from tiffin.cli.shards import cancel

    run(cancel(configure(config), console))


@shards_app.command
def rollback(*, config: ConfigFile = FILE) -> None:
    """Take shards back to where they were, with everything that was written since."""
    from tiffin.cli.shards import rollback

    run(rollback(configure(config), console))


@shards_app.command
def finish(*, config: ConfigFile = FILE) -> None:
    """End moves: what the old nodes still have is dropped, and with it the way back."""
    from tiffin.cli.shards import finish

    run(finish(configure(config), console))
