"""What the owner of the databases does beside all services: keep the log's days, have it broadcast, and put
shards back on their nodes that a mover has left between two when it died."""

from functools import partial

import structlog

from tiffin.cli.background import Work, every, on_each_node
from tiffin.cli.clock import utc_now
from tiffin.cli.config import Config
from tiffin.cli.log_days import keep_log_days
from tiffin.cli.parts.part import Part
from tiffin.events.rabbitmq.relay import Relay, forget
from tiffin.services.orders.histories import forget_histories
from tiffin.sharding.moving.mover import Mover
from tiffin.sharding.router import Router
from tiffin.storage.node import Node

RETENTION_INTERVAL_S = 3600.0
MOVERS_INTERVAL_S = 0.5

_log = structlog.get_logger()


def keep_log(router: Router, config: Config) -> Part:
    """Days of the log are made ahead, and dropped when they are old. Making tables is no service's right.
    With a broker, what is in the log goes there."""

    async def keep(node: Node) -> bool:
        if config.events.transport == "log":
            await forget(node)
        await keep_log_days(node, config)
        await forget_histories(node, utc_now() - config.archive.age)
        return False

    async def mind_movers() -> bool:
        for dimension, shard in await Mover(router.nodes).put_back_abandoned():
            _log.warning("shard_put_back", dimension=dimension, shard=shard)
        return False

    def work() -> list[Work]:
        work: list[Work] = [
            every(MOVERS_INTERVAL_S, "shards.movers", mind_movers),
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
