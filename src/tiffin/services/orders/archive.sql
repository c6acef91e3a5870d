-- Laterals throughout: a join with a list would open all 120 partitions for each of its rows.

-- name: ended
-- A page of a shard's orders, and of each whether it has ended for long enough ($4: before when).
SELECT id, placed_at,
       state IN ('completed', 'cancelled') AND updated_at < $4 AND due_at IS NULL
       AND payment_method IN ('cash', 'online') AS has_ended
  FROM orders.orders
 WHERE shard = $1 AND id > $2
 ORDER BY id
 LIMIT $3;

-- name: archive
-- From `orders` into the archive, with their histories: one statement, so that an order is in one of the two at
-- any moment. Those whose history is not whole, or that are not as they were seen, stay.
WITH events AS MATERIALIZED (
    SELECT DISTINCT ON (key, version) key, version, data
      FROM log.history
     WHERE stream = 'order' AND key = ANY($3::text[])
     ORDER BY key, version
), histories AS MATERIALIZED (
    SELECT key::bigint AS id, count(*) AS events, max(version) AS version, array_agg(data ORDER BY version) AS data
      FROM events GROUP BY key
), gone AS (
    DELETE FROM orders.orders o
     USING histories h
     WHERE o.shard = $1 AND o.id = ANY($2::bigint[]) AND o.id = h.id
       AND o.version = h.version AND h.events = h.version
       AND o.state IN ('completed', 'cancelled') AND o.updated_at < $4 AND o.due_at IS NULL
    RETURNING o.*, h.data
)
INSERT INTO orders.archive (shard, id, customer_id, restaurant_id, state, version, placed_at, updated_at,
                            scheduled_for, accepted_at, payment_method, total, currency, courier_id, reason,
                            body, idempotency_key, request_hash)
SELECT shard, id, customer_id, restaurant_id, state, version, placed_at, updated_at,
       scheduled_for, accepted_at, payment_method, total, currency, courier_id, reason,
       ARRAY[details] || data, idempotency_key, request_hash
  FROM gone
RETURNING id;

-- name: ended_copies
SELECT id, version, placed_at, state IN ('completed', 'cancelled') AND updated_at < $4 AS has_ended
  FROM orders.orders_by_restaurant
 WHERE shard = $1 AND id > $2
 ORDER BY id
 LIMIT $3;

-- name: versions
-- Of these orders those that are archived.
SELECT a.*
  FROM unnest($1::smallint[], $2::bigint[]) AS t (shard, id)
 CROSS JOIN LATERAL (
       SELECT id, version FROM orders.archive WHERE shard = t.shard AND id = t.id OFFSET 0) AS a;

-- name: archive_copies
-- Copies at the very version that is archived. A copy of what is in the archive already takes its place.
WITH gone AS (
    DELETE FROM orders.orders_by_restaurant o
     USING unnest($2::bigint[], $3::int[]) AS t (id, version)
     WHERE o.shard = $1 AND o.id = t.id AND o.version = t.version
    RETURNING o.*
)
INSERT INTO orders.archive_by_restaurant AS a (shard, id, restaurant_id, state, placed_at, seal)
SELECT shard, id, restaurant_id, state, placed_at,
       hash_record_extended(ROW(id, customer_id, restaurant_id, state, version, placed_at, updated_at, due_at,
                                scheduled_for, accepted_at, payment_method, total, currency, courier_id, reason,
                                details, idempotency_key, request_hash), 0)
       # hash_record_extended(ROW(id, restaurant_id, state, placed_at), 0)
  FROM gone
    ON CONFLICT (shard, id) DO UPDATE
   SET restaurant_id = excluded.restaurant_id, state = excluded.state, placed_at = excluded.placed_at,
       seal = excluded.seal
RETURNING id;

-- name: by_id
SELECT shard, id, customer_id, restaurant_id, state, version, placed_at, updated_at, NULL::timestamptz AS due_at,
       scheduled_for, accepted_at, payment_method, total, currency, courier_id, reason, body[1] AS details,
       idempotency_key, request_hash
  FROM orders.archive
 WHERE shard = $1 AND id = $2;

-- name: by_ids
SELECT o.*
  FROM unnest($1::smallint[], $2::bigint[]) AS t (shard, id)
 CROSS JOIN LATERAL (
       SELECT shard, id, customer_id, restaurant_id, state, version, placed_at, updated_at,
              NULL::timestamptz AS due_at, scheduled_for, accepted_at, payment_method, total, currency,
              courier_id, reason, body[1] AS details, idempotency_key, request_hash
         FROM orders.archive
        WHERE shard = t.shard AND id = t.id
       OFFSET 0) AS o;

-- name: history
-- Every event's data, oldest first.
SELECT body[2:] AS events FROM orders.archive WHERE shard = $1 AND id = $2;

-- name: of_customer
-- Newest first, after the cursor (placed_at, id).
SELECT shard, id, customer_id, restaurant_id, state, version, placed_at, updated_at, NULL::timestamptz AS due_at,
       scheduled_for, accepted_at, payment_method, total, currency, courier_id, reason, body[1] AS details,
       idempotency_key, request_hash
  FROM orders.archive
 WHERE shard = $1 AND customer_id = $2
   AND (placed_at, id) < ($3::timestamptz, $4::bigint)
   AND ($5::text IS NULL OR state = $5)
 ORDER BY placed_at DESC, id DESC
 LIMIT $6;

-- name: of_restaurant
-- Where they are to be found.
SELECT id, placed_at
  FROM orders.archive_by_restaurant
 WHERE shard = $1 AND restaurant_id = $2
   AND (placed_at, id) < ($3::timestamptz, $4::bigint)
   AND ($5::text IS NULL OR state = $5)
 ORDER BY placed_at DESC, id DESC
 LIMIT $6;

-- name: to_erase
-- A customer's archived orders, in order of their ids.
SELECT shard, id, customer_id, restaurant_id, state, version, placed_at, updated_at, NULL::timestamptz AS due_at,
       scheduled_for, accepted_at, payment_method, total, currency, courier_id, reason, body[1] AS details,
       idempotency_key, request_hash
  FROM orders.archive
 WHERE shard = $1 AND customer_id = $2 AND id > $3
 ORDER BY id
 LIMIT $4;

-- name: blank
UPDATE orders.archive SET body[1] = $3 WHERE shard = $1 AND id = $2 RETURNING id;

-- name: fingerprint
-- Of an order as it is now, wherever it is.
SELECT fingerprint FROM orders.truths WHERE shard = $1 AND id = $2;

-- name: reseal
UPDATE orders.archive_by_restaurant
   SET seal = $3::bigint # hash_record_extended(ROW(id, restaurant_id, state, placed_at), 0)
 WHERE shard = $1 AND id = $2
RETURNING id;

-- name: remove_copy
-- Only the very row that was seen.
DELETE FROM orders.archive_by_restaurant
 WHERE shard = $1 AND id = $2 AND seal # hash_record_extended(ROW(id, restaurant_id, state, placed_at), 0) = $3;

-- name: counts
-- Of some shards: orders that are hot, orders that are archived.
SELECT (SELECT count(*) FROM orders.orders WHERE shard = ANY($1::smallint[])) AS hot,
       (SELECT count(*) FROM orders.archive WHERE shard = ANY($1::smallint[])) AS archived;

-- name: needed_histories
-- Orders of which a day of the log has events, and which are here and not archived.
SELECT DISTINCT e.key
  FROM log.events e
 CROSS JOIN LATERAL (
       SELECT FROM orders.orders WHERE shard = e.shard AND id = e.key::bigint OFFSET 0) AS hot
 WHERE e.day = $1 AND e.stream = 'order';

-- name: forget_histories
-- Of orders that have been archived since, with their histories.
DELETE FROM log.moved m
 WHERE m.stream = 'order' AND m.at < $1
   AND EXISTS (SELECT FROM orders.archive WHERE shard = m.shard AND id = m.key::bigint);

-- name: elsewhere
-- Tables and indexes of the archive that are not in a tablespace; $1 empty: in the database's own.
SELECT c.oid::regclass::text AS name, c.relkind IN ('i', 'I') AS is_index, quote_ident(wanted.spcname) AS tablespace
  FROM pg_class c
 CROSS JOIN (SELECT d.dattablespace AS own FROM pg_database d WHERE d.datname = current_database()) AS base
 CROSS JOIN LATERAL (
       SELECT oid, spcname FROM pg_tablespace WHERE spcname = $1 OR ($1 = '' AND oid = base.own)) AS wanted
 WHERE c.relnamespace = 'orders'::regnamespace AND c.relname LIKE 'archive%' AND c.relkind IN ('r', 'p', 'i', 'I')
   AND coalesce(nullif(c.reltablespace, 0), base.own) <> wanted.oid
 ORDER BY c.relkind IN ('r', 'i'), 1;

-- name: has_tablespace
SELECT EXISTS (SELECT FROM pg_tablespace WHERE spcname = $1) AS it;
