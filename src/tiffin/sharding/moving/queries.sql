-- name: begin
INSERT INTO tiffin.moves (source, target, customer_shards, restaurant_shards, step)
VALUES ($1, $2, $3, $4, 'planned')
RETURNING id, source, target, customer_shards, restaurant_shards, step;

-- name: moves
SELECT id, source, target, customer_shards, restaurant_shards, step FROM tiffin.moves ORDER BY id;

-- name: take_step
UPDATE tiffin.moves SET step = $3, changed_at = now() WHERE id = $1 AND step = $2 RETURNING id;

-- name: record_pause
INSERT INTO tiffin.pauses (move_id, dimension, shard, direction, seconds) VALUES ($1, $2, $3, $4, $5);

-- name: pauses
SELECT seconds FROM tiffin.pauses WHERE move_id = $1 AND direction = $2 ORDER BY seconds;

-- name: begin_switch
-- From now on nobody who finds nothing believes it, and nobody who is refused gives up.
WITH changed AS (
    UPDATE tiffin.topology SET switching = true
     WHERE dimension = $1 AND shard = $2 AND node = $3 AND NOT switching
    RETURNING shard
)
UPDATE tiffin.epoch SET epoch = epoch + 1 WHERE EXISTS (SELECT FROM changed);

-- name: end_switch
WITH changed AS (
    UPDATE tiffin.topology SET switching = false, node = $3
     WHERE dimension = $1 AND shard = $2 AND switching
    RETURNING shard
)
UPDATE tiffin.epoch SET epoch = epoch + 1 WHERE EXISTS (SELECT FROM changed);

-- name: switching
-- Shards whose switch is under way or was cut short, where they live until it is over, and the other end.
SELECT t.dimension, t.shard, t.node, CASE t.node WHEN m.source THEN m.target ELSE m.source END AS other
  FROM tiffin.topology t
  JOIN tiffin.moves m ON m.step IN ('switching', 'going_back')
   AND t.shard = ANY(CASE t.dimension WHEN 'customer' THEN m.customer_shards ELSE m.restaurant_shards END)
 WHERE t.switching
 ORDER BY 1, 2;

-- name: holder
SELECT node FROM tiffin.topology WHERE dimension = $1 AND shard = $2;

-- name: tables
-- The sharded tables of a dimension, with the columns of their primary keys.
SELECT n.nspname AS schema, c.relname AS name,
       coalesce(substring(obj_description(c.oid, 'pg_class') FROM 'fillfactor: (\d+)')::int, 100) AS fillfactor,
       (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.place)
          FROM pg_index i
         CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS k (number, place)
          JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
         WHERE i.indrelid = c.oid AND i.indisprimary) AS key
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'p' AND obj_description(c.oid, 'pg_class') LIKE 'dimension: ' || $1 || '%'
 ORDER BY 1, 2;

-- name: beside
-- Tables that are not partitioned and have rows of shards: they say so in their comment, "beside: customer".
SELECT n.nspname AS schema, c.relname AS name, 100 AS fillfactor,
       (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.place)
          FROM pg_index i
         CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS k (number, place)
          JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
         WHERE i.indrelid = c.oid AND i.indisprimary) AS key
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND obj_description(c.oid, 'pg_class') LIKE 'beside: ' || $1 || '%'
 ORDER BY 1, 2;

-- name: tablespaces
-- Of sharded tables that have one of their own on this node.
SELECT c.oid::regclass::text AS name, quote_ident(t.spcname) AS tablespace
  FROM pg_class c JOIN pg_tablespace t ON t.oid = c.reltablespace
 WHERE c.relkind = 'p';

-- name: set_absent
-- These shards do not live here, though there are rows of them in the tables beside.
INSERT INTO tiffin.absent (dimension, shard) SELECT $1, unnest($2::smallint[]) ON CONFLICT DO NOTHING;

-- name: since
-- Now, as the transactions of the server count it.
SELECT pg_current_xact_id()::text::bigint;

-- name: are_over
-- Whether every transaction that wrote before then has ended.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint > $1;

-- name: set_present
DELETE FROM tiffin.absent WHERE dimension = $1 AND shard = ANY($2::smallint[]);

-- name: attached
-- Which of these tables are partitions now.
SELECT c.oid::regclass::text AS name, c.relispartition AS attached
  FROM unnest($1::text[]) AS t (name) JOIN pg_class c ON c.oid = to_regclass(t.name);

-- name: has_publication
SELECT EXISTS (SELECT FROM pg_publication WHERE pubname = $1);

-- name: has_slot
SELECT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $1);

-- name: has_subscription
SELECT EXISTS (SELECT FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
                WHERE s.subname = $1 AND d.datname = current_database());

-- name: make_slot
SELECT pg_create_logical_replication_slot($1, 'pgoutput');

-- name: drop_slot
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1 AND NOT active;

-- name: copied
-- How many tables of a subscription there are, and how many of them are copied and follow.
SELECT count(*) AS tables, count(*) FILTER (WHERE r.srsubstate = 'r') AS ready
  FROM pg_subscription s JOIN pg_subscription_rel r ON r.srsubid = s.oid
 WHERE s.subname = $1;

-- name: mark
INSERT INTO tiffin.marks (move_id, number)
SELECT $1, coalesce(max(number), 0) + 1 FROM tiffin.marks WHERE move_id = $1
RETURNING number;

-- name: has_mark
SELECT EXISTS (SELECT FROM tiffin.marks WHERE move_id = $1 AND number = $2);

-- name: room
-- What a move needs of a server, and what there is.
SELECT current_setting('server_version_num')::int AS version, current_setting('wal_level') AS wal_level,
       current_setting('max_replication_slots')::int - (SELECT count(*) FROM pg_replication_slots) AS slots,
       current_setting('max_logical_replication_workers')::int
       - (SELECT count(*) FROM pg_stat_subscription WHERE pid IS NOT NULL) AS workers,
       pg_database_size(current_database()) AS bytes;

-- name: lead
SELECT pg_try_advisory_lock(hashtextextended('tiffin move', 0));
