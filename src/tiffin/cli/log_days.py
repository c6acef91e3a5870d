"""The log's days of a node: as long as they are wanted, and until the histories in them are elsewhere."""

from tiffin.cli.config import Config
from tiffin.events.retention import keep_days
from tiffin.services.orders.histories import days_needed, needed_histories
from tiffin.services.reverse.store import needed_histories as needed_of_cases
from tiffin.storage.node import Node

HISTORIES = {"order": needed_histories, "case": needed_of_cases}


async def keep_log_days(node: Node, config: Config) -> None:
    """Make and drop days. An order's events stay until it is archived with them, or are put beside."""
    days = max(config.log_retention_days, days_needed(config.archive.age))
    await keep_days(node, days, HISTORIES)
