"""The service `webhooks`, put together."""

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

from tiffin.cli.background import Work, every, on_each_node
from tiffin.cli.clock import utc_now
from tiffin.cli.config import ConfigError
from tiffin.cli.parts.part import Ground, Part, Peers, consume
from tiffin.events.consumer import Consumer
from tiffin.gateway.asyncapi import RESTAURANTS_HEAR
from tiffin.services.webhooks.addresses import Allowed
from tiffin.services.webhooks.consumers import WebhooksConsumer
from tiffin.services.webhooks.deliveries import DeliveryStore
from tiffin.services.webhooks.listening import Listening
from tiffin.services.webhooks.notices import Notices
from tiffin.services.webhooks.outgoing import open_outgoing
from tiffin.services.webhooks.sealing import Secrets
from tiffin.services.webhooks.sender import Sender, send_all
from tiffin.services.webhooks.service import WebhooksService
from tiffin.services.webhooks.store import EndpointStore
from tiffin.storage.node import Node

GATHER_S = 0.5
"""No till waits for less, and a batch costs much the same whatever its size."""
SEND_INTERVAL_S = 0.25
MEASURE_INTERVAL_S = 15.0
FORGET_INTERVAL_S = 3600.0


@asynccontextmanager
async def open_webhooks(ground: Ground, peers: Peers) -> AsyncGenerator[Part]:
    """Calls of foreign systems. Asks notifications to say that an endpoint has been disabled."""
    settings = ground.config.webhooks
    try:
        allowed = Allowed(settings.allow)
    except ValueError as error:
        raise ConfigError(f"[webhooks] allow: {error}") from None
    kept, patience = timedelta(days=settings.kept_days), timedelta(days=settings.disabled_after_days)
    keys = Secrets(ground.secret, secrets.token_bytes)
    deliveries = DeliveryStore(ground.router)

    async def forget() -> bool:
        await deliveries.drop_old(utc_now(), kept)
        return False

    async with open_outgoing(allowed) as outgoing:

        def work() -> list[Work]:
            listening = Listening(ground.router, RESTAURANTS_HEAR)
            notices = Notices(peers.notifications, utc_now)
            sender = Sender(
                EndpointStore(ground.router),
                listening,
                outgoing,
                keys,
                notices.disabled,
                patience,
                utc_now,
                _roll,
            )
            reader = WebhooksConsumer(deliveries, listening, RESTAURANTS_HEAR, kept, utc_now)
            return [
                *consume(Consumer(reader.name, reader.handle, GATHER_S, reader.types, together=True), ground),
                on_each_node(ground.router, lambda node: send_all(sender, node, SEND_INTERVAL_S)),
                on_each_node(ground.router, partial(_measuring, sender)),
                every(FORGET_INTERVAL_S, "webhooks.forget", forget),
            ]

        yield Part(WebhooksService(ground.router, keys, allowed, RESTAURANTS_HEAR, utc_now), work)


def _measuring(sender: Sender, node: Node) -> Work:
    async def measure() -> bool:
        await sender.measure(node)
        return False

    return every(MEASURE_INTERVAL_S, "webhooks.measure", measure)


def _roll() -> float:
    return secrets.randbelow(1_000_000) / 1_000_000
