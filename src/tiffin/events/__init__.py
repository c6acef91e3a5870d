"""The log: appended in the statement that changes an order, read in commit order, never skipping.

Owns: the schema `log` (events, cursors), its daily partitions and their retention; readers; live feeds.
May import: sharding, storage, observability, primitives. Never knows a service.
"""
