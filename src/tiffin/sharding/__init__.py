"""Addresses: slots, shards, order ids, sequence blocks, the topology, the router, the partitions.

Owns: the schema `tiffin` (topology, sequence). May import: storage, primitives. Never knows what is in an
order.
"""
