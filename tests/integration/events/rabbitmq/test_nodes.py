"""A consumer of several nodes: one that is away does not hold up the others."""

from collections.abc import Sequence

from event_effects import append_ids, eventually
from log_bench import log_node
from manual_clock import ManualClock
from rabbitmq_broker import Broker
from rabbitmq_load import PATIENCE_S
from rabbitmq_transport import Process, RabbitMqTransport
from tcp_proxy import TcpProxy
from tiffin.events.consumer import Consumer
from tiffin.events.event import Event
from tiffin.events.rabbitmq.runner import BrokerRunner
from tiffin.storage.embedded import EmbeddedServer
from tiffin.storage.node import Node


async def test_events_of_other_nodes_go_on_while_one_is_away_and_its_own_come_when_it_is_back(
    carrying: RabbitMqTransport, server: EmbeddedServer, broker: Broker, clock: ManualClock
) -> None:
    came: list[str] = []

    async def handle(events: Sequence[Event]) -> None:
        came.extend(event.key for event in events)

    async def has(*keys: str) -> bool:
        return set(keys) <= set(came)

    async def listens() -> bool:
        return runner.listening

    async with log_node(server) as far, TcpProxy.before(far.url) as proxy:
        other = RabbitMqTransport("rabbitmq", far, clock, broker.url())
        reached = await Node.open(far.name, proxy.url, readers_max=2)
        consumer = Consumer(f"test.{far.name}", handle)
        runner = BrokerRunner(consumer, [carrying.node, reached], broker.url(), clock)
        async with carrying.relaying(), other.relaying():
            process = Process(runner)
            await eventually(listens, PATIENCE_S)
            await append_ids(carrying.node, [("near", 1)])
            await append_ids(far, [("far", 1)])
            await eventually(lambda: has("near", "far"))
            await proxy.close()
            await append_ids(far, [("far, late", 1)])
            await append_ids(carrying.node, [("near, meanwhile", 1)])
            await eventually(lambda: has("near, meanwhile"))
            await proxy.open()
            await eventually(lambda: has("far, late"), PATIENCE_S)
            await process.kill()
        await reached.close()
    assert sorted({key for key in came if key.startswith("near")}) == ["near", "near, meanwhile"]
