"""Customers and their addresses."""

from collections.abc import Callable
from hashlib import sha256

import msgspec

from tiffin.cache.entities import Entities
from tiffin.primitives.clock import Clock
from tiffin.primitives.errors import Refusal, Unavailable
from tiffin.rpc import contracts as c
from tiffin.services.users.addresses import check_unique, with_address, without_address
from tiffin.services.users.store import CustomerStore, Stored

FRESH_MS = 5_000
"""`get` may be this old where another process made the change; this process's own changes show at once."""
CACHED_MAX = 5_000
ATTEMPTS_MAX = 10


class Customers:
    """Customers may see and change themselves only; operators and the platform everybody."""

    def __init__(self, store: CustomerStore, clock: Clock) -> None:
        self._store = store
        self._customers: Entities[Stored] = Entities(store.load, clock, FRESH_MS, CACHED_MAX)

    async def create(self, context: c.CallContext, request: c.CreateCustomer) -> c.Customer:
        """Register a customer. The same request again is answered with the customer as it is now."""
        _check_caller(context, request.id)
        addresses = list(request.addresses or [])
        check_unique(addresses)
        customer = c.Customer(id=request.id, name=request.name, phone=request.phone, addresses=addresses)
        created_from = sha256(msgspec.json.encode(request)).digest()
        if await self._store.add(customer, created_from):
            return customer
        stored = await self._find(request.id)
        if stored is None or stored.created_from != created_from:
            raise Refusal("id_taken", "this id is another customer's", {"id": request.id})
        return stored.customer

    async def get(self, context: c.CallContext, request: c.CustomerRef) -> c.Customer:
        """A customer, at most `FRESH_MS` old. The object is shared: do not change it."""
        _check_caller(context, request.customer_id)
        stored = await self._customers.get(request.customer_id)
        if stored is None:
            raise _not_found(request.customer_id)
        return stored.customer

    async def save_address(self, context: c.CallContext, request: c.SaveAddress) -> c.Customer:
        """Add an address, or replace the one with its id."""
        _check_caller(context, request.customer_id)
        return await self._change(
            request.customer_id, lambda customer: with_address(customer, request.address)
        )

    async def remove_address(self, context: c.CallContext, request: c.AddressRef) -> c.Customer:
        """Forget an address."""
        _check_caller(context, request.customer_id)
        return await self._change(
            request.customer_id, lambda customer: without_address(customer, request.address_id)
        )

    async def save_name(self, context: c.CallContext, request: c.SaveName) -> c.Customer:
        """Change the name."""
        _check_caller(context, request.customer_id)
        return await self._change(
            request.customer_id, lambda customer: msgspec.structs.replace(customer, name=request.name)
        )

    def forget(self, customer_id: str) -> None:
        """The customer has changed otherwise: what this process remembers is old."""
        self._customers.forget(customer_id)

    async def _change(self, customer_id: str, change: Callable[[c.Customer], c.Customer]) -> c.Customer:
        """Compare and set, again if somebody else was faster, so that no change undoes another."""
        for _ in range(ATTEMPTS_MAX):
            stored = await self._load(customer_id)
            changed = change(stored.customer)
            if changed == stored.customer:
                return changed
            try:
                if await self._store.change(changed, stored.version):
                    return changed
            finally:
                self._customers.forget(customer_id)
        raise Unavailable("busy", "this customer is being changed by many at once; nothing was changed")

    async def find(self, customer_id: str) -> c.Customer | None:
        """A customer as they are now, for this service itself."""
        stored = await self._find(customer_id)
        return stored and stored.customer

    async def _load(self, customer_id: str) -> Stored:
        stored = await self._find(customer_id)
        if stored is None:
            raise _not_found(customer_id)
        return stored

    async def _find(self, customer_id: str) -> Stored | None:
        return (await self._store.load({customer_id: None})).get(customer_id)


def _check_caller(context: c.CallContext, customer_id: str) -> None:
    caller = context.caller
    if caller.role in ("operator", "system") or (caller.role == "customer" and caller.id == customer_id):
        return
    raise _not_found(customer_id)


def _not_found(customer_id: str) -> Refusal:
    return Refusal("customer_not_found", "no such customer", {"customer_id": customer_id})
