-- name: entries_of_orders
SELECT * FROM ledger.entries WHERE shard = $1 AND subject = ANY($2::text[]);

-- name: due_of_shard
SELECT id, state, due_at FROM reverse.due WHERE shard = $1;

-- name: orders_of_cases
SELECT id::text AS id, customer_id, state, total FROM orders.hot_and_archived WHERE shard = $1 AND id = ANY($2::bigint[]);

-- name: payments_under_way
SELECT DISTINCT order_id::text AS order_id FROM payments.payments
 WHERE shard = $1 AND order_id = ANY($2::bigint[]) AND state NOT IN ('succeeded', 'declined', 'refunded', 'voided');

-- name: copies_of_cases
SELECT id, version, state FROM reverse.cases_by_restaurant WHERE shard = ANY($1::smallint[]);
