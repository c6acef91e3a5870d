"""The service `notifications`, put together."""

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

from tiffin.cli.background import Work, every, on_each_node
from tiffin.cli.clock import utc_now
from tiffin.cli.config import ConfigError, Notifications
from tiffin.cli.parts.part import Ground, Part, Peers, consume
from tiffin.events.consumer import Consumer
from tiffin.services.notifications.catalogue import CatalogueError
from tiffin.services.notifications.consumers import NotificationsConsumer
from tiffin.services.notifications.loading import load_catalogue
from tiffin.services.notifications.providers import LocalOutbox, Provider
from tiffin.services.notifications.recipients import Recipients
from tiffin.services.notifications.sender import Sender
from tiffin.services.notifications.service import NotificationsService
from tiffin.services.notifications.store import MessageStore
from tiffin.storage.node import Node

GATHER_S = 0.5
"""Nobody's phone rings sooner than that, and a batch costs much the same whatever its size."""
SEND_INTERVAL_S = 0.25
MEASURE_INTERVAL_S = 5.0
FORGET_INTERVAL_S = 3600.0


@asynccontextmanager
async def open_notifications(ground: Ground, peers: Peers) -> AsyncGenerator[Part]:
    """Messages to people. Answers without its peers; sending asks users, restaurants and orders."""
    settings = ground.config.notifications
    try:
        words = Path(settings.words) if settings.words else None
        catalogue, audiences = load_catalogue(settings.language, words)
    except CatalogueError as error:
        raise ConfigError(f"[notifications] {error}") from None
    store = MessageStore(ground.router)

    async def forget() -> bool:
        await store.drop_old(utc_now(), timedelta(days=settings.kept_days))
        return False

    async with _provider(settings) as provider:

        def work() -> list[Work]:
            recipients = Recipients(peers.users, peers.restaurants, peers.orders, utc_now)
            sender = Sender(catalogue, recipients, provider, utc_now, _roll)
            reader = NotificationsConsumer(store, catalogue, audiences, peers.orders, utc_now)
            return [
                *consume(Consumer(reader.name, reader.handle, GATHER_S, reader.types), ground),
                *(
                    on_each_node(ground.router, partial(_sending, sender, security=security))
                    for security in (True, False)
                ),
                on_each_node(ground.router, partial(_measuring, sender)),
                every(FORGET_INTERVAL_S, "notifications.forget", forget),
            ]

        yield Part(NotificationsService(ground.router, catalogue, utc_now), work)


@asynccontextmanager
async def _provider(settings: Notifications) -> AsyncGenerator[Provider]:
    if not settings.providers:
        yield LocalOutbox()
        return
    # Loading Apprise takes a second; most platforms on a laptop do without.
    from tiffin.services.notifications.through_apprise import Apprise, InvalidProvider  # noqa: PLC0415

    try:
        provider = Apprise(settings.providers)
    except InvalidProvider as error:
        raise ConfigError(f"[notifications] {error}") from None
    try:
        yield provider
    finally:
        provider.close()


def _sending(sender: Sender, node: Node, security: bool) -> Work:
    name = "notifications.codes" if security else "notifications.send"
    return every(SEND_INTERVAL_S, name, partial(sender.send_due, node, security=security))


def _measuring(sender: Sender, node: Node) -> Work:
    async def measure() -> bool:
        await sender.measure(node)
        return False

    return every(MEASURE_INTERVAL_S, "notifications.measure", measure)


def _roll() -> float:
    return secrets.randbelow(1_000_000) / 1_000_000
