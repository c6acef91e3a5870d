"""The log: appended in the statement that changes an order, read in commit order, never skipping.

Owns: the schema `log` (events, cursors, dead letters, the inbox), its daily partitions and their retention;
readers; live feeds; how events reach consumers.
May import: rpc, sharding, storage, observability, primitives. Publishes: `Consumer`, which every transport
takes; `unmarked`, for effects that must happen once. Never knows a service.
"""
