"""Where races begin: how an order comes there, and when which of its deadlines has passed."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import NamedTuple

from integration.races.scene import SOME, Hands, Scene
from tiffin.primitives.clock import to_text
from tiffin.rpc import contracts as c

MINUTE, HOUR, DAY = 60, 3600, 86_400
SOON = 11
"""Later than the first question about a payment, and than the first look after a case."""


class Stage(NamedTuple):
    """A beginning. The deadlines: in seconds from it, if anything becomes due."""

    come: Callable[[Hands, Scene], Awaitable[None]]
    order_due: int | None = None
    case_due: int | None = None
    payment_due: int | None = None
    has_refund: bool = False
    """The provider has given something back."""


async def _unpaid(hands: Hands, scene: Scene) -> None:
    await hands.place(scene)


async def _asked(hands: Hands, scene: Scene) -> None:
    """The provider has authorised it; its answer was lost."""
    await hands.place(scene)
    await hands.pay(scene, hands.unheard)


async def _untold(hands: Hands, scene: Scene) -> None:
    """Authorised; the order has not heard of it."""
    await hands.place(scene)
    await hands.pay(scene, hands.deaf)


async def _owed(hands: Hands, scene: Scene) -> None:
    """Not paid yet; its customer is owed as much, for an order that came and was nothing."""
    other = Scene(scene.customer, scene.restaurant, f"{scene.key}-other", online=False)
    await _delivered(hands, other)
    await hands.open(other, "operator", kind="operator_decision")
    scene.by_balance = True
    await hands.place(scene)


async def _held(hands: Hands, scene: Scene) -> None:
    """Paid out of what the customer is owed."""
    await _owed(hands, scene)
    await hands.pay(scene)


async def _held_and_taken(hands: Hands, scene: Scene) -> None:
    await _held(hands, scene)
    await hands.say(scene, "accepted", "restaurant")
    await hands.capture(scene)


async def _scheduled(hands: Hands, scene: Scene) -> None:
    scene.scheduled_for = to_text(hands.well.clock() + timedelta(hours=6))
    await _placed(hands, scene)


async def _placed(hands: Hands, scene: Scene) -> None:
    await hands.place(scene)
    if scene.online:
        await hands.pay(scene)


async def _accepted(hands: Hands, scene: Scene) -> None:
    """Still only authorised: payments have not heard of it."""
    await _placed(hands, scene)
    await hands.say(scene, "accepted", "restaurant")


async def _capturing(hands: Hands, scene: Scene) -> None:
    """The provider has taken the money; its answer was lost."""
    await _accepted(hands, scene)
    await hands.capture(scene, hands.unheard)


async def _preparing(hands: Hands, scene: Scene) -> None:
    await _accepted(hands, scene)
    await hands.capture(scene)


async def _ready(hands: Hands, scene: Scene) -> None:
    await _placed(hands, scene)
    await hands.say(scene, "accepted", "restaurant")
    await hands.say(scene, "courier_assigned", "courier")
    await hands.say(scene, "prepared", "restaurant")
    if scene.online:
        await hands.capture(scene)


async def _delivering(hands: Hands, scene: Scene) -> None:
    await _ready(hands, scene)
    await hands.say(scene, "picked_up", "courier")


async def _delivered(hands: Hands, scene: Scene) -> None:
    await _delivering(hands, scene)
    await hands.say(scene, "delivered", "courier")


async def _completed(hands: Hands, scene: Scene) -> None:
    await _delivered(hands, scene)
    await hands.say(scene, "completed", "customer")


async def _cash(hands: Hands, scene: Scene) -> None:
    """On the road, to be paid at the door."""
    scene.online = False
    await _delivering(hands, scene)


async def _fallen(hands: Hands, scene: Scene) -> None:
    """Called off after its money was taken; nobody has heard of it yet."""
    await _preparing(hands, scene)
    await hands.say(scene, "cancelled", "operator")


async def _fallen_early(hands: Hands, scene: Scene) -> None:
    """Called off while its money was authorised; nobody has heard of it yet."""
    await _placed(hands, scene)
    await hands.say(scene, "cancelled", "customer")


async def _fallen_after_case(hands: Hands, scene: Scene) -> None:
    """A case has given some of it back before; nobody has heard yet that the rest falls, too."""
    await _preparing(hands, scene)
    await hands.open(scene, "operator", kind="operator_decision", amount=SOME)
    await hands.say(scene, "cancelled", "operator")


async def _refunding(hands: Hands, scene: Scene) -> None:
    """Some of what has fallen has been given back by hand; the provider's answer was lost."""
    await _fallen(hands, scene)
    process = hands.unheard
    await process.payments.refund(process.as_("operator", "race"), refunding(scene, "one", SOME))


async def _requested(hands: Hands, scene: Scene) -> None:
    await _delivered(hands, scene)
    await hands.open(scene, "customer", kind="missing_items", lines=[c.CaseLine(line=0, quantity=1)])


async def _rejected(hands: Hands, scene: Scene) -> None:
    await _requested(hands, scene)
    await hands.answer(scene, "rejected", "restaurant")


async def _disputed(hands: Hands, scene: Scene) -> None:
    await _rejected(hands, scene)
    await hands.answer(scene, "disputed", "customer")


async def _calling_off(hands: Hands, scene: Scene) -> None:
    """The restaurant is asked whether an order on its way may be called off."""
    await _ready(hands, scene)
    await hands.open(scene, "customer", kind="cancel")


async def _approved(hands: Hands, scene: Scene) -> None:
    """A case is to call the order off; who was to carry it out has died before."""
    await _preparing(hands, scene)
    await hands.open(scene, "operator", hands.deaf, kind="cannot_supply")


async def _carrying(hands: Hands, scene: Scene) -> None:
    """A case has given money back; the provider's answer was lost."""
    await _delivered(hands, scene)
    await hands.open(scene, "operator", hands.unheard, kind="operator_decision", amount=SOME)


async def _carrying_under_way(hands: Hands, scene: Scene) -> None:
    """The same of an order that goes on."""
    await _preparing(hands, scene)
    await hands.open(scene, "operator", hands.unheard, kind="operator_decision", amount=SOME)


async def _failed(hands: Hands, scene: Scene) -> None:
    scene.source = "tok_refund_failed"
    await _delivered(hands, scene)
    await hands.open(scene, "operator", kind="operator_decision", amount=SOME)


async def _refunded(hands: Hands, scene: Scene) -> None:
    await _delivered(hands, scene)
    await hands.open(scene, "operator", kind="operator_decision", amount=SOME)


def refunding(scene: Scene, key: str, amount: c.Money) -> c.RefundPayment:
    """A refund by hand."""
    return c.RefundPayment(order_id=scene.id, amount=amount, key=f"{key}-{scene.key}", reason="race")


STAGES: dict[str, Stage] = {
    "unpaid": Stage(_unpaid, order_due=16 * MINUTE),
    "asked": Stage(_asked, order_due=16 * MINUTE, payment_due=SOON),
    "untold": Stage(_untold, order_due=16 * MINUTE),
    "owed": Stage(_owed, order_due=16 * MINUTE),
    "held": Stage(_held, order_due=6 * MINUTE),
    "held and taken": Stage(_held_and_taken, order_due=3 * HOUR),
    "scheduled": Stage(_scheduled, order_due=6 * HOUR),
    "placed": Stage(_placed, order_due=6 * MINUTE),
    "accepted": Stage(_accepted, order_due=3 * HOUR),
    "capturing": Stage(_capturing, order_due=3 * HOUR, payment_due=SOON),
    "preparing": Stage(_preparing, order_due=3 * HOUR),
    "ready": Stage(_ready, order_due=3 * HOUR),
    "delivering": Stage(_delivering, order_due=4 * HOUR),
    "delivered": Stage(_delivered, order_due=25 * HOUR),
    "completed": Stage(_completed),
    "cash": Stage(_cash, order_due=4 * HOUR),
    "fallen": Stage(_fallen),
    "fallen early": Stage(_fallen_early),
    "fallen after case": Stage(_fallen_after_case, has_refund=True),
    "refunding": Stage(_refunding, payment_due=SOON, has_refund=True),
    "requested": Stage(_requested, order_due=25 * HOUR, case_due=16 * MINUTE),
    "rejected": Stage(_rejected, order_due=25 * HOUR, case_due=3 * DAY + MINUTE),
    "disputed": Stage(_disputed, order_due=25 * HOUR, case_due=DAY + MINUTE),
    "calling off": Stage(_calling_off, order_due=3 * HOUR, case_due=16 * MINUTE),
    "approved": Stage(_approved, order_due=3 * HOUR, case_due=SOON),
    "carrying": Stage(_carrying, order_due=25 * HOUR, case_due=SOON, payment_due=SOON, has_refund=True),
    "carrying under way": Stage(
        _carrying_under_way, order_due=3 * HOUR, case_due=SOON, payment_due=SOON, has_refund=True
    ),
    "failed": Stage(_failed, order_due=25 * HOUR, case_due=DAY + MINUTE),
    "refunded": Stage(_refunded, order_due=25 * HOUR, case_due=7 * DAY + MINUTE, has_refund=True),
}
