-- name: epoch
SELECT epoch FROM tiffin.epoch;

-- name: topology
-- The whole map and its epoch, of one snapshot.
SELECT e.epoch, t.dimension, t.shard, t.node
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
-- Tables say of which dimension they are in their comment: "dimension: customer".
SELECT n.nspname AS schema, c.relname AS name,
       coalesce(substring(obj_description(c.oid, 'pg_class') FROM 'fillfactor: (\d+)')::int, 100) AS fillfactor
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'p' AND obj_description(c.oid, 'pg_class') LIKE 'dimension: ' || $1 || '%'
 ORDER BY 1, 2;

-- name: partitions
-- Shards that this database holds of one sharded table.
SELECT substring(child.relname FROM '_(\d+)$')::smallint AS shard
  FROM pg_inherits i JOIN pg_class child ON child.oid = i.inhrelid
 WHERE i.inhparent = to_regclass($1)
 ORDER BY 1;
