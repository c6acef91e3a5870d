"""What is in queues and what is not: budgets, losses, garbage, and events that nobody takes."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from pamqp import commands
from prometheus_client import REGISTRY

from event_effects import Id, append_ids, eventually, ids_of
from log_bench import append
from manual_clock import ManualClock
from prometheus_samples import counted
from rabbitmq_broker import Broker
from rabbitmq_load import PATIENCE_S, Listener, Town, happening
from rabbitmq_transport import Process, RabbitMqTransport, asking, depth, drop_queue, make_queue, unbind
from tiffin.events.consumer import Consumer
from tiffin.events.event import Event
from tiffin.events.rabbitmq import inflow, messages, names, runner
from tiffin.events.rabbitmq.connection import Connection, Content
from tiffin.events.rabbitmq.messages import BATCHES, EVENTS
from tiffin.events.rabbitmq.publisher import Publisher
from tiffin.events.rabbitmq.relay import NAME as RELAY
from tiffin.events.rabbitmq.relay import Relay, forget
from tiffin.events.rabbitmq.wire import Message
from tiffin.events.runner import backlog
from tiffin.events.triage import standings

NEVER_S = 3600.0


class Gate:
    """Holds a listener up in its handler until it is opened."""

    def __init__(self, listener: Listener) -> None:
        self.reached = asyncio.Event()
        self.open = asyncio.Event()
        listener.effects.before = self._pass

    async def _pass(self, _: Sequence[Event]) -> None:
        self.reached.set()
        await self.open.wait()


async def test_who_listens_gets_events_out_of_the_queue_and_does_not_read_the_log(
    carrying: RabbitMqTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "IDLE_S", NEVER_S)
    async with Town.open(carrying, marked=False) as town:
        monkeypatch.setattr(runner, "read_of_types", None)
        for _ in range(20):
            await town.happen(7)
        await town.settled()


async def over_budget(carrying: RabbitMqTransport, events: int, budget: int) -> None:
    async with Town.open(carrying, marked=False) as town:
        quick, slow = town.many, town.one
        await slow.process.kill()
        slow.consumer = replace(slow.consumer, depth_max=budget)
        async with carrying.consuming(slow.consumer) as slow.process:
            await eventually(slow.listens, PATIENCE_S)
            gate = Gate(slow)
            for _ in range(0, events, 200):
                await town.happen(200)
                await eventually(lambda: carrying.is_drained(quick.consumer), PATIENCE_S)
            await eventually(lambda: _was_cut(slow.consumer), PATIENCE_S)
            async with asking(carrying.url) as connection:
                assert await depth(connection, names.sink_of(slow.consumer.name)) == 0
            gate.open.set()
            await eventually(slow.listens, PATIENCE_S)
            await town.happen(100)
            await town.settled()
            async with asking(carrying.url) as connection:
                queue = names.queue_of(slow.consumer.name)
                await eventually(lambda: _has(connection, queue, 0), PATIENCE_S)


async def test_over_its_budget_a_consumer_is_cut_reads_the_log_and_comes_back_with_every_effect_once(
    carrying: RabbitMqTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inflow, "PREFETCH", 50)
    await over_budget(carrying, 2_000, 300)


@pytest.mark.soak
async def test_over_its_budget_a_consumer_is_cut_two_hundred_thousand_events(
    carrying: RabbitMqTransport,
) -> None:
    await over_budget(carrying, 200_000, 10_000)


async def cut(carrying: RabbitMqTransport, rounds: int) -> None:
    """Somebody's queue, bound to all there is, is cut while events go on."""
    consumer = Consumer(f"test.{uuid4().hex[:6]}", _never)
    async with Town.open(carrying, marked=False) as town, asking(carrying.url) as connection:
        async with town.busy():
            for _ in range(rounds):
                await names.declare_queue(connection, consumer)
                await eventually(lambda: _has_some(connection, names.queue_of(consumer.name)))
                await names.cut_queue(connection, consumer)
                await names.empty_queue(connection, consumer)
        await town.settled()
        for queue in (names.queue_of(consumer.name), names.sink_of(consumer.name)):
            await drop_queue(connection, queue)
    assert counted("tiffin_consumer_failures", consumer=RELAY, node=carrying.node.name) == 0


async def test_when_a_queue_is_cut_the_relay_loses_nothing_and_waits_for_nothing(
    carrying: RabbitMqTransport,
) -> None:
    await cut(carrying, 20)


@pytest.mark.soak
async def test_when_a_queue_is_cut_a_thousand_times_the_relay_loses_nothing(
    carrying: RabbitMqTransport,
) -> None:
    await cut(carrying, 1_000)


@pytest.mark.parametrize("form", ["one", "many"])
async def test_what_a_queue_has_lost_is_read_from_the_log(
    carrying: RabbitMqTransport, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "IDLE_S", NEVER_S)
    monkeypatch.setattr(inflow, "PREFETCH", 1)
    monkeypatch.setattr(inflow, "PREFETCH_BATCHES", 1)
    async with Town.open(carrying) as town:
        listener: Listener = getattr(town, form)
        gate = Gate(listener)
        await town.happen(3)
        await gate.reached.wait()
        for _ in range(10):
            await town.happen(3)
            await eventually(town.relayed)
        queue = names.queue_of(listener.consumer.name)
        async with asking(carrying.url) as connection:
            await connection.ask(commands.Queue.Purge(queue=queue), commands.Queue.PurgeOk)
        gate.open.set()
        await town.happen(3)
        await town.settled()
    assert counted("tiffin_consumer_queue_losses", consumer=listener.consumer.name) > 0


async def unbound(carrying: RabbitMqTransport, broker: Broker, rounds: int) -> None:
    """A queue is the only one that takes events, and at times, while more happen, it takes none."""
    carrying.url = broker.empty_host()
    node, queue = carrying.node, f"test.{uuid4().hex[:6]}"
    taken: set[Id] = set()

    def take(content: Content) -> None:
        taken.update(ids_of(messages.arrival(content).events))

    async with asking(carrying.url) as connection, asking(carrying.url) as taking:
        await make_queue(connection, queue, [(EVENTS, "order.*")])
        taking.on_delivery = take
        await taking.ask(commands.Basic.Consume(queue=queue, no_ack=True), commands.Basic.ConsumeOk)
        async with carrying.relaying():
            async with happening(node) as ids:
                for _ in range(rounds):
                    before = len(taken)
                    await eventually(lambda n=before: _more(taken, n))
                    await unbind(connection, queue, EVENTS, "order.*")
                    await eventually(lambda: _unrouted(carrying))
                    assert not await _sent(carrying)
                    await eventually(lambda: _says_why(carrying))
                    await make_queue(connection, queue, [(EVENTS, "order.*")])
            await eventually(lambda: _sent(carrying))
        await eventually(lambda: _complete(taken, ids))
        await drop_queue(connection, queue)


async def _never(_: Sequence[Event]) -> None:
    raise AssertionError


async def _more(taken: set[Id], than: int) -> bool:
    return len(taken) > than


async def _complete(taken: set[Id], ids: Sequence[Id]) -> bool:
    return taken == set(ids)


async def test_nothing_is_marked_sent_that_no_queue_took(carrying: RabbitMqTransport, broker: Broker) -> None:
    await unbound(carrying, broker, 5)


@pytest.mark.soak
async def test_nothing_is_marked_sent_that_no_queue_took_a_hundred_times(
    carrying: RabbitMqTransport, broker: Broker
) -> None:
    await unbound(carrying, broker, 100)


async def test_a_listener_whose_binding_was_deleted_misses_nothing_either(
    carrying: RabbitMqTransport,
) -> None:
    async with Town.open(carrying) as town, asking(carrying.url) as connection:
        for listener, exchange in ((town.one, EVENTS), (town.many, BATCHES)):
            queue = names.queue_of(listener.consumer.name)
            for _ in range(5):
                async with town.busy():
                    await unbind(connection, queue, exchange, names.EVERYTHING)
                    await asyncio.sleep(0.02)
        await town.settled()


async def test_what_a_listener_missed_while_unbound_is_found_though_others_have_come_since(
    carrying: RabbitMqTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of another type: a message speaks of the one before it of its own type."""
    monkeypatch.setattr(runner, "IDLE_S", NEVER_S)
    monkeypatch.setattr(inflow, "LOOK_INTERVAL_S", NEVER_S)
    async with Town.open(carrying) as town, asking(carrying.url) as connection:
        await unbind(connection, names.queue_of(town.one.consumer.name), EVENTS, names.EVERYTHING)
        await append(carrying.node, "missed", type_="order.ready")
        await eventually(town.relayed)
        await names.declare_queue(connection, town.one.consumer)
        await town.happen()
        await eventually(lambda: _had(town.one, town.ids[-1]))
        monkeypatch.setattr(runner, "IDLE_S", 0.05)
        await town.happen()
        await eventually(lambda: _had(town.one, ("missed", 1)))
        town.ids.append(("missed", 1))
        await town.settled()


async def test_a_message_that_is_none_of_ours_goes_to_the_dead_ones_and_nobody_is_held_up(
    carrying: RabbitMqTransport,
) -> None:
    async with Town.open(carrying, marked=False) as town, asking(carrying.url) as connection:
        before = await depth(connection, names.DEAD)
        publisher = await Publisher.open(carrying.url)
        garbage = [Message(EVENTS, "order.placed", f"{n}", "text/plain", [], b"?" * n) for n in range(3)]
        await publisher.publish([*garbage, garbage[0]._replace(exchange=BATCHES)], 10)
        await publisher.connection.close()
        await town.happen(5)
        await town.settled()
        await eventually(lambda: _has(connection, names.DEAD, before + 4))


async def test_a_queue_that_nobody_serves_keeps_the_newest_and_its_losses_are_no_dead_letters(
    carrying: RabbitMqTransport,
) -> None:
    consumer = Consumer(f"test.{uuid4().hex[:6]}", _never, depth_max=5)
    queue = names.queue_of(consumer.name)
    async with asking(carrying.url) as connection:
        await names.declare_exchanges(connection)
        await names.declare_queue(connection, consumer)
        before = await depth(connection, names.DEAD)
        async with carrying.relaying():
            await append_ids(carrying.node, [(str(number), 1) for number in range(50)])
            await eventually(lambda: _sent(carrying))
        await eventually(lambda: _has(connection, queue, 10))
        assert await depth(connection, names.DEAD) == before
        await drop_queue(connection, queue)


async def test_a_queue_that_was_made_with_another_budget_is_made_anew(carrying: RabbitMqTransport) -> None:
    async with Town.open(carrying, marked=False) as town:
        await town.one.process.kill()
        town.one.consumer = replace(town.one.consumer, depth_max=77)
        async with carrying.consuming(town.one.consumer) as town.one.process:
            await eventually(town.one.listens, PATIENCE_S)
            await town.happen(10)
            await town.settled()


async def _had(listener: Listener, id_: Id) -> bool:
    return id_ in await listener.effects.ids()


async def _was_cut(consumer: Consumer) -> bool:
    return counted("tiffin_consumer_cuts", consumer=consumer.name) > 0


async def _unrouted(carrying: RabbitMqTransport) -> bool:
    return bool(REGISTRY.get_sample_value("tiffin_relay_unrouted", {"node": carrying.node.name}))


async def _says_why(carrying: RabbitMqTransport) -> bool:
    """Whether `tiffin consumers` tells that the relay waits for somebody to bind."""
    (trouble,) = [each.trouble for each in await standings(carrying.node) if each.consumer == RELAY]
    return trouble is not None and "no queue takes them" in trouble


async def _sent(carrying: RabbitMqTransport) -> bool:
    return await backlog(carrying.node, RELAY) == 0


async def _has_some(connection: Connection, queue: str) -> bool:
    return await depth(connection, queue) > 0


async def _has(connection: Connection, queue: str, messages_there: int) -> bool:
    return await depth(connection, queue) == messages_there


async def test_a_relay_that_comes_no_more_does_not_keep_the_logs_days(carrying: RabbitMqTransport) -> None:
    async with carrying.relaying():
        await append_ids(carrying.node, [("1", 1)])
        async with asking(carrying.url) as connection:
            queue = f"test.{uuid4().hex[:6]}"
            await make_queue(connection, queue, [(EVENTS, "#")])
            await eventually(lambda: _sent(carrying))
            await drop_queue(connection, queue)
    await forget(carrying.node)
    assert await carrying.node.fetchrow("SELECT FROM log.cursors WHERE consumer = $1", RELAY) is None


async def test_a_relay_begins_where_it_is_told_to(carrying: RabbitMqTransport, clock: ManualClock) -> None:
    await append_ids(carrying.node, [("before", 1)])
    later = datetime.now(UTC) + timedelta(days=1)
    process = Process(Relay(carrying.node, carrying.url, clock, starts_at=later))
    await eventually(lambda: _sent(carrying))
    await process.kill()
