"""Orders, the forward flow: an order and its way to the customer.

Owns: the schema `orders` (orders, and their copy by restaurant), the state table, the deadlines.
May import: events, rpc, sharding, storage, observability, primitives. Asks `restaurants` (prices, stock)
and `users` (addresses) through their contracts.
Publishes: `order.*`, one event a transition, as `OrderEvent`.
Never: touches money, talks to a provider, sends a message, undoes what was delivered.
"""
