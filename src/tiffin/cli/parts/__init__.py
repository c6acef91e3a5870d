"""The platform's parts: one composition function a service, the same in one process and in many.

Owns: what a service is made of, and which consumers and background jobs it brings. May import everything.
Publishes: `PARTS`, in the order in which services open, and `open_gateway`. Never knows in which process its
peers are: it is given them as the contracts' protocols.
"""

from tiffin.cli.parts.gateway import open_gateway
from tiffin.cli.parts.ledger import open_ledger
from tiffin.cli.parts.notifications import open_notifications
from tiffin.cli.parts.orders import open_orders
from tiffin.cli.parts.part import Ground, Open, Part, Peers
from tiffin.cli.parts.payments import open_payments
from tiffin.cli.parts.restaurants import open_restaurants
from tiffin.cli.parts.reverse import open_reverse
from tiffin.cli.parts.users import open_users
from tiffin.cli.parts.webhooks import open_webhooks

PARTS: dict[str, Open] = {
    "notifications": open_notifications,
    "users": open_users,
    "restaurants": open_restaurants,
    "orders": open_orders,
    "ledger": open_ledger,
    "payments": open_payments,
    "reverse": open_reverse,
    "webhooks": open_webhooks,
}
"""By the name of the service, which is the peers' too. Each may ask those before it while it opens."""

__all__ = ["PARTS", "Ground", "Open", "Part", "Peers", "open_gateway"]
