-- Every statement only reads, names its shards, and sees one moment of one node.

-- name: only_read
SET default_transaction_read_only = on;
SET enable_seqscan = on;  -- an audit reads everything

-- name: deadlines_apart
-- Orders that are due when no deadline says so (swept is null), and deadlines that are no order's. Those of shards
-- on their way to this node, or gone from it and followed, are looked at where the shard lives.
SELECT shard, id, o.due_at AS ordered, d.due_at AS swept
  FROM (SELECT shard, id, due_at FROM orders.orders WHERE shard = ANY($1::smallint[]) AND due_at IS NOT NULL) AS o
  FULL JOIN (SELECT shard, id, due_at
               FROM orders.deadlines AS at
              WHERE shard = ANY($1::smallint[])
                 OR NOT EXISTS (SELECT FROM tiffin.absent a WHERE a.dimension = 'customer' AND a.shard = at.shard)
            ) AS d USING (shard, id, due_at)
 WHERE o.due_at IS NULL OR d.due_at IS NULL;

-- name: orders_after
-- A page of a shard's orders. The fingerprint is of every column but the shard.
SELECT id, customer_id, restaurant_id, version,
       hash_record_extended(ROW(id, customer_id, restaurant_id, state, version, placed_at, updated_at, due_at,
                                scheduled_for, accepted_at, payment_method, total, currency, courier_id, reason,
                                details, idempotency_key, request_hash), 0) AS fingerprint
  FROM orders.hot_and_archived
 WHERE shard = $1 AND id > $2
 ORDER BY id LIMIT $3;

-- name: copies_after
-- An archived one does not name its customer.
SELECT id, customer_id, restaurant_id
  FROM (SELECT shard, id, customer_id, restaurant_id FROM orders.orders_by_restaurant
         UNION ALL
        SELECT shard, id, NULL, restaurant_id FROM orders.archive_by_restaurant) AS copies
 WHERE shard = $1 AND id > $2
 ORDER BY id LIMIT $3;

-- name: orders_of
SELECT o.*
  FROM unnest($1::smallint[], $2::bigint[]) AS t (shard, id)
 CROSS JOIN LATERAL (
       SELECT id, version,
              hash_record_extended(ROW(id, customer_id, restaurant_id, state, version, placed_at, updated_at,
                                       due_at, scheduled_for, accepted_at, payment_method, total, currency,
                                       courier_id, reason, details, idempotency_key, request_hash), 0)
              AS fingerprint
         FROM orders.hot_and_archived
        WHERE shard = t.shard AND id = t.id
       OFFSET 0) AS o;

-- name: copies_of
-- The hot one, if there is one, comes last. An archived copy has no version, and is never ahead of its order.
SELECT o.*
  FROM unnest($1::smallint[], $2::bigint[]) AS t (shard, id)
 CROSS JOIN LATERAL (
       SELECT id, 0 AS version,
              seal # hash_record_extended(ROW(id, restaurant_id, state, placed_at), 0) AS fingerprint
         FROM orders.archive_by_restaurant
        WHERE shard = t.shard AND id = t.id
       UNION ALL
       SELECT id, version,
              hash_record_extended(ROW(id, customer_id, restaurant_id, state, version, placed_at, updated_at,
                                       due_at, scheduled_for, accepted_at, payment_method, total, currency,
                                       courier_id, reason, details, idempotency_key, request_hash), 0)
              AS fingerprint
         FROM orders.orders_by_restaurant
        WHERE shard = t.shard AND id = t.id
       OFFSET 0) AS o;

-- name: order_row
SELECT * FROM orders.hot_and_archived WHERE shard = $1 AND id = $2;

-- name: copy_row
SELECT * FROM orders.orders_by_restaurant WHERE shard = $1 AND id = $2;

-- name: customer_keys
-- What a shard of the customer dimension holds beside orders, and whose it is; order_id where there is one.
SELECT 'customer ' || id AS subject, id AS key, NULL::bigint AS order_id
  FROM users.customers WHERE shard = $1
UNION ALL
SELECT 'payment ' || id, customer_id, order_id
  FROM payments.payments WHERE shard = $1
UNION ALL
SELECT 'phone of ' || person_id, phone, NULL
  FROM users.phones WHERE shard = $1
UNION ALL
SELECT 'sign-in ' || id, phone, NULL
  FROM users.sign_ins WHERE shard = $1
UNION ALL
SELECT 'session ' || id, person_id, NULL
  FROM users.sessions WHERE shard = $1
UNION ALL
SELECT 'grant of ' || role || ' ' || subject, person_id, NULL
  FROM users.grants WHERE shard = $1
UNION ALL
SELECT 'erasure of ' || person_id, person_id, NULL
  FROM users.erasures WHERE shard = $1
UNION ALL
SELECT 'old id ' || source || ':' || legacy_id, source || ':' || legacy_id, NULL
  FROM orders.legacy WHERE shard = $1;

-- name: restaurant_keys
SELECT 'restaurant ' || id AS subject, id AS key, NULL::bigint AS order_id
  FROM restaurants.restaurants WHERE shard = $1
UNION ALL
SELECT 'dish ' || restaurant_id || '/' || item_id, restaurant_id, NULL
  FROM restaurants.stock WHERE shard = $1
UNION ALL
SELECT 'hold of order ' || order_id, nullif(restaurant_id, ''), order_id  -- '': fell before it held anything
  FROM restaurants.holds WHERE shard = $1
UNION ALL
SELECT 'staff ' || person_id, restaurant_id, NULL
  FROM users.staff WHERE shard = $1
UNION ALL
SELECT 'API key ' || id, subject, NULL
  FROM users.api_keys WHERE shard = $1;

-- name: log_size
-- What is archived has an event a version.
SELECT (SELECT count(*) FROM log.history WHERE stream = $1)
     + (SELECT coalesce(sum(version), 0) FROM orders.archive WHERE $1 = 'order') AS events;

-- name: log_texts
-- Every event's data, for finding those that are no JSON.
SELECT key, shard, version, data FROM log.history WHERE stream = $2 AND shard = ANY($1::smallint[])
 UNION ALL
SELECT id::text, shard, e.version, e.data
  FROM orders.archive, unnest(body[2:]) WITH ORDINALITY AS e (data, version)
 WHERE $2 = 'order' AND shard = ANY($1::smallint[]);

-- name: order_walks
-- Every order's way through its states as the log tells it, beside where its row stands; the same ways
-- together, with how many orders went them and some of those. $2: orders to leave out. $3: the beginning of
-- the log: what an order did before that is not in it any more. An archived order has its history with it, and
-- has all of it, whatever the log still says.
WITH walks AS (
    SELECT key, shard,
           array_agg(concat_ws(' ', version, type, coalesce(data ->> 'from_state', '-'), data ->> 'to_state',
                               data #>> '{actor,role}',
                               (data ->> 'order_id', data ->> 'version', data ->> 'type')
                               = (key, version::text, type))
                     ORDER BY version, xid, position) AS walk
      FROM (SELECT key, shard, version, type, xid, position, data::jsonb AS data
              FROM log.history
             WHERE stream = 'order' AND shard = ANY($1::smallint[]) AND key <> ALL($2::text[])
               AND (shard, key) NOT IN (SELECT shard, id::text FROM orders.archive
                                         WHERE shard = ANY($1::smallint[]))
             UNION ALL
            SELECT id::text, shard, e.version::int, e.data::json ->> 'type', NULL, NULL, e.data::jsonb
              FROM orders.archive, unnest(body[2:]) WITH ORDINALITY AS e (data, version)
             WHERE shard = ANY($1::smallint[]) AND id::text <> ALL($2::text[])
            OFFSET 0) AS e
     GROUP BY key, shard
), rows AS (
    SELECT shard, id::text AS key, state, version,
           placed_at < $3::timestamptz AS began_before, updated_at < $3::timestamptz AS ended_before
      FROM orders.orders
     WHERE shard = ANY($1::smallint[]) AND id::text <> ALL($2::text[])
     UNION ALL
    SELECT shard, id::text, state, version, false, false
      FROM orders.archive
     WHERE shard = ANY($1::smallint[]) AND id::text <> ALL($2::text[])
)
SELECT walk, state, version, began_before, ended_before, count(*) AS orders, (array_agg(key))[1:100] AS keys
  FROM walks FULL JOIN rows USING (shard, key)
 GROUP BY walk, state, version, began_before, ended_before;

-- name: payment_walks
-- The same of payments; their events name no states, but order and amount.
WITH walks AS (
    SELECT key, shard,
           array_agg(concat_ws(' ', version, type,
                               (data ->> 'payment_id', data ->> 'version', data ->> 'type')
                               = (key, version::text, type))
                     ORDER BY version, xid, position) AS walk,
           array_agg(DISTINCT (data ->> 'order_id', data #>> '{amount,amount}', data #>> '{amount,currency}')::text)
           AS said
      FROM (SELECT key, shard, version, type, xid, position, data::jsonb AS data
              FROM log.history
             WHERE stream = 'payment' AND shard = ANY($1::smallint[]) AND key <> ALL($2::text[])
            OFFSET 0) AS e
     GROUP BY key, shard
), rows AS (
    SELECT shard, id AS key, state, version, (order_id::text, amount::text, currency)::text AS said,
           created_at < $3::timestamptz AS began_before, updated_at < $3::timestamptz AS ended_before
      FROM payments.payments
     WHERE shard = ANY($1::smallint[]) AND id <> ALL($2::text[])
)
SELECT walk, state, version, began_before, ended_before, walks.said = ARRAY[rows.said] AS agrees,
       count(*) AS payments, (array_agg(key))[1:100] AS keys
  FROM walks FULL JOIN rows USING (shard, key)
 GROUP BY walk, state, version, began_before, ended_before, agrees;

-- name: dishes
SELECT count(*) AS dishes FROM restaurants.stock WHERE shard = ANY($1::smallint[]);

-- name: promised_too_much
-- Dishes of which more is held, by orders whose time is not up, than there is.
SELECT h.shard, h.restaurant_id, h.item_id, s.on_hand, h.held
  FROM (SELECT shard, restaurant_id, item_id, sum(quantity) AS held
          FROM restaurants.holds
         WHERE shard = ANY($1::smallint[]) AND state = 'held' AND expires_at > $2
         GROUP BY shard, restaurant_id, item_id) AS h
  JOIN restaurants.stock s USING (shard, restaurant_id, item_id)
 WHERE h.held > s.on_hand;

-- name: holds
-- Portions of a shard's orders; an order that fell before it held anything has none.
SELECT order_id, restaurant_id, item_id, quantity, state, expires_at
  FROM restaurants.holds
 WHERE shard = $1 AND item_id <> '';

-- name: limited_orders
-- A shard's orders that need portions held, or that have some. As JSON text the words cannot be in a note:
-- there its quotes would be escaped.
SELECT id, restaurant_id, state, details, details LIKE '%"holds_stock":true%' AS is_limited
  FROM orders.orders_by_restaurant
 WHERE shard = $1
   AND (details LIKE '%"holds_stock":true%'
        OR id IN (SELECT order_id FROM restaurants.holds WHERE shard = $1 AND item_id <> ''));

-- name: archived_limited_orders
-- The same of archived orders: their copies have no details any more.
SELECT o.*
  FROM unnest($1::smallint[], $2::bigint[]) AS t (shard, id)
 CROSS JOIN LATERAL (
       SELECT id, restaurant_id, state, body[1] AS details, body[1] LIKE '%"holds_stock":true%' AS is_limited
         FROM orders.archive
        WHERE shard = t.shard AND id = t.id
       OFFSET 0) AS o;

-- name: payable
-- gives_back: of an order that a case has called off, what its cases have decided to give back, in all; null of
-- others. What a provider has refused so far is not given back yet. A case of an order that nobody had paid
-- decides nothing: what comes in all the same goes back by itself.
SELECT id, state, payment_method, total, currency,
       CASE WHEN state = 'cancelled' THEN (
           SELECT coalesce(sum((k.details::json #>> '{outcome,0}')::bigint)
                           FILTER (WHERE k.state <> 'refund_failed'), 0)::bigint
             FROM reverse.cases k
            WHERE k.shard = $1 AND k.id > o.id || '-' AND k.id < o.id || '.' AND NOT k.released
              AND k.state IN ('refunding', 'refund_failed', 'refunded', 'closed')
           HAVING bool_or((k.details::json #>> '{outcome,2}')::boolean
                          AND (k.details::json #>> '{outcome,3}')::bigint > 0)) END AS gives_back
  FROM orders.hot_and_archived o WHERE shard = $1;
