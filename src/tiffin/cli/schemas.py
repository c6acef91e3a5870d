"""Every schema of the platform, in the order in which a node gets them."""

from tiffin.storage.migrations import Schema

SCHEMAS = (
    Schema("tiffin", "tiffin.sharding"),
    Schema("log", "tiffin.events"),
    Schema("orders", "tiffin.services.orders"),
    Schema("users", "tiffin.services.users"),
    Schema("restaurants", "tiffin.services.restaurants"),
    Schema("payments", "tiffin.services.payments"),
)
