-- Writes are sets: arrays in, one statement for all that callers want within the same moment.
-- Each writes its events in the same statement.

-- name: start
-- Intents. A row is refused in silence where the order already has a payment that is pending or succeeded.
WITH wanted AS (
    SELECT * FROM unnest(
        $1::smallint[], $2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::text[], $7::text[],
        $8::timestamptz[], $9::timestamptz[], $10::text[], $11::text[], $12::text[]
    ) AS w (shard, id, order_id, customer_id, amount, currency, source, created_at, next_check_at,
            type, data, trace)
), started AS (
    INSERT INTO payments.payments (
        shard, id, order_id, customer_id, amount, currency, source, state, version,
        next_check_at, created_at, updated_at
    )
    SELECT shard, id, order_id, customer_id, amount, currency, source, 'pending', 1,
           next_check_at, created_at, created_at
    FROM wanted
    ON CONFLICT DO NOTHING
    RETURNING id
), logged AS (
    INSERT INTO log.events (dimension, shard, stream, key, version, type, data, at, trace)
    SELECT 'customer', shard, 'payment', id, 1, type, data, created_at, trace
    FROM wanted JOIN started USING (id)
)
SELECT id FROM started;

-- name: change
-- Compare and set: a row changes only from the version before. An upsert, though the row is always there,
-- because a tuple is routed to its one partition; an UPDATE joined to arrays plans for all of them and
-- costs four times as much.
WITH wanted AS (
    SELECT * FROM unnest(
        $1::smallint[], $2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::text[], $7::text[],
        $8::timestamptz[], $9::timestamptz[], $10::text[], $11::text[], $12::text[],
        $13::text[], $14::int[], $15::text[], $16::text[], $17::timestamptz[]
    ) AS w (shard, id, order_id, customer_id, amount, currency, source, created_at, next_check_at,
            type, data, trace, state, version, provider_reference, decline_reason, updated_at)
), changed AS (
    INSERT INTO payments.payments AS ours (
        shard, id, order_id, customer_id, amount, currency, source, state, version, provider_reference,
        decline_reason, attempts, next_check_at, created_at, updated_at
    )
    SELECT shard, id, order_id, customer_id, amount, currency, source, state, version, provider_reference,
           decline_reason, 0, next_check_at, created_at, updated_at
    FROM wanted
    ON CONFLICT (shard, id) DO UPDATE SET
        state = excluded.state, version = excluded.version, provider_reference = excluded.provider_reference,
        decline_reason = excluded.decline_reason, attempts = 0, next_check_at = excluded.next_check_at,
        updated_at = excluded.updated_at
    WHERE ours.version = excluded.version - 1
    RETURNING ours.id
), logged AS (
    INSERT INTO log.events (dimension, shard, stream, key, version, type, data, at, trace)
    SELECT 'customer', shard, 'payment', id, version, type, data, updated_at, trace
    FROM wanted JOIN changed USING (id)
)
SELECT id FROM changed;

-- name: versions
-- Where payments stand, after a connection was lost in mid-commit.
SELECT id, state, version FROM payments.payments
WHERE shard = ANY($1::smallint[]) AND id = ANY($2::text[]);

-- name: find
SELECT * FROM payments.payments WHERE shard = $1 AND id = $2;

-- name: active
SELECT * FROM payments.payments
WHERE shard = $1 AND order_id = $2 AND state IN ('pending', 'succeeded');

-- name: of_order
-- By the primary key, which begins with the order's id: `.` is the character after `-`.
SELECT * FROM payments.payments
WHERE shard = $1 AND id > $2::bigint || '-' AND id < $2::bigint || '.' ORDER BY created_at, id;

-- name: succeeded_of_orders
-- The shards one by one: an array of them opens every partition (see tiffin.sharding.read_many).
SELECT * FROM payments.payments
WHERE shard IN ($1, $2, $3, $4, $5, $6, $7, $8) AND order_id = ANY($9::bigint[]) AND state = 'succeeded';

-- name: by_ids
SELECT * FROM payments.payments
WHERE shard IN ($1, $2, $3, $4, $5, $6, $7, $8) AND id = ANY($9::text[]);

-- name: due
-- Whom to ask the provider about, longest due first.
SELECT shard, id FROM payments.payments
WHERE shard = ANY($1::smallint[]) AND next_check_at <= $2
ORDER BY next_check_at LIMIT $3;

-- name: lease
-- Take due payments for oneself until their next check. Whoever comes second finds them no longer due.
-- $4: seconds to the next check, by the number of attempts so far; the last one counts from there on.
UPDATE payments.payments SET
    attempts = attempts + 1,
    next_check_at = $3::timestamptz
        + ($4::int[])[least(attempts + 1, array_length($4::int[], 1))] * interval '1 second'
WHERE shard = ANY($1::smallint[]) AND id = ANY($2::text[]) AND next_check_at <= $3
RETURNING *;

-- name: audit_payments
-- For an auditor: every payment of some shards, ordered so that it can be read alongside the orders.
SELECT order_id, id, amount, currency, state, version
FROM payments.payments WHERE shard = ANY($1::smallint[])
ORDER BY order_id, created_at, id;
