"""Payments: what customers pay for their orders, by card, out of their balance or in cash, and give-backs.

Owns: the schema `payments`. May import: events, rpc, sharding, storage, primitives, and of the ledger the
names of its accounts. Is given the orders service, the ledger and a provider. Publishes the stream `payment`:
the events of `states.EventType`. Never charges twice for one order, never gives back more than it has taken,
never holds a transaction open across a call to the provider, never sees a card number, never changes an order
itself.

`sandbox` is a provider to try things with: an HTTP server of its own that knows nothing of this package.
"""
