-- name: place
-- New orders with their deadlines and first events, all or none. Fails if one is there already (same id, or
-- same customer and key): looking first, as place_if_new does, costs each order a sixth more.
WITH input AS MATERIALIZED (
    SELECT * FROM unnest($1::orders.placing[])
), placed AS (
    INSERT INTO orders.orders (shard, id, customer_id, restaurant_id, state, version, placed_at, updated_at,
                               due_at, scheduled_for, payment_method, total, currency, details,
                               idempotency_key, request_hash)
    SELECT shard, id, customer_id, restaurant_id, state, 1, placed_at, placed_at,
           due_at, scheduled_for, payment_method, total, currency, details, idempotency_key, request_hash
      FROM input
), due AS (
    INSERT INTO orders.deadlines (due_at, shard, id)
    SELECT due_at, shard, id FROM input WHERE due_at IS NOT NULL
)
INSERT INTO log.events (dimension, shard, stream, key, version, type, data, at, trace)
SELECT 'customer', shard, 'order', id::text, 1, type, data, placed_at, trace
  FROM input, set_config('tiffin.wake_readers', 'later', true);

-- name: place_if_new
-- The same, for a batch that has a repeated key in it. What is there already is left alone and not returned.
WITH input AS MATERIALIZED (
    SELECT * FROM unnest($1::orders.placing[])
), placed AS (
    INSERT INTO orders.orders (shard, id, customer_id, restaurant_id, state, version, placed_at, updated_at,
                               due_at, scheduled_for, payment_method, total, currency, details,
                               idempotency_key, request_hash)
    SELECT shard, id, customer_id, restaurant_id, state, 1, placed_at, placed_at,
           due_at, scheduled_for, payment_method, total, currency, details, idempotency_key, request_hash
      FROM input
        ON CONFLICT DO NOTHING
    RETURNING id
), due AS (
    INSERT INTO orders.deadlines (due_at, shard, id)
    SELECT due_at, shard, id FROM input JOIN placed USING (id) WHERE due_at IS NOT NULL
), logged AS (
    INSERT INTO log.events (dimension, shard, stream, key, version, type, data, at, trace)
    SELECT 'customer', shard, 'order', id::text, 1, type, data, placed_at, trace
      FROM input JOIN placed USING (id), set_config('tiffin.wake_readers', 'later', true)
)
SELECT id FROM placed;

-- name: move
-- Compare and set: an order moves only from the version its mover has seen. Written as an insert that always
-- conflicts, because an insert opens only the partitions of its rows, where an update of a partitioned table
-- opens all 120 (docs/decisions/0004). Nothing is ever inserted: every order has a customer, so a row that
-- was not there divides by zero and takes its statement with it.
WITH input AS MATERIALIZED (
    SELECT *
      FROM unnest($1::smallint[], $2::bigint[], $3::int[], $4::text[], $5::timestamptz[], $6::timestamptz[],
                  $7::timestamptz[], $8::timestamptz[], $9::text[], $10::text[], $11::text[], $12::text[],
                  $13::text[])
        AS t (shard, id, version, state, updated_at, was_due_at, due_at, accepted_at, courier_id, reason,
              type, data, trace)
), moved AS (
    INSERT INTO orders.orders AS o (shard, id, customer_id, restaurant_id, state, version, placed_at, updated_at,
                                    due_at, accepted_at, payment_method, total, currency, courier_id, reason,
                                    details, idempotency_key, request_hash)
    SELECT shard, id, '', '', state, version, updated_at, updated_at,
           due_at, accepted_at, '', 0, '', courier_id, reason, '', id::text, ''
      FROM input
        ON CONFLICT (shard, id) DO UPDATE
       SET state = excluded.state, version = excluded.version, updated_at = excluded.updated_at,
           due_at = excluded.due_at, accepted_at = excluded.accepted_at, courier_id = excluded.courier_id,
           reason = excluded.reason
     WHERE o.version = excluded.version - 1
    RETURNING o.id, o.customer_id
), over AS (
    DELETE FROM orders.deadlines
     WHERE ctid = ANY (ARRAY(
           SELECT d.place
             FROM input i JOIN moved USING (id)
            CROSS JOIN LATERAL (
                  SELECT ctid AS place
                    FROM orders.deadlines
                   WHERE due_at = i.was_due_at AND shard = i.shard AND id = i.id
                  OFFSET 0) AS d
            WHERE i.due_at IS DISTINCT FROM i.was_due_at))
), due AS (
    INSERT INTO orders.deadlines (due_at, shard, id)
    SELECT due_at, shard, id
      FROM input JOIN moved USING (id)
     WHERE due_at IS NOT NULL AND due_at IS DISTINCT FROM was_due_at
), logged AS (
    INSERT INTO log.events (dimension, shard, stream, key, version, type, data, at, trace)
    SELECT 'customer', shard, 'order', id::text, version, type, data, updated_at, trace
      FROM input JOIN moved USING (id), set_config('tiffin.wake_readers', 'later', true)
)
SELECT id, 1 / length(customer_id) AS was_there FROM moved;

-- name: by_id
SELECT shard, id, customer_id, restaurant_id, state, version, placed_at, updated_at, due_at, scheduled_for,
       accepted_at, payment_method, total, currency, courier_id, reason, details, idempotency_key, request_hash
  FROM orders.orders
 WHERE shard = $1 AND id = $2;

-- name: by_ids
-- Many orders at once. The lateral keeps the planner from joining all 120 partitions with the list.
SELECT o.*
  FROM unnest($1::smallint[], $2::bigint[]) AS t (shard, id)
 CROSS JOIN LATERAL (
       SELECT shard, id, customer_id, restaurant_id, state, version, placed_at, updated_at, due_at,
              scheduled_for, accepted_at, payment_method, total, currency, courier_id, reason, details,
              idempotency_key, request_hash
         FROM orders.orders
        WHERE shard = t.shard AND id = t.id
       OFFSET 0) AS o;

-- name: by_key
SELECT shard, id, customer_id, restaurant_id, state, version, placed_at, updated_at, due_at, scheduled_for,
       accepted_at, payment_method, total, currency, courier_id, reason, details, idempotency_key, request_hash
  FROM orders.orders
 WHERE shard = $1 AND customer_id = $2 AND idempotency_key = $3;

-- name: of_customer
-- Newest first, after the cursor (placed_at, id).
SELECT shard, id, customer_id, restaurant_id, state, version, placed_at, updated_at, due_at, scheduled_for,
       accepted_at, payment_method, total, currency, courier_id, reason, details, idempotency_key, request_hash
  FROM orders.orders
 WHERE shard = $1 AND customer_id = $2
   AND (placed_at, id) < ($3::timestamptz, $4::bigint)
   AND ($5::text IS NULL OR state = $5)
 ORDER BY placed_at DESC, id DESC
 LIMIT $6;

-- name: of_restaurant
SELECT shard, id, customer_id, restaurant_id, state, version, placed_at, updated_at, due_at, scheduled_for,
       accepted_at, payment_method, total, currency, courier_id, reason, details, idempotency_key, request_hash
  FROM orders.orders_by_restaurant
 WHERE shard = $1 AND restaurant_id = $2
   AND (placed_at, id) < ($3::timestamptz, $4::bigint)
   AND ($5::text IS NULL OR state = $5)
 ORDER BY placed_at DESC, id DESC
 LIMIT $6;

-- name: copy
-- The restaurant dimension follows the truth: a newer version replaces an older one, never the reverse.
INSERT INTO orders.orders_by_restaurant AS o
       (shard, id, customer_id, restaurant_id, state, version, placed_at, updated_at, due_at, scheduled_for,
        accepted_at, payment_method, total, currency, courier_id, reason, details, idempotency_key, request_hash)
SELECT *
  FROM unnest($1::smallint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::int[], $7::timestamptz[],
              $8::timestamptz[], $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::text[],
              $13::bigint[], $14::text[], $15::text[], $16::text[], $17::text[], $18::text[], $19::bytea[])
    ON CONFLICT (shard, id) DO UPDATE
   SET state = excluded.state, version = excluded.version, updated_at = excluded.updated_at,
       due_at = excluded.due_at, accepted_at = excluded.accepted_at, courier_id = excluded.courier_id,
       reason = excluded.reason
 WHERE o.version < excluded.version;

-- name: to_erase
-- A customer's orders, in order of their ids: none is passed over because others change meanwhile.
SELECT shard, id, customer_id, restaurant_id, state, version, placed_at, updated_at, due_at, scheduled_for,
       accepted_at, payment_method, total, currency, courier_id, reason, details, idempotency_key, request_hash
  FROM orders.orders
 WHERE shard = $1 AND customer_id = $2 AND id > $3
 ORDER BY id
 LIMIT $4;

-- name: blank
UPDATE orders.orders SET details = $3 WHERE shard = $1 AND id = $2 RETURNING id;

-- name: blank_copy
UPDATE orders.orders_by_restaurant SET details = $3 WHERE shard = $1 AND id = $2 RETURNING id;

-- name: is_due
-- Whether there may be something to claim. Asked first: a claim opens every partition, were there nothing at all.
SELECT FROM orders.deadlines WHERE due_at <= $1 LIMIT 1;

-- name: claim_due
-- Orders whose deadline has passed, claimed for this transaction, deadline and order both. Nothing is waited
-- for: what another sweeper has claimed or a mover has locked is passed over.
SELECT o.*
  FROM (SELECT due_at, shard, id
          FROM orders.deadlines
         WHERE due_at <= $1
           AND NOT EXISTS (SELECT FROM tiffin.absent a WHERE a.dimension = 'customer' AND a.shard = deadlines.shard)
         ORDER BY due_at
         LIMIT $2
           FOR UPDATE SKIP LOCKED) AS d
 CROSS JOIN LATERAL (
       SELECT shard, id, customer_id, restaurant_id, state, version, placed_at, updated_at, due_at,
              scheduled_for, accepted_at, payment_method, total, currency, courier_id, reason, details,
              idempotency_key, request_hash
         FROM orders.orders
        WHERE shard = d.shard AND id = d.id AND due_at = d.due_at
          FOR UPDATE SKIP LOCKED) AS o;
