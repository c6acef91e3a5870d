"""People: customers and their addresses, signing in, who may act for whom, keys of foreign systems.

Owns: the schema `users` (customers, phones, sessions and grants by customer or phone; staff and API keys by
restaurant; signing keys on the directory node). May import: rpc's contracts, cache, sharding, storage,
primitives; PyJWT and cryptography. Is given a way to send codes. Publishes `customer.erased`. Never knows an
order, never keeps a password, a code, a token or a key as it was given out.
"""
