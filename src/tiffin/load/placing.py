"""New orders for the write-path bench: each another customer's, as the orders service would store them."""

import random
from collections.abc import Iterator
from itertools import count

import msgspec

from tiffin.primitives.clock import Clock
from tiffin.rpc import contracts as c
from tiffin.services.orders import transition
from tiffin.services.orders.order import Details, OrderRow
from tiffin.services.orders.policy import Policy
from tiffin.services.orders.transition import Command, Moved
from tiffin.sharding import order_id as ids
from tiffin.sharding.sequence import Sequence
from tiffin.sharding.slots import SLOTS_PER_SHARD, slot_of

RESTAURANTS = 500
BASKETS = 500
SEED = 2019

_DISHES = (
    "Arepa con queso", "Ajiaco santafereño", "Bandeja paisa", "Empanada de carne", "Hamburguesa clásica",
    "Jugo de lulo", "Limonada de coco", "Papas criollas", "Pizza margarita", "Pollo asado medio", "Sancocho",
    "Tamal tolimense",
)  # fmt: skip
_EXTRAS = ("Queso adicional", "Sin cebolla", "Salsa de ajo", "Porción grande")


class Placing:
    """Orders one after the other. Baskets come from some made before; all else is each order's own."""

    def __init__(self, sequence: Sequence, clock: Clock) -> None:
        chance = random.Random(SEED)  # noqa: S311 - realistic sizes, no secrets
        self._sequence = sequence
        self._clock = clock
        self._policy = Policy()
        self._numbers: Iterator[int] = count()
        self._baskets = [_basket(chance) for _ in range(BASKETS)]

    async def next(self) -> Moved:
        """An order that nobody has placed yet, in its first state, with its event."""
        number, sequence = next(self._numbers), await self._sequence.take()
        total, details = self._baskets[number % BASKETS]
        customer_id, restaurant_id = f"customer-{sequence}", f"restaurant-{number * 7 % RESTAURANTS}"
        slot, now = slot_of(customer_id), self._clock()
        row = OrderRow(
            shard=slot // SLOTS_PER_SHARD, id=ids.make(sequence, slot, slot_of(restaurant_id)),
            customer_id=customer_id, restaurant_id=restaurant_id, state="awaiting_acceptance", version=0,
            placed_at=now, updated_at=now, due_at=None, scheduled_for=None, accepted_at=None,
            payment_method="cash", total=total, currency="COP", courier_id=None, reason=None, details=details,
            idempotency_key=f"key-{sequence}", request_hash=sequence.to_bytes(16, "big"),
        )  # fmt: skip
        caller = c.Caller(role="customer", id=customer_id)
        return transition.place(row, Command("placed", caller, f"request-{sequence}"), self._policy)


def _basket(chance: random.Random) -> tuple[int, str]:
    """Total in minor units, and details of 600 to 900 bytes."""
    lines = [
        c.PricedLine(
            item_id=f"dish-{chance.randrange(10_000)}", name=name, quantity=chance.choice((1, 1, 1, 2, 3)),
            unit_price=price, total=price, options=chance.sample(_EXTRAS, 1),
        )
        for name in chance.sample(_DISHES, chance.choice((2, 3, 3)))
        for price in [chance.randrange(300_000, 3_000_000, 5_000)]
    ]  # fmt: skip
    for line in lines:
        line.total = line.unit_price * line.quantity
    subtotal = sum(line.total for line in lines)
    address = c.Address(
        id="home", label="Casa", city="Bogotá", note="Torre 2",
        street=f"Carrera {chance.randrange(1, 120)} # {chance.randrange(1, 90)}-14, apto 502",
        place=c.Place(latitude=4.6 + chance.random() / 10, longitude=-74.1 + chance.random() / 10),
    )  # fmt: skip
    details = Details(
        lines=lines, subtotal=subtotal, delivery_fee=490_000, address=address,
        note="Por favor dejar en la portería y llamar al llegar.",
    )  # fmt: skip
    return subtotal + 490_000, msgspec.json.encode(details).decode()
