"""Customers and the addresses they order to.

Owns: the schema `users` (customers, by customer). May import: rpc's contracts, cache, sharding, storage,
primitives. Publishes nothing yet. Never knows an order, never keeps a password.
"""
