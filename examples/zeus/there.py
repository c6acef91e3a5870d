"""The other way: what Zeus does with its orders when Tiffin has them. This file is the migration's own."""

import json
from datetime import UTC, datetime

from flask import abort

STATES = {
    "new": "awaiting_acceptance", "cooking": "preparing", "packed": "ready", "riding": "delivering",
    "arrived": "delivered", "closed": "completed", "dead": "cancelled",
}  # fmt: skip
STATUSES = {state: status for status, state in STATES.items()}
ACTIONS = {
    "new": "accept",
    "cooking": "ready",
    "packed": "pick-up",
    "riding": "deliver",
    "arrived": "complete",
}


class Shop:
    """Places, moves and shows orders in Tiffin, in Zeus's words."""

    def __init__(self, tiffin):
        self.tiffin = tiffin

    def place(self, number, row):
        self.tiffin.place(as_tiffin(number, row))
        return self.look(number)

    def move(self, number, asked):
        order = self.tiffin.order(number)
        if STATUSES[order["state"]] != asked["from"]:
            abort(409)
        action = ACTIONS[asked["from"]]
        if action == "pick-up" and asked.get("rider_id"):
            self.tiffin.advance(order["order_id"], "assign-courier", courier_id=str(asked["rider_id"]))
        self.tiffin.advance(order["order_id"], action)
        return self.look(number)

    def kill(self, number, because):
        self.tiffin.advance(self.tiffin.order(number)["order_id"], "cancel", reason=because)
        return self.look(number)

    def look(self, number):
        return as_zeus(self.tiffin.order(number))


def as_tiffin(number, row):
    """A new order, in Tiffin's shape. It says the same as mapping.toml."""
    now = datetime.now(UTC)
    return {
        "legacy_id": str(number),
        "revision": int(now.timestamp() * 1_000_000),
        "state": STATES[row["status"]],
        "customer_id": str(row["user_id"]),
        "restaurant_id": str(row["shop_id"]),
        "placed_at": now.isoformat(),
        "updated_at": now.isoformat(),
        "currency": "COP",
        "subtotal": cents(row["food"]),
        "delivery_fee": cents(row["delivery"]),
        "total": cents(row["total"]),
        "payment_method": row["paid_by"],
        "lines": [
            {"name": item["dish"], "quantity": item["count"], "unit_price": cents(item["price"])}
            for item in json.loads(row["items"])
        ],
        "address": {
            "street": row["street"],
            "city": row["city"],
            "place": {"latitude": row["latitude"], "longitude": row["longitude"]},
        },
    }


def as_zeus(order):
    rider = order.get("courier_id")
    return {
        "id": int(order["legacy_id"]),
        "user_id": int(order["customer_id"]),
        "shop_id": int(order["restaurant_id"]),
        "status": STATUSES[order["state"]],
        "total": f"{order['total'] / 100:.2f}",
        "rider_id": int(rider) if rider else None,
        "dead_because": order.get("reason"),
        "updated_at": order["updated_at"],
    }


def cents(amount):
    return round(float(amount) * 100)
