"""The contract `Notifications`."""

import base64
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from tiffin.primitives.clock import Clock
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.notifications.catalogue import MAY_OPT_OUT, Catalogue, Role, check_variables
from tiffin.services.notifications.decision import Preferences
from tiffin.services.notifications.message import NOBODY, MessageRow, key_of, to_contract
from tiffin.services.notifications.store import MessageStore
from tiffin.sharding import order_id as order_ids
from tiffin.sharding.router import Router
from tiffin.sharding.slots import shard_of

_encode = msgspec.json.Encoder().encode
_NEWEST = (datetime.max.replace(tzinfo=UTC), "")


class NotificationsService:
    """Only the platform itself sends; people read and change what is their own, operators everything."""

    def __init__(self, router: Router, catalogue: Catalogue, clock: Clock) -> None:
        self._store = MessageStore(router)
        self._catalogue = catalogue
        self._clock = clock

    async def send(self, context: c.CallContext, request: c.SendMessage) -> c.Message:
        """Keep a message to be sent at once. The sender (`sender.Sender`) does the rest."""
        if context.caller.role != "system":
            raise Refusal("forbidden", "only the platform itself sends messages")
        if request.person_id is None and request.phone is None:
            raise Refusal("invalid_request", "to whom? person_id or phone is needed")
        if request.order_id is not None and not order_ids.is_valid(int(request.order_id)):
            raise Refusal("invalid_request", f"{request.order_id} can be no order")
        spec = self._catalogue.template(request.template)
        check_variables(request.template, spec, request.variables)
        person_id = request.person_id or NOBODY
        secrets = {each.name: each.value for each in request.variables if each.secret}
        now = self._clock()
        row = MessageRow(
            shard=shard_of(person_id or request.key),
            role=request.role,
            person_id=person_id,
            key=request.key,
            order_id=int(request.order_id) if request.order_id else None,
            template=request.template,
            kind=spec.kind,
            urgent=request.urgent,
            created_at=now,
            expires_at=now + timedelta(seconds=request.expires_in_s),
            variables=_encode({e.name: e.value for e in request.variables if not e.secret}).decode(),
            secrets=_encode(secrets).decode() if secrets else None,
            phone=request.phone,
            language=request.language,
        )
        if await self._store.add([row], now):
            return to_contract(row)
        return to_contract(await self._store.find(key_of(row)) or row)

    async def list_messages(self, context: c.CallContext, request: c.ListMessages) -> c.MessagePage:
        """Messages about an order or to a person."""
        if context.caller.role not in ("operator", "system"):
            raise Refusal("forbidden", "only operators read messages")
        if request.order_id is not None:
            if request.person_id is not None or request.role is not None or request.cursor is not None:
                raise Refusal("invalid_request", "either an order, all at once, or a person")
            rows = await self._of_order(int(request.order_id), request.limit)
            return c.MessagePage(messages=[to_contract(row) for row in rows])
        if request.person_id is None or request.role is None:
            raise Refusal("invalid_request", "whose? order_id, or role and person_id are needed")
        before = _read_cursor(request.cursor) if request.cursor else _NEWEST
        rows = await self._store.of_person(request.role, request.person_id, before, request.limit + 1)
        page = rows[: request.limit]
        return c.MessagePage(
            messages=[to_contract(row) for row in page],
            next_cursor=_cursor(page[-1]) if len(rows) > request.limit else None,
        )

    async def _of_order(self, order_id: int, limit: int) -> list[MessageRow]:
        if not order_ids.is_valid(order_id):
            return []
        return (await self._store.of_order(order_id))[: -limit - 1 : -1]

    async def get_preferences(self, context: c.CallContext, request: c.PersonRef) -> c.Preferences:
        """How a person wants to be written to; empty if they have not said."""
        role = _own_role(context.caller, request.role, request.person_id)
        return _shown(role, request.person_id, await self._store.preferences(role, request.person_id))

    async def set_preferences(self, context: c.CallContext, request: c.SetPreferences) -> c.Preferences:
        """Replace a person's preferences. Messages that wait already follow them, too."""
        role = _own_role(context.caller, request.role, request.person_id)
        preferences = _preferences(request)
        await self._store.set_preferences(role, request.person_id, preferences)
        return _shown(role, request.person_id, preferences)


def _own_role(caller: c.Caller, role: Role | None, person_id: str) -> Role:
    """As what the person of a request is meant. Refused if the caller is somebody else."""
    if caller.role in ("operator", "system"):
        if role is None:
            raise Refusal("invalid_request", "as what is this person addressed? role is missing")
        return role
    if role not in (None, caller.role) or caller.id != person_id:
        raise Refusal("person_not_found", "no such person", {"person_id": person_id})
    return msgspec.convert(caller.role, Role)


def _preferences(request: c.SetPreferences) -> Preferences:
    quiet = (request.quiet_from, request.quiet_until, request.time_zone)
    if None in quiet and any(quiet):
        raise Refusal("invalid_request", "quiet hours need quiet_from, quiet_until and time_zone")
    if request.time_zone is not None:
        try:
            ZoneInfo(request.time_zone)
        except (KeyError, ValueError, OSError):
            message = f"{request.time_zone!r} is no IANA time zone"
            raise Refusal("invalid_time_zone", message) from None
    opt_outs = sorted(set(request.opt_outs or ()))
    if unknown := [kind for kind in opt_outs if kind not in MAY_OPT_OUT]:
        message = f"nobody can opt out of {', '.join(unknown)}"
        raise Refusal("invalid_request", message, {"kinds": sorted(MAY_OPT_OUT)})
    return Preferences(
        request.language,
        time.fromisoformat(request.quiet_from) if request.quiet_from else None,
        time.fromisoformat(request.quiet_until) if request.quiet_until else None,
        request.time_zone,
        opt_outs,
    )


def _shown(role: Role, person_id: str, preferences: Preferences) -> c.Preferences:
    return c.Preferences(
        role=role,
        person_id=person_id,
        language=preferences.language,
        quiet_from=preferences.quiet_from and preferences.quiet_from.isoformat("minutes"),
        quiet_until=preferences.quiet_until and preferences.quiet_until.isoformat("minutes"),
        time_zone=preferences.time_zone,
        opt_outs=list(preferences.opt_outs),
    )


def _cursor(row: MessageRow) -> str:
    text = f"{row.created_at.isoformat()} {row.key}"
    return base64.urlsafe_b64encode(text.encode()).decode()


def _read_cursor(cursor: str) -> tuple[datetime, str]:
    try:
        at, separator, key = base64.b64decode(cursor, b"-_", validate=True).decode().partition(" ")
        moment = datetime.fromisoformat(at)
        if not separator or moment.tzinfo is None or "\0" in key:
            raise ValueError
        moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refusal("invalid_cursor", "not a cursor of this list") from None
    return moment, key
