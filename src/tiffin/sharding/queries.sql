-- name: epoch
SELECT epoch FROM tiffin.epoch;

-- name: topology
-- The whole map and its epoch, of one snapshot.
SELECT e.epoch, t.dimension, t.shard, t.node, t.switching
  FROM tiffin.epoch e LEFT JOIN tiffin.topology t ON true;

-- name: lay_out
-- Shards that no node holds yet get the given one. Shards that have a node keep it.
INSERT INTO tiffin.topology (dimension, shard, node)
SELECT * FROM unnest($1::text[], $2::smallint[], $3::text[])
    ON CONFLICT DO NOTHING
RETURNING shard;

-- name: next_epoch
UPDATE tiffin.epoch SET epoch = epoch + 1 RETURNING epoch;

-- name: next_block
SELECT nextval('tiffin.order_blocks');

-- name: sharded_tables
-- Tables say of which dimension they are in their comment: "dimension: customer". With the shards that this
-- database holds of each.
SELECT n.nspname AS schema, c.relname AS name,
       coalesce(substring(obj_description(c.oid, 'pg_class') FROM 'fillfactor: (\d+)')::int, 100) AS fillfactor,
       ARRAY(SELECT substring(child.relname FROM '_(\d+)$')::smallint
               FROM pg_inherits i JOIN pg_class child ON child.oid = i.inhrelid
              WHERE i.inhparent = c.oid ORDER BY 1) AS shards
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'p' AND obj_description(c.oid, 'pg_class') LIKE 'dimension: ' || $1 || '%'
 ORDER BY 1, 2;

-- name: lock_partitions
-- Until the session ends: one process at a time makes and drops partitions of a node.
SELECT pg_advisory_lock($1);
