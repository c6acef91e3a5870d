"""`tiffin`: the commands: running the platform, looking at it, events, policies, nodes, shards."""

import cyclopts

from tiffin.cli.commands import (
    archive,
    events,
    following,
    looking,
    migrating,
    nodes,
    policies,
    running,
    shards,
)
from tiffin.cli.config import ConfigError
from tiffin.migration.stages import MigrationError
from tiffin.primitives.errors import Unavailable
from tiffin.services.orders.cheap_storage import NoTablespace
from tiffin.sharding.moving.move import MoveError
from tiffin.sharding.registry import NodeError
from tiffin.storage.migrations import EditedMigration
from tiffin.storage.roles import RoleError

app = cyclopts.App(name="tiffin", help="An order platform for on-demand delivery, on PostgreSQL.")
app.update(running.commands)
app.update(looking.commands)
app.update(events.commands)
app.update(policies.commands)
app.update(nodes.commands)
app.update(migrating.commands)
app.update(following.commands)
app.update(shards.commands)
app.update(archive.commands)


def main() -> None:
    """The console script."""
    try:
        app()
    except (
        ConfigError,
        EditedMigration,
        MigrationError,
        MoveError,
        NodeError,
        NoTablespace,
        RoleError,
        Unavailable,
        OSError,
    ) as error:
        raise SystemExit(f"tiffin: {error}") from None
