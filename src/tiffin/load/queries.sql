-- name: make_twin
-- What the write path is measured against: the same columns and indexes, not partitioned, one transaction an
-- order. The log's wake-up is left out: a NOTIFY in each transaction would make commits wait for one another
-- and cost pgbench more than half of what it reaches.
CREATE SCHEMA bench_twin;
CREATE TABLE bench_twin.orders (LIKE orders.orders INCLUDING ALL) WITH (fillfactor = 80);
CREATE TABLE bench_twin.deadlines (LIKE orders.deadlines INCLUDING ALL);
CREATE TABLE bench_twin.events (LIKE log.events INCLUDING ALL);
CREATE SEQUENCE bench_twin.numbers CACHE 1024;

-- name: drop_twin
DROP SCHEMA IF EXISTS bench_twin CASCADE;

-- name: checkpoint
CHECKPOINT;

-- name: server
-- What a figure depends on, to be printed beside it.
SELECT name, setting FROM pg_settings
 WHERE name IN ('server_version', 'fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers', 'wal_level')
 ORDER BY name;

-- name: place_one
-- For pgbench: an order and its first event in one statement and one transaction. The long texts are given
-- with -D, so they travel with every order as they do in the real thing.
\set customer random(1, 1000000000)
\set restaurant random(1, 500)
\set shard random(0, 119)
WITH placed AS (
    INSERT INTO bench_twin.orders (shard, id, customer_id, restaurant_id, state, version, placed_at, updated_at,
                                   due_at, scheduled_for, payment_method, total, currency, details,
                                   idempotency_key, request_hash)
    VALUES (:shard, nextval('bench_twin.numbers') << 20, 'customer-' || :customer, 'restaurant-' || :restaurant,
            'awaiting_acceptance', 1, now(), now(), now() + interval '5 minutes', NULL, 'cash', 3190, 'COP',
            :details, 'key-' || :customer, '\x000102030405060708090a0b0c0d0e0f')
        ON CONFLICT DO NOTHING
    RETURNING shard, id, placed_at, due_at
), due AS (
    INSERT INTO bench_twin.deadlines (due_at, shard, id) SELECT due_at, shard, id FROM placed
)
INSERT INTO bench_twin.events (dimension, shard, stream, key, version, type, data, at, trace)
SELECT 'customer', shard, 'order', id::text, 1, 'order.placed', :data, placed_at, 'request-' || :customer
  FROM placed;

-- name: newest_transaction
-- Behind every transaction that has begun to write.
SELECT pg_snapshot_xmax(pg_current_snapshot())::text;

-- name: all_ended_before
SELECT pg_snapshot_xmin(pg_current_snapshot()) >= $1::text::xid8;
