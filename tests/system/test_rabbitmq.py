"""A whole platform whose consumers hear of events by RabbitMQ."""

import asyncio

import databases
from rabbitmq_broker import Broker
from rabbitmq_transport import asking, depth, make_queue
from system.commands import tiffin
from tiffin.events.rabbitmq import names
from tiffin.events.rabbitmq.messages import EVENTS

ORDERS = 40


async def test_a_day_by_rabbitmq_is_right_and_others_have_heard_of_it(broker: Broker) -> None:
    url = broker.empty_host()
    settings = {"TIFFIN_EVENTS_TRANSPORT": "rabbitmq", "TIFFIN_EVENTS_URL": url}
    async with asking(url) as connection:
        await make_queue(connection, "another.system", [(EVENTS, "#")])
    with databases.directory() as directory:
        done = await asyncio.to_thread(tiffin, directory, "demo", "--orders", str(ORDERS), **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Audit: 0 differences" in done.stdout
    async with asking(url) as connection:
        assert await depth(connection, "another.system") > 5 * ORDERS
        assert await depth(connection, names.queue_of("orders.restaurant_copy")) == 0
        assert await depth(connection, names.DEAD) == 0
