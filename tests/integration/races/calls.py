"""How the calls and loops of a race are made: each as whoever it is would make it."""

from collections.abc import Awaitable, Callable
from typing import Any, Literal, NamedTuple
from uuid import uuid4

from integration.races.process import Process
from integration.races.scene import Scene, paying, placing
from integration.races.stages import refunding
from tiffin.rpc import contracts as c
from tiffin.rpc.context import Role

Does = Callable[["World", Process, Scene, int], Awaitable[object]]
"""With what is around, in a process, in a scene, as the first (0) or the second (1) of the two."""
Asks = Callable[[Process, Scene, c.CallContext], Awaitable[object]]


class World:
    """What steps need beside a process."""

    def __init__(self, notices: Any, events: Any) -> None:
        self.notices: Callable[[Scene], Awaitable[list[tuple[str, str]]]] = notices
        """What the provider has sent about a scene's payments so far and sends now: bodies, signatures."""
        self.events: Callable[[Scene], Awaitable[list[Any]]] = events
        """What the log says of a scene's order, payments and cases."""


class Step(NamedTuple):
    """A call or a loop."""

    name: str
    of: str
    """The method, or the loop."""
    does: Does
    stages: tuple[str, ...]
    """Where it does something, if nobody is quicker."""
    event: str | None = None
    """Of the state table."""
    loop_of: Literal["order", "case", "payment"] | None = None
    """A loop, which acts when a deadline of that has passed."""
    needs_notices: bool = False
    never: tuple[str, ...] = ()
    """Where it would be a lie."""


def says(event: str, role: Role, *stages: str, never: tuple[str, ...] = ()) -> Step:
    """Somebody advances the order. Couriers are two."""

    async def say(world: World, process: Process, scene: Scene, which: int) -> object:
        request = c.AdvanceOrder(order_id=scene.id, event=event)
        if event == "courier_assigned" and role == "operator":
            request = c.AdvanceOrder(order_id=scene.id, event=event, courier_id=scene.courier(which + 1))
        mine = 0 if event != "courier_assigned" else which
        context = process.as_(role, scene.caller(role, mine))
        order = await process.orders.advance(context, request)
        scene.said[context.request_id] = f"order.{event}"
        return order

    return Step(f"orders.advance {event} by {role}", "Orders.advance", say, stages, event, never=never)


def asks(name: str, of: str, make: Asks, *stages: str, role: Role = "system") -> Step:
    """A call by somebody."""

    async def ask(world: World, process: Process, scene: Scene, which: int) -> object:
        return await make(process, scene, process.as_(role, scene.caller(role)))

    return Step(name, of, ask, stages)


def pays(name: str, *stages: str, amount: c.Money | None = None) -> Step:
    async def pay(process: Process, scene: Scene, context: c.CallContext) -> object:
        key = amount and f"part-{scene.key}"
        return await process.payments.pay(context, paying(scene, key, amount))

    return asks(name, "Payments.pay", pay, *stages, role="customer")


def refunds(key: str, amount: c.Money, *stages: str) -> Step:
    """By hand, of what has fallen; otherwise cases are the ones to ask for it."""

    async def refund(process: Process, scene: Scene, context: c.CallContext) -> object:
        refund = await process.payments.refund(context, refunding(scene, key, amount))
        scene.said[f"refund {key}-{scene.key}"] = "refund"
        return refund

    return asks(f"payments.refund {key}", "Payments.refund", refund, *stages, role="operator")


def opens(name: str, role: Role, *stages: str, **asked: Any) -> Step:
    """Each time with a key of its own."""

    async def open_(process: Process, scene: Scene, context: c.CallContext) -> object:
        request = c.OpenCase(idempotency_key=uuid4().hex, order_id=scene.id, **asked)
        case = await process.reverse.open(context, request)
        scene.said[context.request_id] = "case.opened"
        return case

    return asks(f"reverse.open {name}", "Reverse.open", open_, *stages, role=role)


def answers(event: str, role: Role, *stages: str) -> Step:
    async def answer(process: Process, scene: Scene, context: c.CallContext) -> object:
        note = "it was cold" if event == "evidence_added" else None
        case_id = scene.case.id if scene.case else f"{scene.id}-none"
        request = c.AdvanceCase(case_id=case_id, event=event, note=note)
        case = await process.reverse.advance(context, request)
        scene.said[context.request_id] = f"case.{event}"
        return case

    step = asks(f"reverse.advance {event} by {role}", "Reverse.advance", answer, *stages, role=role)
    return step._replace(event=event)


def loops(name: str, of: Literal["order", "case", "payment"], *stages: str) -> Step:
    async def work(world: World, process: Process, scene: Scene, which: int) -> object:
        does = {"order": process.sweep, "case": process.work, "payment": process.settle}[of]
        return await does()

    return Step(name, name, work, stages, loop_of=of)


def hears(name: str, reader: str, *stages: str) -> Step:
    """A reader of the log is given what there is, again if it has had it already."""

    async def hear(world: World, process: Process, scene: Scene, which: int) -> object:
        consumer = getattr(process, reader)
        wanted = getattr(consumer, "types", None)
        events = await world.events(scene)
        return await consumer.handle([each for each in events if wanted is None or each.type in wanted])

    return Step(name, name, hear, stages)


async def again(world: World, process: Process, scene: Scene, which: int) -> object:
    return await process.orders.place(process.as_("customer", scene.customer), placing(scene))


async def hear_notices(world: World, process: Process, scene: Scene, which: int) -> object:
    for body, signature in await world.notices(scene):
        notice = c.ProviderNotice(body=body, signature=signature)
        await process.payments.take_notice(process.as_("system", "provider"), notice)
    return None


async def capture(process: Process, scene: Scene, context: c.CallContext) -> object:
    payment_id = scene.payment.id if scene.payment else f"{scene.id}-none"
    return await process.payments.capture_payment(context, c.PaymentRef(payment_id=payment_id))


async def void(process: Process, scene: Scene, context: c.CallContext) -> object:
    payment_id = scene.payment.id if scene.payment else f"{scene.id}-none"
    return await process.payments.void_payment(context, c.PaymentRef(payment_id=payment_id))


async def enter(process: Process, scene: Scene, context: c.CallContext) -> object:
    accounts = ("platform:revenue:commission", "platform:cost:compensation")
    postings = [
        c.Posting(account=account, amount=sign) for account, sign in zip(accounts, (5, -5), strict=True)
    ]
    request = c.EnterEntry(order_id=scene.id, fact="correction:1", currency="COP", postings=postings)
    return await process.ledger.enter(context, request)


async def undo(process: Process, scene: Scene, context: c.CallContext) -> object:
    return await process.ledger.reverse(context, c.ReverseEntry(order_id=scene.id, fact="correction:1"))
