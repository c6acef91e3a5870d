"""What the owner of the databases does beside all services: keep the log's days, and have it broadcast."""

from collections.abc import Sequence
from functools import partial

from tiffin.cli.background import every
from tiffin.cli.clock import utc_now
from tiffin.cli.config import Config
from tiffin.cli.parts.part import Part, Work
from tiffin.events.rabbitmq.relay import Relay, forget
from tiffin.events.retention import keep_days
from tiffin.storage.node import Node

RETENTION_INTERVAL_S = 3600.0


def keep_log(nodes: Sequence[Node], config: Config) -> Part:
    """Days of the log are made ahead, and dropped when they are old. Making tables is no service's right.
    With a broker, what is in the log goes there."""

    async def keep(node: Node) -> bool:
        if config.events.transport == "log":
            await forget(node)
        await keep_days(node, config.log_retention_days)
        return False

    def work() -> list[Work]:
        work: list[Work] = [
            every(RETENTION_INTERVAL_S, "log.retention", partial(keep, node)) for node in nodes
        ]
        if config.events.transport == "rabbitmq":
            work += [Relay(node, config.events.url, utc_now, utc_now()).run() for node in nodes]
        return work

    return Part(None, work)
