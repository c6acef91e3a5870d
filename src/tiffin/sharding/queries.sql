-- name: epoch
SELECT epoch FROM tiffin.epoch;

-- name: topology
-- The whole map, the nodes' addresses and the epoch, of one snapshot. Nodes without shards come once.
SELECT e.epoch, t.dimension, t.shard, t.switching, coalesce(t.node, n.name) AS node, n.url
  FROM tiffin.epoch e
  LEFT JOIN (tiffin.topology t
             FULL JOIN (SELECT name, url, number FROM tiffin.nodes WHERE NOT removed) n ON n.name = t.node)
    ON true
 ORDER BY n.number;

-- name: lay_out
-- Shards that no node holds yet get the given one. Shards that have a node keep it.
INSERT INTO tiffin.topology (dimension, shard, node)
SELECT * FROM unnest($1::text[], $2::smallint[], $3::text[])
    ON CONFLICT DO NOTHING
RETURNING shard;

-- name: next_epoch
UPDATE tiffin.epoch SET epoch = epoch + 1 RETURNING epoch;

-- name: lock_nodes
-- Until the session ends: one process at a time adds and removes nodes.
SELECT pg_advisory_lock($1);

-- name: listed
-- The nodes, the directory first, with how their owner enters them.
SELECT n.name, n.url, n.removed, o.sealed
  FROM tiffin.nodes n LEFT JOIN tiffin.owners o ON o.node = n.name
 ORDER BY n.number;

-- name: enlist
WITH listed AS (
    INSERT INTO tiffin.nodes (name, url) VALUES ($1, $2)
        ON CONFLICT (name) DO UPDATE SET url = excluded.url, removed = false
    RETURNING name
)
INSERT INTO tiffin.owners (node, sealed) SELECT name, $3 FROM listed
    ON CONFLICT (node) DO UPDATE SET sealed = excluded.sealed;

-- name: strike
WITH struck AS (
    UPDATE tiffin.nodes SET removed = true WHERE name = $1 RETURNING name
)
DELETE FROM tiffin.owners WHERE node IN (SELECT name FROM struck);

-- name: identity
SELECT platform, node FROM tiffin.identity;

-- name: claim
-- Whoever comes first.
INSERT INTO tiffin.identity (platform, node) VALUES (coalesce($1, gen_random_uuid()), $2)
    ON CONFLICT DO NOTHING;

-- name: claim_again
UPDATE tiffin.identity SET node = $2 WHERE platform = $1;

-- name: disclaim
DELETE FROM tiffin.identity WHERE platform = $1 AND node = $2;

-- name: schemas
-- Of these schemas, those that there are; and whether they are ours.
SELECT nspname AS name, to_regclass('tiffin.migrations') IS NOT NULL AS ours
  FROM pg_namespace WHERE nspname = ANY($1::text[]) ORDER BY 1;

-- name: has_identities
SELECT to_regclass('tiffin.identity') IS NOT NULL;

-- name: has_topology
SELECT EXISTS (SELECT FROM tiffin.topology);

-- name: rights
-- Of those whom a node belongs to: what making it ready and moving shards to it takes.
SELECT current_user AS who,
       has_database_privilege(current_database(), 'CREATE') AS "CREATE on the database",
       rolsuper OR rolcreaterole AS "CREATEROLE",
       rolsuper OR rolreplication AS "REPLICATION",
       rolsuper OR coalesce(pg_has_role(current_user, to_regrole('pg_create_subscription'), 'USAGE'), false)
           AS "membership in pg_create_subscription"
  FROM pg_roles WHERE rolname = current_user;

-- name: state
-- How a database is: rows of sharded tables (about), size, connections to it, and its server's version.
SELECT coalesce((SELECT sum(s.n_live_tup) FROM pg_stat_user_tables s JOIN pg_inherits i ON i.inhrelid = s.relid
                  WHERE obj_description(i.inhparent, 'pg_class') LIKE 'dimension: %'), 0)::bigint AS rows,
       pg_database_size(current_database()) AS bytes,
       (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid())
           AS connections,
       current_setting('max_connections')::int AS connections_max,
       current_setting('server_version') AS version;

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
