"""What befalls brokers and connections while events happen: nothing is lost, doubled or overtaken."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from prometheus_client import REGISTRY

from event_effects import eventually
from rabbitmq_broker import Broker
from rabbitmq_load import PATIENCE_S, Town
from rabbitmq_transport import RabbitMqTransport
from tcp_proxy import Fault, TcpProxy
from tiffin.events.rabbitmq import relay, runner, wire
from tiffin.events.rabbitmq.connection import Lost
from tiffin.events.rabbitmq.publisher import Publisher
from tiffin.events.rabbitmq.wire import Message
from tiffin.events.reader import BATCH_MAX

_CONFIRM = wire.ACK.to_bytes(4, "big")


async def restarts(town: Town, broker: Broker, rounds: int) -> None:
    for number in range(rounds):
        end, before = (broker.kill if number % 2 == 0 else broker.stop), len(town.ids)
        async with town.busy():
            await asyncio.to_thread(end)
            await eventually(lambda n=before: _more(town, n))
            await asyncio.to_thread(broker.start)
            for listener in town.listeners:
                await eventually(listener.listens, PATIENCE_S)


async def _more(town: Town, than: int) -> bool:
    return len(town.ids) > than + 20


async def test_a_broker_killed_and_started_again_under_load(
    carrying: RabbitMqTransport, broker: Broker
) -> None:
    async with Town.open(carrying) as town:
        await restarts(town, broker, 1)
        await town.settled()


@pytest.mark.soak
async def test_a_broker_killed_or_stopped_and_started_again_fifty_times(
    carrying: RabbitMqTransport, broker: Broker
) -> None:
    async with Town.open(carrying) as town:
        await restarts(town, broker, 50)
        await town.settled()


async def closed(carrying: RabbitMqTransport, broker: Broker, rounds: int) -> None:
    async with TcpProxy.before(broker.url()) as proxy:
        carrying.url = proxy.url

        async def cut() -> bool:
            """Whether there was anything to cut: all may be on their way."""
            before = proxy.cuts
            proxy.cut()
            return proxy.cuts > before

        async with Town.open(carrying) as town:
            for _ in range(rounds):
                async with town.busy():
                    await eventually(cut, PATIENCE_S)
            await town.settled()


async def test_connections_that_are_cut(carrying: RabbitMqTransport, broker: Broker) -> None:
    await closed(carrying, broker, 20)


@pytest.mark.soak
async def test_connections_that_are_cut_five_hundred_times(
    carrying: RabbitMqTransport, broker: Broker
) -> None:
    await closed(carrying, broker, 500)


async def closed_by_the_broker(carrying: RabbitMqTransport, broker: Broker, rounds: int) -> None:
    close_all = f"""[begin [rabbit_networking:close_connection(Each, "for a test")
                     || Each <- rabbit_networking:connections()], timer:sleep(300) end
                    || _ <- lists:seq(1, {rounds})]."""
    async with Town.open(carrying) as town:
        async with town.busy():
            await asyncio.to_thread(broker.control, "eval", close_all, timeout_s=120 + 10 * rounds)
        await town.settled()


async def test_connections_that_the_broker_closes(carrying: RabbitMqTransport, broker: Broker) -> None:
    await closed_by_the_broker(carrying, broker, 3)


@pytest.mark.soak
async def test_connections_that_the_broker_closes_five_hundred_times(
    carrying: RabbitMqTransport, broker: Broker
) -> None:
    await closed_by_the_broker(carrying, broker, 500)


async def unconfirmed(carrying: RabbitMqTransport, broker: Broker, rounds: int) -> None:
    """Each time the broker has what was published, and its word for that does not arrive."""

    def cut(data: bytes) -> Fault | None:
        return "cut" if _CONFIRM in data else None

    async with (
        TcpProxy.before(broker.url()) as proxy,
        Town.open(carrying, relay_url=proxy.url, marked=False) as town,
    ):

        async def happened() -> bool:
            return proxy.on_reply is None

        for _ in range(rounds):
            proxy.on_reply = cut
            await town.happen(3)
            await eventually(happened, PATIENCE_S)
        await town.settled()


async def test_what_was_published_and_not_confirmed_is_published_again_and_has_its_effect_once(
    carrying: RabbitMqTransport, broker: Broker
) -> None:
    await unconfirmed(carrying, broker, 20)


@pytest.mark.soak
async def test_what_was_published_and_not_confirmed_is_published_again_two_thousand_times(
    carrying: RabbitMqTransport, broker: Broker
) -> None:
    await unconfirmed(carrying, broker, 2_000)


async def alarmed(carrying: RabbitMqTransport, broker: Broker, rounds: int) -> None:
    """The broker is short of memory and takes nothing: the relay gives up in time, others read the log."""
    async with Town.open(carrying, marked=False) as town:
        for _ in range(rounds):
            failures = relay_failures(carrying)
            async with town.busy(), short_of_memory(broker):
                await eventually(lambda n=failures: _fails(carrying, n), PATIENCE_S)
            for listener in town.listeners:
                await eventually(listener.listens, PATIENCE_S)
        async with short_of_memory(broker):
            await town.happen(100)
            for listener in town.listeners:
                await eventually(lambda c=listener.consumer: carrying.is_drained(c), PATIENCE_S)
            assert not await town.relayed()
        await town.settled()


SHORT = ("set_vm_memory_high_watermark", "0.0000001")
ENOUGH = ("set_vm_memory_high_watermark", "0.4")


@asynccontextmanager
async def short_of_memory(broker: Broker) -> AsyncGenerator[None]:
    """The alarm is raised while this is entered. Hearts go on beating while it is being raised."""
    await asyncio.to_thread(broker.control, *SHORT)
    try:
        yield
    finally:
        await asyncio.to_thread(broker.control, *ENOUGH)


def relay_failures(carrying: RabbitMqTransport) -> float:
    labels = {"consumer": "relay", "node": carrying.node.name}
    return REGISTRY.get_sample_value("tiffin_consumer_failures_total", labels) or 0.0


async def _fails(carrying: RabbitMqTransport, before: float) -> bool:
    return relay_failures(carrying) > before


async def test_while_the_broker_blocks_publishing_fails_within_its_deadline_and_consumers_read_the_log(
    carrying: RabbitMqTransport, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "PUBLISH_DEADLINE_S", 0.3)
    await alarmed(carrying, broker, 1)


@pytest.mark.soak
async def test_while_the_broker_blocks_again_and_again_nothing_hangs_and_nothing_is_lost(
    carrying: RabbitMqTransport, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "PUBLISH_DEADLINE_S", 0.3)
    await alarmed(carrying, broker, 30)


async def test_what_was_read_from_the_log_while_the_relay_was_held_up_is_dropped_when_it_comes(
    carrying: RabbitMqTransport, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several batches, none of which is the log's end: whoever has begun to read it has to get there."""
    async with Town.open(carrying, marked=False) as town:

        async def reading() -> bool:
            return all([await listener.effects.ids() for listener in town.listeners])

        async with short_of_memory(broker):
            await town.happen(10 * BATCH_MAX)
            await eventually(reading)
            monkeypatch.setattr(runner, "IDLE_S", 3600.0)
        await town.happen(10)
        await town.settled()


async def test_publishing_waits_for_a_broker_that_blocks_no_longer_than_it_may(broker: Broker) -> None:
    messages = [Message("", "nobody's", str(number), "", [], bytes(1_000)) for number in range(200)]
    impatient, patient = await Publisher.open(broker.url()), await Publisher.open(broker.url())
    async with short_of_memory(broker):
        with pytest.raises(Lost, match=r"not published within 0\.2 s while the broker blocks"):
            await impatient.publish(messages, 0.2)
        waiting = asyncio.create_task(patient.publish(messages, PATIENCE_S))
        await eventually(lambda: _is_blocked(patient))
    assert len((await waiting).returned) == len(messages)
    await patient.connection.close()


async def _is_blocked(publisher: Publisher) -> bool:
    return publisher.connection.blocked


async def test_a_relay_that_is_killed_has_a_successor(carrying: RabbitMqTransport) -> None:
    async with carrying.relaying() as first, Town.open(carrying, marked=False) as town:
        await town.happen(10)
        await eventually(town.relayed)
        await first.kill()
        await town.happen(10)
        await eventually(town.relayed)
        await town.settled()


async def test_of_two_processes_one_listens_and_the_other_takes_over(carrying: RabbitMqTransport) -> None:
    """Marked: who is killed may have had the effect, and not said so."""
    async with Town.open(carrying) as town:
        async with carrying.consuming(town.many.consumer) as second, town.busy():
            await town.many.process.kill()
            town.many.process = second
            await eventually(town.many.listens, PATIENCE_S)
        async with carrying.consuming(town.many.consumer):
            await town.settled()
