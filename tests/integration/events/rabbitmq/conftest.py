"""A log and a broker, and patience for neither."""

from collections.abc import AsyncIterator

import pytest

from manual_clock import ManualClock
from rabbitmq_broker import Broker
from rabbitmq_transport import RabbitMqTransport, be_impatient
from tiffin.events import delivery, runner
from tiffin.storage.node import Node


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed is tried again soon, and who stands by takes over soon."""
    monkeypatch.setattr(delivery, "PAUSE_S", 0.001)
    monkeypatch.setattr(delivery, "PAUSE_MAX_S", 0.05)
    monkeypatch.setattr(delivery, "TEND_INTERVAL_S", 0.02)
    monkeypatch.setattr(runner, "STAND_IN_S", 0.02)
    be_impatient(monkeypatch)


@pytest.fixture
async def carrying(log: Node, clock: ManualClock, broker: Broker) -> AsyncIterator[RabbitMqTransport]:
    """The log `log` and the broker; a test opens what it needs of relays and consumers."""
    carrying = RabbitMqTransport("rabbitmq", log, clock, broker.url())
    yield carrying
    await carrying.forget(broker.url())
