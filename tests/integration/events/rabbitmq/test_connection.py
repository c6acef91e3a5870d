"""Connections: opened, refused, unanswered."""

import asyncio

import pytest
import uvloop
from pamqp import commands

from rabbitmq_broker import Broker
from rabbitmq_transport import asking
from tcp_proxy import TcpProxy
from tiffin.events.rabbitmq import messages
from tiffin.events.rabbitmq.connection import NO_ANSWER, Connection, Lost
from tiffin.events.rabbitmq.publisher import Publisher
from tiffin.events.rabbitmq.wire import Message


async def test_a_message_is_published_on_the_loop_that_the_platform_runs_on(broker: Broker) -> None:
    async def publish() -> set[str]:
        publisher = await Publisher.open(broker.url())
        await publisher.connection.ask(
            commands.Exchange.Declare(exchange=messages.EVENTS, exchange_type="topic", durable=True),
            commands.Exchange.DeclareOk,
        )
        outcome = await publisher.publish([Message(messages.EVENTS, "nobody's", "1", "", [], b"")], 10)
        await publisher.connection.close()
        return outcome.returned

    assert await asyncio.to_thread(uvloop.run, publish()) == {"1"}


async def test_who_is_not_let_in_is_told_so(broker: Broker) -> None:
    with pytest.raises(Lost, match="ACCESS_REFUSED") as refused:
        await Connection.open(broker.url().replace("guest:guest", "guest:wrong"))
    assert refused.value.reply_code == 403


async def test_a_broker_that_does_not_answer_is_given_up(broker: Broker) -> None:
    async with TcpProxy.before(broker.url()) as proxy, asking(proxy.url) as connection:
        proxy.swallow_replies = True
        with pytest.raises(Lost) as lost:
            await connection.ask(commands.Confirm.Select(), commands.Confirm.SelectOk, 0.05)
        assert lost.value.reply_code == NO_ANSWER
        with pytest.raises(Lost):
            connection.write(b"")


async def test_a_question_that_nobody_waits_for_any_more_does_not_answer_the_next(broker: Broker) -> None:
    async with TcpProxy.before(broker.url()) as proxy, asking(proxy.url) as connection:
        proxy.swallow_replies = True
        asked = asyncio.create_task(connection.ask(commands.Confirm.Select(), commands.Confirm.SelectOk))
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.wait([asked])
        assert connection.lost.done()


async def test_a_publisher_whose_confirms_do_not_come_gives_up_at_its_deadline(broker: Broker) -> None:
    async with TcpProxy.before(broker.url()) as proxy:
        publisher = await Publisher.open(proxy.url)
        proxy.swallow_replies = True
        with pytest.raises(Lost, match="not published within"):
            await publisher.publish([Message("", "nobody's", "1", "", [], b"")], 0.05)
        assert publisher.connection.lost.done()


async def test_a_large_message_is_cut_into_frames(broker: Broker) -> None:
    publisher = await Publisher.open(broker.url())
    body = bytes(1_000_000)
    outcome = await publisher.publish([Message("", "nobody's", "1", "", [], body)], 30)
    assert outcome.returned == {"1"}
    await publisher.connection.close()
