"""As much of the service `orders` as copying and comparing need."""

from typing import Protocol

from tiffin.rpc import contracts as c


class LegacyOrders(Protocol):
    """The service itself, or whatever else has these methods of it."""

    async def adopt(self, context: c.CallContext, request: c.AdoptOrders) -> c.Adopted: ...

    async def adopted(self, context: c.CallContext, request: c.LegacyRefs) -> c.AsAdoptedList: ...

    async def list_legacy(self, context: c.CallContext, request: c.ListLegacy) -> c.LegacyPage: ...

    async def disown(self, context: c.CallContext, request: c.LegacyRefs) -> c.Disowned: ...
