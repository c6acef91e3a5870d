"""The contract `Webhooks`."""

import base64
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import msgspec

from tiffin.primitives.clock import Clock, from_text, to_text
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.webhooks.access import check_endpoint, check_lets, check_owner, no_endpoint
from tiffin.services.webhooks.addresses import Allowed, check_url
from tiffin.services.webhooks.deliveries import PINGS_MAX, REPLAYED_MAX, DeliveryStore
from tiffin.services.webhooks.delivery import PING, DeliveryRow
from tiffin.services.webhooks.delivery import to_contract as shown_delivery
from tiffin.services.webhooks.endpoint import (
    EndpointRow,
    Kind,
    kept_secrets,
    owner_of,
    secrets_of,
    to_contract,
    wanted_types,
)
from tiffin.services.webhooks.sealing import Secrets, followed_by
from tiffin.services.webhooks.store import ENDPOINTS_MAX, EndpointStore
from tiffin.sharding.router import Router
from tiffin.sharding.slots import shard_of

_encode = msgspec.json.Encoder().encode
_NEWEST = (datetime.max.replace(tzinfo=UTC), "")


class WebhooksService:
    """Restaurants see to their own endpoints, operators to all, and to those of partners."""

    def __init__(
        self, router: Router, secrets: Secrets, allowed: Allowed, offered: Collection[str], clock: Clock
    ) -> None:
        """`offered`: the types of events that restaurants may be told of."""
        self._endpoints = EndpointStore(router)
        self._deliveries = DeliveryStore(router)
        self._secrets = secrets
        self._allowed = allowed
        self._offered = offered
        self._clock = clock

    async def create(self, context: c.CallContext, request: c.CreateWebhook) -> c.CreatedWebhook:
        """A new endpoint: it hears of everything that happens from now on."""
        kind, owner = _owner(request.restaurant_id, request.partner_id)
        check_owner(context.caller, kind, owner)
        now = self._clock()
        secret, sealed = self._secrets.new()
        row = EndpointRow(
            shard=shard_of(owner), id=f"{owner}.{self._secrets.new_id()}", kind=kind, owner=owner,
            url=check_url(request.url, self._allowed), types=wanted_types(request.types, self._offered),
            secrets=kept_secrets([sealed]), enabled=True, reason=None, created_at=now,
        )  # fmt: skip
        if not await self._endpoints.add(row):
            raise Refusal("too_many_webhooks", f"at most {ENDPOINTS_MAX} endpoints", {"max": ENDPOINTS_MAX})
        return c.CreatedWebhook(secret=secret, about=to_contract(row, None, now))

    async def list_endpoints(self, context: c.CallContext, request: c.WebhooksOf) -> c.WebhookList:
        """An owner's, oldest first."""
        kind, owner = _owner(request.restaurant_id, request.partner_id)
        check_owner(context.caller, kind, owner)
        found, now = await self._endpoints.of(kind, owner), self._clock()
        return c.WebhookList(endpoints=[to_contract(row, since, now) for row, since in found])

    async def get(self, context: c.CallContext, request: c.WebhookRef) -> c.WebhookEndpoint:
        """One, and since when it has been failing."""
        row, since = await self._find(context.caller, request.endpoint_id)
        return to_contract(row, since, self._clock())

    async def change(self, context: c.CallContext, request: c.ChangeWebhook) -> c.WebhookEndpoint:
        """Replace what may be changed."""
        row, since = await self._find(context.caller, request.endpoint_id)
        row = row._replace(
            url=check_url(request.url, self._allowed),
            types=wanted_types(request.types, self._offered),
            enabled=request.enabled,
            reason=None if request.enabled else row.reason or "by_owner",
        )
        now = self._clock()
        await self._endpoints.change(row, now)
        return to_contract(row, None if row.enabled else since, now)

    async def remove(self, context: c.CallContext, request: c.WebhookRef) -> c.WebhookRemoved:
        """Forget it, and what it was told."""
        await self._find(context.caller, request.endpoint_id)
        await self._endpoints.remove(request.endpoint_id)
        return c.WebhookRemoved(endpoint_id=request.endpoint_id)

    async def rotate_secret(self, context: c.CallContext, request: c.WebhookRef) -> c.CreatedWebhook:
        """A new secret; the one before signs for a day beside it."""
        row, since = await self._find(context.caller, request.endpoint_id)
        now = self._clock()
        secret, sealed = self._secrets.new()
        changed = await self._endpoints.set_secrets(
            row, lambda locked: kept_secrets(followed_by(secrets_of(locked), sealed, now))
        )
        if changed is None:
            raise no_endpoint()
        return c.CreatedWebhook(secret=secret, about=to_contract(changed, since, now))

    async def ping(self, context: c.CallContext, request: c.WebhookRef) -> c.WebhookDelivery:
        """A delivery like any other, that tells of nothing. `PINGS_MAX` a minute, or a few more at once."""
        row = await self._find_enabled(context.caller, request.endpoint_id)
        now = self._clock()
        if await self._deliveries.pings(row.id, now - timedelta(minutes=1)) >= PINGS_MAX:
            raise Refusal("too_many_requests", f"at most {PINGS_MAX} pings a minute", {"retry_after_s": 60})
        name = f"ping:{self._secrets.new_id()}"
        body = c.WebhookPing(type=PING, endpoint_id=row.id, at=to_text(now))
        delivery = DeliveryRow(
            shard=row.shard, endpoint_id=row.id, id=name, restaurant_id="", key=name, version=1, type=PING,
            body=_encode(body).decode(), at=now, state="waiting",
        )  # fmt: skip
        await self._deliveries.add([delivery], now)
        return shown_delivery(delivery)

    async def list_deliveries(self, context: c.CallContext, request: c.ListDeliveries) -> c.DeliveryPage:
        """An endpoint's log, newest first."""
        await self._find(context.caller, request.endpoint_id)
        before = _read_cursor(request.cursor) if request.cursor else _NEWEST
        rows = await self._deliveries.of(request.endpoint_id, request.state, before, request.limit + 1)
        page = rows[: request.limit]
        return c.DeliveryPage(
            deliveries=[shown_delivery(row) for row in page],
            next_cursor=_cursor(page[-1]) if len(rows) > request.limit else None,
        )

    async def get_delivery(self, context: c.CallContext, request: c.DeliveryRef) -> c.WebhookDelivery:
        """One, with every attempt."""
        await self._find(context.caller, request.endpoint_id)
        return shown_delivery(await self._find_delivery(request))

    async def replay_delivery(self, context: c.CallContext, request: c.DeliveryRef) -> c.WebhookDelivery:
        """Send it again; one that waits anyway goes out now."""
        await self._find_enabled(context.caller, request.endpoint_id)
        if not await self._deliveries.replay_one(request.endpoint_id, request.delivery_id, self._clock()):
            raise _no_delivery()
        return shown_delivery(await self._find_delivery(request))

    async def replay(self, context: c.CallContext, request: c.ReplayDeliveries) -> c.Replayed:
        """Send again what happened in a stretch of time, the oldest first."""
        await self._find_enabled(context.caller, request.endpoint_id)
        now = self._clock()
        since = _moment(request.since)
        before = _moment(request.before) if request.before else now
        count = await self._deliveries.replay(request.endpoint_id, since, before, request.delivered, now)
        return c.Replayed(deliveries=count, more=count == REPLAYED_MAX)

    async def let_partner(self, context: c.CallContext, request: c.PartnerRef) -> c.PartnerList:
        """Whoever is let hears of what happens from now on."""
        check_lets(context.caller, request.restaurant_id)
        if not await self._endpoints.of("partner", request.partner_id):
            raise Refusal("partner_not_found", "no such partner", {"partner_id": request.partner_id})
        await self._endpoints.let_partner(request.restaurant_id, request.partner_id)
        return await self._partners(request.restaurant_id)

    async def stop_partner(self, context: c.CallContext, request: c.PartnerRef) -> c.PartnerList:
        """What waits for it is not sent either."""
        check_lets(context.caller, request.restaurant_id)
        await self._endpoints.stop_partner(request.restaurant_id, request.partner_id)
        return await self._partners(request.restaurant_id)

    async def list_partners(self, context: c.CallContext, request: c.PartnersOf) -> c.PartnerList:
        """Whom the restaurant lets."""
        check_owner(context.caller, "restaurant", request.restaurant_id)
        return await self._partners(request.restaurant_id)

    async def _partners(self, restaurant_id: str) -> c.PartnerList:
        partners = await self._endpoints.partners_of(restaurant_id)
        return c.PartnerList(restaurant_id=restaurant_id, partners=partners)

    async def _find(self, caller: c.Caller, endpoint_id: str) -> tuple[EndpointRow, datetime | None]:
        found = await self._endpoints.find(endpoint_id)
        if found is None:
            raise no_endpoint()
        check_endpoint(caller, found[0].kind, owner_of(endpoint_id))
        return found

    async def _find_enabled(self, caller: c.Caller, endpoint_id: str) -> EndpointRow:
        row, _ = await self._find(caller, endpoint_id)
        if not row.enabled:
            raise Refusal("webhook_disabled", "the endpoint is disabled: enable it first")
        return row

    async def _find_delivery(self, request: c.DeliveryRef) -> DeliveryRow:
        row = await self._deliveries.find(request.endpoint_id, request.delivery_id)
        if row is None:
            raise _no_delivery()
        return row


def _owner(restaurant_id: str | None, partner_id: str | None) -> tuple[Kind, str]:
    if restaurant_id is not None and partner_id is None:
        return "restaurant", restaurant_id
    if partner_id is not None and restaurant_id is None:
        return "partner", partner_id
    raise Refusal("invalid_request", "whose? either restaurant_id or partner_id")


def _no_delivery() -> Refusal:
    return Refusal("webhook_delivery_not_found", "no such delivery of this endpoint")


def _moment(text: str) -> datetime:
    try:
        return from_text(text)
    except ValueError as error:
        raise Refusal("invalid_time", str(error)) from None


def _cursor(row: DeliveryRow) -> str:
    return base64.urlsafe_b64encode(f"{row.at.isoformat()} {row.id}".encode()).decode()


def _read_cursor(cursor: str) -> tuple[datetime, str]:
    try:
        at, separator, id_ = base64.b64decode(cursor, b"-_", validate=True).decode().partition(" ")
        moment = datetime.fromisoformat(at)
        if not separator or moment.tzinfo is None or "\0" in id_:
            raise ValueError
        moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refusal("invalid_cursor", "not a cursor of this list") from None
    return moment, id_
