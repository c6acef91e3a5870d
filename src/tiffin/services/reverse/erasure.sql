-- name: to_erase
-- A customer's cases, in an order in which none is passed over because others change meanwhile.
SELECT id, order_id, state, version, opened_at, details FROM reverse.cases
 WHERE shard = $1 AND customer_id = $2 AND (opened_at, id) > ($3::timestamptz, $4::text)
 ORDER BY opened_at, id LIMIT $5;

-- name: blank
-- Unless it has moved on meanwhile.
UPDATE reverse.cases SET details = $4 WHERE shard = $1 AND id = $2 AND version = $3;

-- name: blank_copy
UPDATE reverse.cases_by_restaurant SET details = $3 WHERE shard = $1 AND id = $2;
