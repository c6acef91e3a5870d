-- name: hold_order
-- Holds an order's sums until the transaction ends; what was paid only ever grows.
INSERT INTO reverse.orders AS o (shard, order_id, paid, claimed) VALUES ($1, $2, $3, 0)
    ON CONFLICT (shard, order_id) DO UPDATE SET paid = greatest(o.paid, excluded.paid)
RETURNING paid, claimed;

-- name: of_order
-- By the primary key, which begins with the order's id: `.` is the character after `-`.
SELECT * FROM reverse.cases
 WHERE shard = $1 AND id > $2::bigint || '-' AND id < $2::bigint || '.' ORDER BY opened_at, id;

-- name: unsettled
-- Those of these orders that have a case which is not over. The lateral keeps the planner from joining all 120
-- partitions with the list.
SELECT DISTINCT c.order_id
  FROM unnest($1::smallint[], $2::bigint[]) AS t (shard, order_id)
 CROSS JOIN LATERAL (
       SELECT order_id FROM reverse.cases
        WHERE shard = t.shard AND id > t.order_id || '-' AND id < t.order_id || '.'
          AND state NOT IN ('withdrawn', 'closed')
       OFFSET 0) AS c;

-- name: open
-- A new case with its deadline, its claim and its first event, in the order of `Case`.
WITH opened AS (
    INSERT INTO reverse.cases (shard, id, order_id, customer_id, restaurant_id, kind, state, version, opener,
                               opener_id, idempotency_key, request_hash, currency, claimed, released,
                               opened_at, updated_at, due_at, reason, details)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
    RETURNING *
), claimed AS (
    UPDATE reverse.orders SET claimed = claimed + $14 WHERE shard = $1 AND order_id = $3
), due AS (
    INSERT INTO reverse.due (shard, id, state, due_at, next_at)
    SELECT shard, id, state, due_at, due_at FROM opened WHERE due_at IS NOT NULL
)
INSERT INTO log.events (dimension, shard, stream, key, version, type, data, at, trace)
SELECT 'customer', shard, 'case', id, version, $21, $22, updated_at, $23 FROM opened;

-- name: move
-- Compare and set. $10: what of the order's money becomes free again.
WITH moved AS (
    UPDATE reverse.cases
       SET state = $4, version = $3, updated_at = $5, due_at = $6, released = $7, reason = $8, details = $9
     WHERE shard = $1 AND id = $2 AND version = $3 - 1
    RETURNING shard, id, order_id, state, version, due_at, updated_at
), freed AS (
    UPDATE reverse.orders SET claimed = claimed - $10
     WHERE shard = $1 AND order_id = (SELECT order_id FROM moved) AND $10::bigint <> 0
), over AS (
    DELETE FROM reverse.due
     WHERE shard = $1 AND id = (SELECT id FROM moved WHERE due_at IS NULL)
), due AS (
    INSERT INTO reverse.due AS d (shard, id, state, due_at, next_at)
    SELECT shard, id, state, due_at, due_at FROM moved WHERE due_at IS NOT NULL
        ON CONFLICT (shard, id) DO UPDATE
       SET state = excluded.state, due_at = excluded.due_at, next_at = excluded.next_at, attempts = 0
), logged AS (
    INSERT INTO log.events (dimension, shard, stream, key, version, type, data, at, trace)
    SELECT 'customer', shard, 'case', id, version, $11, $12, updated_at, $13 FROM moved
)
SELECT id FROM moved;

-- name: case
SELECT * FROM reverse.cases WHERE shard = $1 AND id = $2;

-- name: of_customer
SELECT * FROM reverse.cases
 WHERE shard = $1 AND customer_id = $2 AND (opened_at, id) < ($3::timestamptz, $4::text)
   AND ($5::text IS NULL OR state = $5)
 ORDER BY opened_at DESC, id DESC LIMIT $6;

-- name: of_restaurant
SELECT * FROM reverse.cases_by_restaurant
 WHERE shard = $1 AND restaurant_id = $2 AND (opened_at, id) < ($3::timestamptz, $4::text)
   AND ($5::text IS NULL OR state = $5)
 ORDER BY opened_at DESC, id DESC LIMIT $6;

-- name: waiting
-- Cases of this node that wait in a state, the most urgent first, after the cursor (due_at, id).
SELECT shard, id, due_at FROM reverse.due
 WHERE state = $1 AND (due_at, id) > ($2::timestamptz, $3::text)
   AND NOT EXISTS (SELECT FROM tiffin.absent a WHERE a.dimension = 'customer' AND a.shard = due.shard)
 ORDER BY due_at, id LIMIT $4;

-- name: lease
-- Takes cases that are due, and says when they are due again if whoever takes them does not come back: after
-- the delays in $3, by the number of tries. What another worker is taking is passed over.
UPDATE reverse.due d
   SET next_at = $1::timestamptz + make_interval(secs => ($3::float8[])[least(d.attempts + 1, cardinality($3::float8[]))]),
       attempts = d.attempts + 1
  FROM (SELECT shard, id FROM reverse.due
         WHERE next_at <= $1
           AND NOT EXISTS (SELECT FROM tiffin.absent a WHERE a.dimension = 'customer' AND a.shard = due.shard)
         ORDER BY next_at LIMIT $2
           FOR UPDATE SKIP LOCKED) AS taken
 WHERE d.shard = taken.shard AND d.id = taken.id
RETURNING d.shard, d.id;

-- name: copy
-- The restaurant dimension follows the truth: a newer version replaces an older one, never the reverse.
INSERT INTO reverse.cases_by_restaurant AS o
       (shard, id, order_id, customer_id, restaurant_id, kind, state, version, opener, opener_id,
        idempotency_key, request_hash, currency, claimed, released, opened_at, updated_at, due_at, reason,
        details)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
    ON CONFLICT (shard, id) DO UPDATE
   SET state = excluded.state, version = excluded.version, released = excluded.released,
       updated_at = excluded.updated_at, due_at = excluded.due_at, reason = excluded.reason,
       details = excluded.details
 WHERE o.version < excluded.version;

-- name: needed_histories
-- Cases of which a day of the log has events, and which are here. They are few, and kept for ever.
SELECT DISTINCT e.key
  FROM log.events e
 CROSS JOIN LATERAL (
       SELECT FROM reverse.cases WHERE shard = e.shard AND id = e.key OFFSET 0) AS here
 WHERE e.day = $1 AND e.stream = 'case';

-- name: policies
SELECT version, begins_at, body FROM reverse.policies ORDER BY version;

-- name: add_policy
INSERT INTO reverse.policies (version, begins_at, body)
SELECT max(version) + 1, $1, $2 FROM reverse.policies RETURNING version;

-- name: audit_cases
-- For the audit: all cases of a shard, and what their orders have claimed.
SELECT * FROM reverse.cases WHERE shard = $1 ORDER BY order_id, opened_at, id;

-- name: audit_orders
SELECT order_id, paid, claimed FROM reverse.orders WHERE shard = $1;
