"""Moving shards to another node while orders keep coming.

Owns: `tiffin.moves` and what belongs to a move on the two nodes: publications, slots, subscriptions and the
tables that are no partitions yet or no more. May import: sharding, storage, primitives.
Copying is PostgreSQL's own logical replication; nothing here reads or writes rows of services but the log's.
"""
