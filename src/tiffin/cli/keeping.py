"""What the owner of the databases does beside all services: keep the log's days, and have it broadcast."""

from functools import partial

from tiffin.cli.background import Work, every, on_each_node
from tiffin.cli.clock import utc_now
from tiffin.cli.config import Config
from tiffin.cli.parts.part import Part
from tiffin.events.rabbitmq.relay import Relay, forget
from tiffin.events.retention import keep_days
from tiffin.sharding.router import Router
from tiffin.storage.node import Node

RETENTION_INTERVAL_S = 3600.0


def keep_log(router: Router, config: Config) -> Part:
    """Days of the log are made ahead, and dropped when they are old. Making tables is no service's right.
    With a broker, what is in the log goes there."""

    async def keep(node: Node) -> bool:
        if config.events.transport == "log":
            await forget(node)
        await keep_days(node, config.log_retention_days)
        return False

    def work() -> list[Work]:
        work: list[Work] = [
            on_each_node(
                router, lambda node: every(RETENTION_INTERVAL_S, "log.retention", partial(keep, node))
            ),
        ]
        if config.events.transport == "rabbitmq":
            work.append(
                on_each_node(router, lambda node: Relay(node, config.events.url, utc_now, utc_now()).run())
            )
        return work

    return Part(None, work)
