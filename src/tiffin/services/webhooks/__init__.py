"""Webhooks: systems of restaurants and partners are called about what happens.

Owns: the schema `webhooks` (endpoints, partners that restaurants let, deliveries; in the restaurant
dimension). May import: events, rpc, sharding, storage, primitives; aiohttp to call, standardwebhooks to sign.
Is given notifications. Publishes nothing. Never on the way of an order: it reads the log afterwards. Never
tells anybody of another restaurant's events, and never calls an address that is not public, unless
`[webhooks] allow` says so.
"""
