"""Every transport, with a log of its own for every test, and no long pauses."""

from collections.abc import AsyncIterator

import pytest

from event_transports import LogTransport, Transport
from manual_clock import ManualClock
from rabbitmq_broker import Broker
from rabbitmq_transport import RabbitMqTransport, asking, be_impatient, drop_queue, make_queue
from tiffin.events import delivery, runner
from tiffin.events.rabbitmq.messages import EVENTS
from tiffin.events.rabbitmq.names import EVERYTHING
from tiffin.storage.node import Node

SOMEBODY = "somebody"


@pytest.fixture(params=["log", "rabbitmq", "rabbitmq-batches"])
async def transport(
    request: pytest.FixtureRequest, log: Node, clock: ManualClock
) -> AsyncIterator[Transport]:
    """What is to carry the log `log`. A new transport is a new parameter."""
    if request.param == "log":
        yield LogTransport(log, clock)
        return
    broker: Broker = request.getfixturevalue("broker")
    carrying = RabbitMqTransport(request.param, log, clock, broker.url())
    async with asking(broker.url()) as connection:  # as everywhere: for each event there is somebody
        await make_queue(connection, SOMEBODY, [(EVENTS, EVERYTHING)], length_max=1)
    async with carrying.relaying():
        yield carrying
    await carrying.forget(broker.url())
    async with asking(broker.url()) as connection:
        await drop_queue(connection, SOMEBODY)


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed is tried again soon, and what is to be replayed is found soon."""
    monkeypatch.setattr(delivery, "RETRY_S", 0.001)
    monkeypatch.setattr(delivery, "PAUSE_S", 0.001)
    monkeypatch.setattr(delivery, "PAUSE_MAX_S", 0.01)
    monkeypatch.setattr(delivery, "TEND_INTERVAL_S", 0.02)
    monkeypatch.setattr(runner, "STAND_IN_S", 0.02)
    be_impatient(monkeypatch)
