-- name: adopt
-- Orders as another system has them: new ones, and the next versions of those that are here, by compare and set.
-- An insert that conflicts, as `move` is; here it may also insert, but only a first version: a later one of an
-- order that is not here carries no customer, and so divides by zero. Whom an order has forgotten it does not
-- learn again.
WITH input AS MATERIALIZED (
    SELECT * FROM unnest($1::orders.adopting[])
), written AS (
    INSERT INTO orders.orders AS o (shard, id, customer_id, restaurant_id, state, version, placed_at, updated_at,
                                    due_at, scheduled_for, payment_method, total, currency, courier_id, reason,
                                    details, idempotency_key, request_hash)
    SELECT shard, id, CASE WHEN version = 1 THEN customer_id ELSE '' END, restaurant_id, state, version, placed_at,
           updated_at, due_at, scheduled_for, payment_method, total, currency, courier_id, reason,
           details, idempotency_key, ''
      FROM input
        ON CONFLICT (shard, id) DO UPDATE
       SET state = excluded.state, version = excluded.version, placed_at = excluded.placed_at,
           updated_at = excluded.updated_at, due_at = excluded.due_at, scheduled_for = excluded.scheduled_for,
           total = excluded.total, currency = excluded.currency, courier_id = excluded.courier_id,
           reason = excluded.reason, details = excluded.details
     WHERE o.version = excluded.version - 1
       AND (o.details NOT LIKE '%"id":"erased"%' OR excluded.details LIKE '%"id":"erased"%')
    RETURNING o.id, o.customer_id
), over AS (
    DELETE FROM orders.deadlines
     WHERE ctid = ANY (ARRAY(
           SELECT d.place
             FROM input i JOIN written USING (id)
            CROSS JOIN LATERAL (
                  SELECT ctid AS place
                    FROM orders.deadlines
                   WHERE due_at = i.was_due_at AND shard = i.shard AND id = i.id
                  OFFSET 0) AS d
            WHERE i.due_at IS DISTINCT FROM i.was_due_at))
), due AS (
    INSERT INTO orders.deadlines (due_at, shard, id)
    SELECT due_at, shard, id
      FROM input JOIN written USING (id)
     WHERE due_at IS NOT NULL AND due_at IS DISTINCT FROM was_due_at
), ended AS (
    DELETE FROM orders.legacy_open
     WHERE ctid = ANY (ARRAY(
           SELECT l.place
             FROM input i JOIN written USING (id)
            CROSS JOIN LATERAL (
                  SELECT ctid AS place FROM orders.legacy_open WHERE shard = i.shard AND id = i.id OFFSET 0) AS l
            WHERE i.version > 1 AND NOT i.is_open))
), opened AS (
    INSERT INTO orders.legacy_open AS l (shard, id, source, is_held)
    SELECT shard, id, source, is_held
      FROM input JOIN written USING (id)
     WHERE is_open
        ON CONFLICT (shard, id) DO UPDATE SET is_held = excluded.is_held WHERE l.is_held <> excluded.is_held
), logged AS (
    INSERT INTO log.events (dimension, shard, stream, key, version, type, data, at, trace)
    SELECT 'customer', shard, 'order', id::text, version, type, data, at, trace
      FROM input JOIN written USING (id), set_config('tiffin.wake_readers', 'later', true)
)
SELECT id, 1 / length(customer_id) AS was_there FROM written;

-- name: disown
-- Adopted orders taken away, each at the version that was seen, with an event by which its copy goes.
WITH input AS MATERIALIZED (
    SELECT * FROM unnest($1::orders.adopting[])
), gone AS (
    DELETE FROM orders.orders o USING input i
     WHERE o.shard = i.shard AND o.id = i.id AND o.version = i.version - 1
    RETURNING o.shard, o.id
), closed AS (
    DELETE FROM orders.legacy_open l USING gone g WHERE l.shard = g.shard AND l.id = g.id
), logged AS (
    INSERT INTO log.events (dimension, shard, stream, key, version, type, data, at, trace)
    SELECT 'customer', shard, 'order', id::text, version, type, data, at, trace
      FROM input JOIN gone USING (shard, id), set_config('tiffin.wake_readers', 'later', true)
)
SELECT id FROM gone;

-- name: claim
-- Old ids get the orders that were reserved for them; those that have one are left alone and not returned.
INSERT INTO orders.legacy (shard, source, legacy_id, order_id)
SELECT * FROM unnest($1::smallint[], $2::text[], $3::text[], $4::bigint[])
    ON CONFLICT DO NOTHING
RETURNING source, legacy_id, order_id;

-- name: claimed
SELECT t.source, t.legacy_id, l.order_id
  FROM unnest($1::smallint[], $2::text[], $3::text[]) AS t (shard, source, legacy_id)
 CROSS JOIN LATERAL (
       SELECT order_id FROM orders.legacy
        WHERE shard = t.shard AND source = t.source AND legacy_id = t.legacy_id
       OFFSET 0) AS l;

-- name: reclaim
-- The order that is there is another one than was reserved.
UPDATE orders.legacy SET order_id = $4 WHERE shard = $1 AND source = $2 AND legacy_id = $3 RETURNING order_id;

-- name: unclaim
-- Old ids that still have these orders.
DELETE FROM orders.legacy l
 USING unnest($1::smallint[], $2::text[], $3::text[], $4::bigint[]) AS t (shard, source, legacy_id, order_id)
 WHERE l.shard = t.shard AND l.source = t.source AND l.legacy_id = t.legacy_id AND l.order_id = t.order_id
RETURNING l.source, l.legacy_id;

-- name: claims_after
-- A page of a shard's old ids of a source.
SELECT legacy_id FROM orders.legacy WHERE shard = $1 AND source = $2 AND legacy_id > $3 ORDER BY legacy_id LIMIT $4;

-- name: open_of
-- Orders of a source that have not ended, in one hand, of these shards.
SELECT l.id
  FROM orders.legacy_open l
 WHERE l.source = $1 AND l.is_held = $2 AND l.shard = ANY($3::smallint[])
 LIMIT $4;

-- name: forget_open
DELETE FROM orders.legacy_open WHERE shard = $1 AND id = $2;

-- name: copy_adopted
-- As `copy`, of orders of which everything may change.
INSERT INTO orders.orders_by_restaurant AS o
       (shard, id, customer_id, restaurant_id, state, version, placed_at, updated_at, due_at, scheduled_for,
        accepted_at, payment_method, total, currency, courier_id, reason, details, idempotency_key, request_hash)
SELECT *
  FROM unnest($1::smallint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::int[], $7::timestamptz[],
              $8::timestamptz[], $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::text[],
              $13::bigint[], $14::text[], $15::text[], $16::text[], $17::text[], $18::text[], $19::bytea[])
    ON CONFLICT (shard, id) DO UPDATE
   SET state = excluded.state, version = excluded.version, placed_at = excluded.placed_at,
       updated_at = excluded.updated_at, due_at = excluded.due_at, scheduled_for = excluded.scheduled_for,
       accepted_at = excluded.accepted_at, total = excluded.total, currency = excluded.currency,
       courier_id = excluded.courier_id, reason = excluded.reason, details = excluded.details
 WHERE o.version < excluded.version;

-- name: remove_copies
-- Of orders that are here no more.
DELETE FROM orders.orders_by_restaurant o
 USING unnest($1::smallint[], $2::bigint[]) AS t (shard, id)
 WHERE o.shard = t.shard AND o.id = t.id;
