-- Writes are sets: arrays in, one statement for all that callers want within the same moment.
-- Each writes its events in the same statement.

-- name: start
-- Intents. A row is refused in silence where the order has not so much left to be paid; an id that is there
-- already is an error, and takes back what its neighbour CTE has claimed.
WITH wanted AS (
    SELECT * FROM unnest(
        $1::smallint[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[],
        $9::bigint[], $10::text[], $11::boolean[], $12::timestamptz[], $13::timestamptz[], $14::text[],
        $15::text[], $16::text[]
    ) AS w (shard, id, order_id, customer_id, method, provider, amount, currency, total, source, at_once,
            created_at, next_check_at, type, data, trace)
), claimed AS (
    INSERT INTO payments.orders AS o (shard, order_id, total, claimed)
    SELECT shard, order_id, total, amount FROM wanted
    ON CONFLICT (shard, order_id) DO UPDATE SET claimed = o.claimed + excluded.claimed
    WHERE o.claimed + excluded.claimed <= o.total
    RETURNING order_id
), started AS (
    INSERT INTO payments.payments (
        shard, id, order_id, customer_id, method, provider, amount, currency, total, source, at_once, state,
        version, attempts, next_check_at, created_at, updated_at
    )
    SELECT shard, id, order_id, customer_id, method, provider, amount, currency, total, source, at_once,
           'pending', 1, 1, next_check_at, created_at, created_at
    FROM wanted JOIN claimed USING (order_id)
    RETURNING id
), logged AS (
    INSERT INTO log.events (dimension, shard, stream, key, version, type, data, at, trace)
    SELECT 'customer', shard, 'payment', id, 1, type, data, created_at, trace
    FROM wanted JOIN started USING (id)
)
SELECT id FROM started;

-- name: collect
-- Cash in couriers' hands. An order's is collected once; who says so again is not heard.
WITH wanted AS (
    SELECT * FROM unnest(
        $1::smallint[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[],
        $9::bigint[], $10::text[], $11::boolean[], $12::timestamptz[], $13::timestamptz[], $14::text[],
        $15::text[], $16::text[]
    ) AS w (shard, id, order_id, customer_id, method, provider, amount, currency, total, source, at_once,
            created_at, next_check_at, type, data, trace)
), collected AS (
    INSERT INTO payments.payments (
        shard, id, order_id, customer_id, method, provider, amount, currency, total, source, at_once, state,
        version, captured, created_at, updated_at
    )
    SELECT shard, id, order_id, customer_id, method, provider, amount, currency, total, source, at_once,
           'succeeded', 1, amount, created_at, created_at
    FROM wanted ORDER BY shard, id
    ON CONFLICT DO NOTHING
    RETURNING id
), logged AS (
    INSERT INTO log.events (dimension, shard, stream, key, version, type, data, at, trace)
    SELECT 'customer', shard, 'payment', id, 1, type, data, created_at, trace
    FROM wanted JOIN collected USING (id)
)
SELECT id FROM collected;

-- name: change
-- Compare and set: a row changes only from the version before. An upsert, though the row is always there,
-- because a tuple is routed to its one partition; an UPDATE joined to arrays plans for all of them and
-- costs four times as much. A refund that begins must be new: one that is there already is an error.
WITH wanted AS (
    SELECT * FROM unnest(
        $1::smallint[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[],
        $9::bigint[], $10::text[], $11::boolean[], $12::timestamptz[], $13::timestamptz[], $14::text[],
        $15::text[], $16::text[],
        $17::text[], $18::int[], $19::bigint[], $20::bigint[], $21::bigint[], $22::text[], $23::text[],
        $24::timestamptz[], $25::timestamptz[], $26::bigint[],
        $27::text[], $28::smallint[], $29::text[], $30::text[], $31::bigint[], $32::text[], $33::text[],
        $34::text[], $35::int[], $36::timestamptz[], $37::timestamptz[], $38::boolean[]
    ) AS w (shard, id, order_id, customer_id, method, provider, amount, currency, total, source, at_once,
            created_at, next_check_at, type, data, trace,
            state, version, captured, refunding, refunded, provider_reference, decline_reason, expires_at,
            updated_at, freed,
            refund_id, part, refund_key, refund_reason, refund_amount, refund_state, refund_failure,
            refund_reference, refund_attempts, refund_check_at, refund_created_at, to_balance)
), changed AS (
    INSERT INTO payments.payments AS ours (
        shard, id, order_id, customer_id, method, provider, amount, currency, total, source, at_once, state,
        version, captured, refunding, refunded, provider_reference, decline_reason, attempts, next_check_at,
        expires_at, created_at, updated_at
    )
    SELECT shard, id, order_id, customer_id, method, provider, amount, currency, total, source, at_once, state,
           version, captured, refunding, refunded, provider_reference, decline_reason, 0, next_check_at,
           expires_at, created_at, updated_at
    FROM wanted
    ON CONFLICT (shard, id) DO UPDATE SET
        state = excluded.state, version = excluded.version, captured = excluded.captured,
        refunding = excluded.refunding, refunded = excluded.refunded,
        provider_reference = excluded.provider_reference, decline_reason = excluded.decline_reason,
        attempts = 0, next_check_at = excluded.next_check_at, expires_at = excluded.expires_at,
        updated_at = excluded.updated_at
    WHERE ours.version = excluded.version - 1
    RETURNING ours.id
), freed AS (
    INSERT INTO payments.orders AS o (shard, order_id, total, claimed)
    SELECT shard, order_id, total, wanted.freed FROM wanted JOIN changed USING (id) WHERE wanted.freed > 0
    ON CONFLICT (shard, order_id) DO UPDATE SET claimed = o.claimed - excluded.claimed
), begun AS (
    INSERT INTO payments.refunds (
        shard, id, part, payment_id, key, reason, amount, to_balance, state, attempts, next_check_at, created_at,
        updated_at
    )
    SELECT shard, refund_id, part, id, refund_key, refund_reason, refund_amount, to_balance, refund_state,
           refund_attempts, refund_check_at, refund_created_at, updated_at
    FROM wanted JOIN changed USING (id) WHERE type = 'payment.refund_started'
), ended AS (
    INSERT INTO payments.refunds AS r (
        shard, id, part, payment_id, key, reason, amount, to_balance, state, failure, reference, attempts,
        next_check_at, created_at, updated_at
    )
    SELECT shard, refund_id, part, id, refund_key, refund_reason, refund_amount, to_balance, refund_state,
           refund_failure, refund_reference, refund_attempts, refund_check_at, refund_created_at, updated_at
    FROM wanted JOIN changed USING (id) WHERE refund_id IS NOT NULL AND type <> 'payment.refund_started'
    ON CONFLICT (shard, id, part) DO UPDATE SET
        state = excluded.state, failure = excluded.failure, reference = excluded.reference,
        attempts = excluded.attempts, next_check_at = excluded.next_check_at, updated_at = excluded.updated_at
), logged AS (
    INSERT INTO log.events (dimension, shard, stream, key, version, type, data, at, trace)
    SELECT 'customer', shard, 'payment', id, version, type, data, updated_at, trace
    FROM wanted JOIN changed USING (id)
)
SELECT id FROM changed;

-- name: refer
-- Keep the provider's own name for a payment. Whoever comes first has named it.
UPDATE payments.payments SET provider_reference = coalesce(provider_reference, $3)
WHERE shard = $1 AND id = $2 RETURNING provider_reference;

-- name: versions
-- Where payments stand, after a connection was lost in mid-commit.
SELECT id, state, version FROM payments.payments
WHERE shard = ANY($1::smallint[]) AND id = ANY($2::text[]);

-- name: find
SELECT * FROM payments.payments WHERE shard = $1 AND id = $2;

-- name: of_order
-- By the primary key, which begins with the order's id: `.` is the character after `-`.
SELECT * FROM payments.payments
WHERE shard = $1 AND id > $2::bigint || '-' AND id < $2::bigint || '.' ORDER BY created_at, id;

-- name: refunds_of_order
SELECT * FROM payments.refunds
WHERE shard = $1 AND id > $2::bigint || '-' AND id < $2::bigint || '.' ORDER BY created_at, id, part;

-- name: refund_parts
SELECT * FROM payments.refunds WHERE shard = $1 AND id = $2 ORDER BY part;

-- name: unsettled
-- Those of these orders that have a payment or a refund on its way.
SELECT DISTINCT p.order_id
  FROM unnest($1::smallint[], $2::bigint[]) AS t (shard, order_id)
 CROSS JOIN LATERAL (
       SELECT t.order_id FROM payments.payments
        WHERE shard = t.shard AND id > t.order_id || '-' AND id < t.order_id || '.'
          AND (state NOT IN ('succeeded', 'declined', 'voided') OR refunding > 0)
       UNION ALL
       SELECT t.order_id FROM payments.refunds
        WHERE shard = t.shard AND id > t.order_id || '-' AND id < t.order_id || '.' AND state = 'pending'
       OFFSET 0) AS p;

-- name: good_of_orders
-- Payments whose money is certain, or as good as.
-- The shards one by one: an array of them opens every partition (see tiffin.sharding.read_many).
SELECT * FROM payments.payments
WHERE shard IN ($1, $2, $3, $4, $5, $6, $7, $8) AND order_id = ANY($9::bigint[])
  AND state IN ('authorised', 'capturing', 'succeeded') AND method <> 'cash';

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

-- name: due_refunds
SELECT shard, id, part FROM payments.refunds
WHERE shard = ANY($1::smallint[]) AND next_check_at <= $2
ORDER BY next_check_at LIMIT $3;

-- name: lease_refunds
-- The same for refunds.
UPDATE payments.refunds SET
    attempts = attempts + 1,
    next_check_at = $3::timestamptz
        + ($4::int[])[least(attempts + 1, array_length($4::int[], 1))] * interval '1 second'
WHERE shard = ANY($1::smallint[]) AND id = ANY($2::text[]) AND next_check_at <= $3
RETURNING *;

-- name: audit_payments
-- For an auditor: every payment of some shards, ordered so that it can be read alongside the orders. The state is
-- as callers see it; to_balance is what of it went back, but not by its provider.
SELECT order_id, id, amount, currency,
       CASE WHEN refunding > 0 THEN 'refunding' WHEN captured > 0 AND refunded = captured THEN 'refunded'
            ELSE state END AS state,
       version, captured, refunding, refunded, decline_reason IS NOT DISTINCT FROM 'charged_after_all' AS surplus,
       method,
       CASE WHEN refunded = 0 OR method = 'balance' THEN 0 ELSE coalesce((
           SELECT sum(amount) FROM payments.refunds r
            WHERE r.shard = p.shard AND r.id > p.order_id || '-' AND r.id < p.order_id || '.'
              AND r.payment_id = p.id AND r.to_balance AND r.state = 'succeeded'), 0)::bigint END AS to_balance,
       provider
FROM payments.payments p WHERE shard = ANY($1::smallint[])
ORDER BY order_id, created_at, id;

-- name: audit_cash
-- For an auditor: what couriers have collected.
SELECT order_id, amount, currency FROM payments.payments
WHERE shard = ANY($1::smallint[]) AND method = 'cash';

-- name: audit_sums
-- For an auditor: payments whose sums are not those of their refunds, and orders whose payments cover more, or
-- less, than has been claimed.
SELECT 'payment ' || p.id AS subject,
       format('has %s on its way back and %s back; its refunds have %s and %s', p.refunding, p.refunded,
              coalesce(r.refunding, 0), coalesce(r.refunded, 0)) AS what
  FROM payments.payments p
  LEFT JOIN (SELECT shard, payment_id AS id, sum(amount) FILTER (WHERE state = 'pending') AS refunding,
                    sum(amount) FILTER (WHERE state = 'succeeded') AS refunded
               FROM payments.refunds WHERE shard = $1 GROUP BY shard, payment_id) r USING (shard, id)
 WHERE p.shard = $1
   AND (p.refunding, p.refunded) <> (coalesce(r.refunding, 0), coalesce(r.refunded, 0))
UNION ALL
SELECT 'order ' || o.order_id,
       format('has %s of %s claimed; its payments cover %s', o.claimed, o.total, coalesce(p.covered, 0))
  FROM payments.orders o
  LEFT JOIN (SELECT order_id, sum(amount) AS covered FROM payments.payments
              WHERE shard = $1 AND method <> 'cash'
                AND state IN ('pending', 'authorised', 'capturing', 'succeeded')
                AND decline_reason IS DISTINCT FROM 'charged_after_all' GROUP BY order_id) p USING (order_id)
 WHERE o.shard = $1 AND o.claimed <> coalesce(p.covered, 0);
