-- name: make_effects
CREATE TABLE IF NOT EXISTS bench_effects (consumer text NOT NULL, key text NOT NULL, version int NOT NULL);

-- name: add_effects
INSERT INTO bench_effects (consumer, key, version)
SELECT $1, key, version FROM unnest($2::text[], $3::int[]) AS t (key, version);

-- name: append
-- Events of as many orders, with the moment that their appender gives.
INSERT INTO log.events (dimension, shard, stream, key, version, type, data, at, trace)
SELECT 'customer', 0, 'order', $1 || number, 1, (ARRAY['order.placed', 'order.accepted', 'order.prepared'])[1 + number % 3],
       $4, $5, 'bench'
  FROM generate_series($2::int, $3::int) AS number;
