"""What the reverse flow does about what the log says."""

from collections.abc import Sequence

import msgspec

from tiffin.events.event import Event
from tiffin.rpc import contracts as c
from tiffin.services.reverse.carrying import AT_ONCE_MAX, Carrier
from tiffin.services.reverse.case import details_of
from tiffin.services.reverse.erasure import Erasure
from tiffin.services.reverse.states import EVENTS
from tiffin.services.reverse.store import CaseStore
from tiffin.storage.side_by_side import side_by_side

_SETTLED = ("payment.refunded", "payment.refund_failed")
_person_event = msgspec.json.Decoder(c.PersonEvent).decode
_payment_event = msgspec.json.Decoder(c.PaymentEvent).decode


class ReverseConsumer:
    """Keeps the restaurants' copy of cases, carries on those whose refund has come to its end, undoes what
    cases have moved of orders called off otherwise, and forgets what was said in the cases of who was erased.

    Older versions never replace newer ones, an entry is undone once: hearing of the same again changes
    nothing. Raises what a database or a peer raises: the events come again.
    """

    name = "reverse"
    types = frozenset((
        *(f"case.{event}" for event in EVENTS),
        "order.payment_expired", "order.rejected", "order.acceptance_expired", "order.cancelled",
        "order.called_off", "customer.erased", *_SETTLED,
    ))  # fmt: skip
    """What it copies, whatever makes an order fall, erasures, and how refunds end."""

    def __init__(self, store: CaseStore, carrier: Carrier, erasure: Erasure) -> None:
        self._store = store
        self._carrier = carrier
        self._erasure = erasure

    async def handle(self, events: Sequence[Event]) -> None:
        """Take some events. A batch without cases, fallen orders and refunds costs no round trip."""
        for case_id in sorted({event.key for event in events if event.stream == "case"}):
            case = await self._store.get(case_id)
            if case is not None:
                await self._store.copy(case)
        for order_id in sorted({int(event.key) for event in events if _fell(event)}):
            await self._undo(order_id)
        settled = sorted({_order_of(event) for event in events if event.type in _SETTLED})
        for start in range(0, len(settled), AT_ONCE_MAX):
            await side_by_side(self._carry_on(each) for each in settled[start : start + AT_ONCE_MAX])
        for event in events:
            if event.type == "customer.erased":
                erased = _person_event(event.data)
                await self._erasure.erase(erased.person_id, also_open=erased.last)

    async def _carry_on(self, order_id: int) -> None:
        """A worker would look, too, but later the longer the refund has taken."""
        for case in await self._store.of_order(order_id):
            if case.state == "refunding":
                await self._carrier.try_to_carry(case)

    async def _undo(self, order_id: int) -> None:
        cases = await self._store.of_order(order_id)
        if any(details_of(case).outcome.ends_order and not case.released for case in cases):
            return  # that case has undone what earlier ones moved
        for case in cases:
            if case.state in ("refunded", "closed") and not case.released:
                await self._carrier.undo_entry(case)


def _order_of(event: Event) -> int:
    return int(_payment_event(event.data).order_id)


def _fell(event: Event) -> bool:
    """The text is looked through alone: what looks like a fallen order and is none has no such cases."""
    return (
        event.stream == "order"
        and event.type != "order.called_off"
        and '"to_state":"cancelled"' in event.data
    )
