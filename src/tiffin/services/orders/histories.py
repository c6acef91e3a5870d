"""What orders need of the log's days before those are dropped: their histories.

An order takes its history along when it is archived. The log keeps its days until then; what it has of orders
that stay hot for longer, because somebody is not done with them, is put beside the log day by day.
"""

from datetime import date, datetime, timedelta

from tiffin.services.orders.archive import AGE_MIN, QUERIES
from tiffin.storage.node import Node

TIMEOUT_S = 600.0
"""A day of a node's log is read once."""
SLACK_DAYS = 7
"""So much longer than orders are hot the log is kept: not all that may go are archived in a moment."""


def days_needed(age: timedelta) -> int:
    """How many days of the log orders need that are archived so long after they ended."""
    return max(age, AGE_MIN).days + SLACK_DAYS


async def needed_histories(node: Node, day: date) -> list[str]:
    """The orders that would lose some of their history with this day."""
    connection = await node.connect(TIMEOUT_S)
    try:
        return [row["key"] for row in await connection.fetch(QUERIES["needed_histories"], day)]
    finally:
        await connection.close()


async def forget_histories(node: Node, before: datetime) -> None:
    """Take away what is beside the log of orders that have been archived since, with their histories."""
    await node.execute(QUERIES["forget_histories"], before)
