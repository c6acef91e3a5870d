"""Restaurants: menus, opening hours, prices, and portions of limited dishes held for orders.

Owns: the schema `restaurants` (restaurants, stock, holds, by restaurant). May import: rpc's contracts,
events, cache, sharding, storage, primitives. Publishes nothing yet; reads the events of orders, to sell what
they hold and to give it back. Never knows what is in an order, never trusts a price from outside.
"""
