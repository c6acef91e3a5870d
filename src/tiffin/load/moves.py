"""An actor moves an order along. What was not answered is looked up, never repeated blindly."""

import asyncio
from collections.abc import Callable

from tiffin.load.day import Arrival
from tiffin.load.ordering import Placed
from tiffin.load.platform import Backoff, Refused
from tiffin.load.run import Run, View, read_view

_FORWARD = (
    "awaiting_payment", "scheduled", "awaiting_acceptance", "preparing", "ready", "delivering", "delivered",
    "completed",
)  # fmt: skip
_RANK = {state: rank for rank, state in enumerate(_FORWARD)}
_LEADS_TO = {"accept": "preparing", "ready": "ready", "pick-up": "delivering", "deliver": "delivered",
             "complete": "completed"}  # fmt: skip


class CalledOff(Exception):
    """Somebody else, as a rule the platform, has ended the order."""

    def __init__(self, order: View) -> None:
        super().__init__(f"order {order.id} is {order.state}")
        self.order = order


class Moves:
    """The moves of one order."""

    def __init__(self, run: Run, arrival: Arrival, placed: Placed) -> None:
        self._run = run
        self._key = placed.key
        self._customer = ("customer", arrival.customer_id)
        self._path = f"/v1/orders/{placed.view.id}"

    async def read(self) -> View:
        """The order as its customer sees it now."""
        return read_view(await self._run.platform.until_known("read", self._customer, "GET", self._path))

    async def act(
        self, action: str, actor: tuple[str, str], reason: str | None = None, intended: float | None = None
    ) -> View:
        """Do it, and answer the order after it. `CalledOff` if it has been cancelled meanwhile; `Refused`."""
        body = {"reason": reason} if reason else {}
        backoff: Backoff | None = None
        while True:
            try:
                answer = await self._run.platform.once(
                    action, actor, "POST", f"{self._path}/{action}", body, intended=intended
                )
            except Refused as refused:
                if refused.code != "wrong_state":
                    raise
                if (found := await self._found_done(action, actor)) is None:
                    raise
                return found
            if answer is not None:
                return self._run.acknowledged(self._key, answer)
            backoff = backoff or Backoff()
            await asyncio.sleep(backoff.next_s(action))
            if (found := await self._found_done(action, actor)) is not None:
                return found

    async def wait(self, over: Callable[[View], bool], first_s: float = 0.02) -> View:
        """Look until the order is as it should be. `CalledOff` if it is cancelled before, `GaveUp`."""
        backoff = Backoff(first_s=first_s)
        while True:
            order = await self.read()
            if over(order):
                return order
            if order.state == "cancelled":
                raise CalledOff(order)
            await self._run.pace.park(backoff.next_s(f"order {order.id}, {order.state}"))

    async def _found_done(self, action: str, actor: tuple[str, str]) -> View | None:
        order = await self.read()
        if _done(action, actor, order):
            return order
        if order.state == "cancelled":
            raise CalledOff(order)
        return None


def _done(action: str, actor: tuple[str, str], order: View) -> bool:
    if action in ("cancel", "reject"):
        return order.state == "cancelled"
    if action == "assign-courier":
        return order.courier_id == actor[1]
    return _RANK.get(order.state, -1) >= _RANK[_LEADS_TO[action]]
