"""Restaurants: onboarding, menus, opening hours, delivery areas, prices, search, portions held for orders.

Owns: the schema `restaurants` (restaurants, stock, receipts, holds, by restaurant). May import: rpc's
contracts, events, cache, sharding, storage, primitives. Publishes nothing yet; reads the events of orders, to
sell what they hold and to give it back. Never knows what is in an order, never trusts a price from outside.
"""
