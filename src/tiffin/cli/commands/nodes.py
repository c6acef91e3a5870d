"""`tiffin nodes`: the databases of a platform that is at work: which there are, one more, one less."""

import cyclopts

from tiffin.cli.commands.shell import ConfigFile, configure, console, run
from tiffin.cli.config import FILE

nodes_app = cyclopts.App(
    name="nodes", help="The databases that hold shards: which there are, one more, one less."
)
commands = cyclopts.App()
commands.command(nodes_app)


@nodes_app.command
def add(url: str, *, name: str | None = None, config: ConfigFile = FILE) -> None:
    """Make a database a node. Every process knows it within a second; shards come by `tiffin shards move`.

    Again is harmless, and says a new address or password.

    Parameters
    ----------
    url
        postgresql://owner:password@host:port/database; PostgreSQL 16 or newer, wal_level = logical.
    name
        What it is called; without it as the database.
    """
    from tiffin.cli.membership import add

    run(add(configure(config), url, name, console))


@nodes_app.command
def remove(name: str, *, config: ConfigFile = FILE) -> None:
    """Let a node go that holds no shards and whose log has been read. Its database stays as it is.

    Parameters
    ----------
    name
        Which.
    """
    from tiffin.cli.membership import remove

    run(remove(configure(config), name, console))


@nodes_app.command(name="list")
def list_nodes(*, config: ConfigFile = FILE) -> None:
    """Show every node: its shards of each dimension, rows, size, unread events, connections, version."""
    from tiffin.cli.node_list import list_nodes

    run(list_nodes(configure(config), console))
