"""Every schema of the platform, in the order in which a node gets them, and what each service may touch."""

from tiffin.storage.migrations import Schema
from tiffin.storage.roles import Role

SCHEMAS = (
    Schema("tiffin", "tiffin.sharding"),
    Schema("versions", "tiffin.storage.versions"),
    Schema("log", "tiffin.events"),
    Schema("orders", "tiffin.services.orders"),
    Schema("users", "tiffin.services.users"),
    Schema("restaurants", "tiffin.services.restaurants"),
    Schema("payments", "tiffin.services.payments"),
    Schema("notifications", "tiffin.services.notifications"),
    Schema("ledger", "tiffin.services.payments.ledger"),
    Schema("reverse", "tiffin.services.reverse"),
    Schema("webhooks", "tiffin.services.webhooks"),
    Schema("migration", "tiffin.migration"),
)

_OWN = ("SELECT", "INSERT", "UPDATE", "DELETE")
_ROUTING = {
    "tiffin.topology": ("SELECT",),
    "tiffin.epoch": ("SELECT",),
    "tiffin.nodes": ("SELECT",),
    "tiffin.absent": ("SELECT",),
}
_READING = {"log.events": ("SELECT",), "log.history": ("SELECT",)}
_CONSUMING = {
    **_READING,
    "log.cursors": ("SELECT", "INSERT", "UPDATE"),
    "log.consumers": ("SELECT", "INSERT", "UPDATE"),
    "log.dead_letters": ("SELECT", "INSERT", "UPDATE"),
    "log.inbox": ("SELECT", "INSERT"),
}
_APPENDING = {"log.events": ("SELECT", "INSERT"), "log.history": ("SELECT",)}
_LEDGER = {
    "ledger.entries": ("SELECT", "INSERT"),
    "ledger.policies": ("SELECT", "INSERT"),
    "ledger.balances": ("SELECT", "INSERT", "UPDATE"),
    "ledger.dues": ("SELECT", "INSERT", "UPDATE"),
    "ledger.settlements": ("SELECT", "INSERT", "UPDATE"),
}
"""Nothing is ever taken out of the ledger, and entries are not changed."""
_REVERSE = {
    "reverse.cases": ("SELECT", "INSERT", "UPDATE"),
    "reverse.cases_by_restaurant": ("SELECT", "INSERT", "UPDATE"),
    "reverse.orders": ("SELECT", "INSERT", "UPDATE"),
    "reverse.policies": ("SELECT", "INSERT"),
    "reverse.due": _OWN,
}
"""No case is ever taken away."""

ROLES = (
    Role("users", {"users.*": _OWN, **_ROUTING, **_APPENDING}),
    Role("restaurants", {"restaurants.*": _OWN, **_ROUTING, **_CONSUMING}),
    Role("orders", {"orders.*": _OWN, **_ROUTING, "tiffin.order_blocks": (), **_CONSUMING, **_APPENDING}),
    Role("payments", {"payments.*": _OWN, **_ROUTING, **_CONSUMING, **_APPENDING}),
    Role("notifications", {"notifications.*": _OWN, **_ROUTING, **_CONSUMING}),
    Role("ledger", {**_LEDGER, **_ROUTING, **_CONSUMING, **_APPENDING}),
    Role("reverse", {**_REVERSE, **_ROUTING, **_CONSUMING, **_APPENDING}),
    Role("webhooks", {"webhooks.*": _OWN, **_ROUTING, **_CONSUMING}),
    Role("migration", {"migration.*": _OWN, **_ROUTING}),
    Role("gateway", {**_READING, **_ROUTING}),
)
"""A service's own schema, the map of the shards, and of the log no more than it needs. Nothing else."""
