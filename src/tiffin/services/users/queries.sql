-- name: customers
-- Customers by id. Shards as single parameters: PostgreSQL then opens the partitions of these alone.
SELECT id, version, customer, created_from
  FROM users.customers
 WHERE shard IN ($1, $2, $3, $4, $5, $6, $7, $8) AND id = ANY($9::text[]);

-- name: add_customer
-- No row if the id is taken.
INSERT INTO users.customers (shard, id, version, customer, created_from)
VALUES ($1, $2, 1, $3, $4)
    ON CONFLICT DO NOTHING
RETURNING version;

-- name: change_customer
-- No row if somebody else was faster.
UPDATE users.customers SET customer = $4, version = version + 1
 WHERE shard = $1 AND id = $2 AND version = $3
RETURNING version;
