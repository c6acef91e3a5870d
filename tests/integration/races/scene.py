"""An order brought to where a race about it begins."""

from dataclasses import dataclass, field
from typing import Any

from integration.races.process import Process
from tiffin.rpc import contracts as c
from tiffin.rpc.context import Role

PRICE, FEE = 1000, 300
TOTAL = 2 * PRICE + FEE
SOME = c.Money(amount=700, currency="COP")
ALL = c.Money(amount=TOTAL, currency="COP")


@dataclass
class Scene:
    """What the two in a race know of their order."""

    customer: str
    restaurant: str
    key: str
    """Its own: of the order, of payments, of couriers."""
    source: str = "tok_ok"
    online: bool = True
    by_balance: bool = False
    """Paid out of what the customer is owed, not by card."""
    scheduled_for: str | None = None
    order: c.Order | None = None
    payment: c.Payment | None = None
    case: c.Case | None = None
    said: dict[str, str] = field(default_factory=dict[str, str])
    """Of each request that was answered: what event it must have made, or nothing."""

    @property
    def id(self) -> str:
        assert self.order is not None
        return self.order.id

    def courier(self, which: int = 0) -> str:
        return f"courier-{self.key}-{which}"

    def caller(self, role: Role, which: int = 0) -> str:
        known = {"customer": self.customer, "restaurant": self.restaurant, "courier": self.courier(which)}
        return known.get(role, "race")


class Hands:
    """Processes that bring orders to where races begin. They take no time over it."""

    def __init__(self, well: Process, unheard: Process, deaf: Process) -> None:
        self.well = well
        self.unheard = unheard
        """Loses every answer of the provider after the deed."""
        self.deaf = deaf
        """Tells the orders service nothing."""

    async def place(self, scene: Scene) -> None:
        scene.order = await self.well.orders.place(self.well.as_("customer", scene.customer), placing(scene))

    async def pay(self, scene: Scene, process: Process | None = None) -> None:
        process = process or self.well
        request = paying(scene, f"pay-{scene.key}")
        scene.payment = await process.payments.pay(process.as_("customer", scene.customer), request)

    async def say(self, scene: Scene, event: str, role: Role, **fields: Any) -> None:
        request = c.AdvanceOrder(order_id=scene.id, event=event, **fields)
        scene.order = await self.well.orders.advance(self.well.as_(role, scene.caller(role)), request)

    async def capture(self, scene: Scene, process: Process | None = None) -> None:
        process = process or self.well
        assert scene.payment is not None
        request = c.PaymentRef(payment_id=scene.payment.id)
        await process.payments.capture_payment(process.as_("system", "race"), request)

    async def open(self, scene: Scene, role: Role, process: Process | None = None, **asked: Any) -> None:
        process = process or self.well
        request = c.OpenCase(idempotency_key=f"first-{scene.key}", order_id=scene.id, **asked)
        scene.case = await process.reverse.open(process.as_(role, scene.caller(role)), request)

    async def answer(self, scene: Scene, event: str, role: Role) -> None:
        assert scene.case is not None
        request = c.AdvanceCase(case_id=scene.case.id, event=event)
        await self.well.reverse.advance(self.well.as_(role, scene.caller(role)), request)


def placing(scene: Scene) -> c.PlaceOrder:
    """Two soups. The same request for the same scene."""
    return c.PlaceOrder(
        idempotency_key=f"place-{scene.key}", restaurant_id=scene.restaurant,
        lines=[c.BasketLine(item_id="soup", quantity=2)], address_id="home",
        payment_method="online" if scene.online else "cash", expected_total=ALL,
        scheduled_for=scene.scheduled_for,
    )  # fmt: skip


def paying(scene: Scene, key: str | None = None, amount: c.Money | None = None) -> c.PayOrder:
    """A payment, by the scene's means."""
    source, method = (None, "balance") if scene.by_balance else (scene.source, None)
    return c.PayOrder(order_id=scene.id, source=source, key=key, amount=amount, method=method)
