"""A demonstration shows deadlines pass for which people otherwise have minutes and days."""

from datetime import UTC, datetime, timedelta

from tiffin.services.reverse.policies import add_policy
from tiffin.services.reverse.policy import Terms
from tiffin.sharding.topology import read_topology
from tiffin.storage.node import Node

LASTS = timedelta(hours=1)
_BEFORE_ALL = datetime(1970, 1, 2, tzinfo=UTC)


async def hurry(directory: Node, answer_s: int, now: datetime) -> None:
    """On a platform that has no shards yet: who does not answer a case, or decide it, within `answer_s`, has
    agreed. So it is for orders of the first hour; then the usual rules hold."""
    if (await read_topology(directory)).node_names:
        return
    await add_policy(directory, _BEFORE_ALL, Terms(answer_s=answer_s, arbitration_s=answer_s))
    await add_policy(directory, now + LASTS, Terms())
