"""Telling a restaurant that its endpoint is called no more."""

from datetime import datetime

from tiffin.primitives.clock import Clock, to_text
from tiffin.rpc import contracts as c
from tiffin.rpc.context import new_context
from tiffin.services.webhooks.endpoint import EndpointRow

TEMPLATE = "webhook_disabled"
TIMEOUT_MS = 5_000
URL_SHOWN = 60


class Notices:
    """Through notifications, to whoever of the restaurant is told such things. Partners, operators know."""

    def __init__(self, notifications: c.Notifications, clock: Clock) -> None:
        self._notifications = notifications
        self._clock = clock

    async def disabled(self, endpoint: EndpointRow, since: datetime) -> None:
        """It has failed since then. Again is the same message."""
        if endpoint.kind != "restaurant":
            return
        await self._notifications.send(
            new_context("system", "webhooks", self._clock(), TIMEOUT_MS),
            c.SendMessage(
                key=f"webhook:{endpoint.id}:{to_text(since)}",
                template=TEMPLATE,
                role="restaurant",
                person_id=endpoint.owner,
                variables=[c.MessageVariable(name="url", value=endpoint.url[:URL_SHOWN])],
            ),
        )
