-- name: orders_money
SELECT shard, id, customer_id, restaurant_id, state, version, placed_at, updated_at, due_at, scheduled_for,
       accepted_at, payment_method, total, currency, courier_id, reason, details, idempotency_key, request_hash
  FROM orders.hot_and_archived WHERE shard = $1;

-- name: cases_of_orders
SELECT order_id::text AS order_id, array_agg(id) AS cases FROM reverse.cases WHERE shard = $1 GROUP BY order_id;

-- name: entries_of_shard
SELECT * FROM ledger.entries WHERE shard = $1 ORDER BY subject, at, entered_at, fact;

-- name: balances_apart
-- Balances of a shard that are not the sum of their postings. Parties that are settled have none.
SELECT account, currency, entered, entries, kept, postings
  FROM (SELECT account, currency, sum(amount)::bigint AS entered, count(*) AS entries
          FROM ledger.entries CROSS JOIN LATERAL unnest(accounts, amounts::bigint[]) AS p (account, amount)
         WHERE shard = $1 AND account NOT LIKE 'restaurant:%' AND account NOT LIKE 'courier:%'
         GROUP BY account, currency) AS e
  FULL JOIN (SELECT account, currency, amount AS kept, postings
               FROM ledger.balances WHERE shard = $1) AS b USING (account, currency)
 WHERE (entered, entries) IS DISTINCT FROM (kept, postings)
 ORDER BY account, currency;

-- name: parties_entered
-- What the entries of some shards, up to a moment, have for each party; the mark is of every line of theirs.
SELECT account AS party, currency, sum(amount)::bigint AS amount, count(*) AS lines,
       sum(hash_record_extended(ROW(subject, fact, amount), 0)::numeric)::text AS mark
  FROM ledger.entries CROSS JOIN LATERAL unnest(accounts, amounts::bigint[]) AS p (account, amount)
 WHERE shard = ANY($1::smallint[]) AND at <= $2 AND (account LIKE 'restaurant:%' OR account LIKE 'courier:%')
 GROUP BY account, currency;

-- name: parties_due
SELECT shard, party, currency, sum(amount)::bigint AS amount, count(*) AS lines,
       sum(hash_record_extended(ROW(subject, fact, amount), 0)::numeric)::text AS mark
  FROM ledger.dues WHERE shard = ANY($1::smallint[]) AND at <= $2
 GROUP BY shard, party, currency;

-- name: settlements_apart
-- Settlements that are not the sum of their lines; lines of no settlement are told with amount null.
SELECT id, party, s.amount, d.amount AS summed, s.lines, d.lines AS counted, d.left_over
  FROM (SELECT * FROM ledger.settlements WHERE shard = ANY($1::smallint[])) AS s
  FULL JOIN (SELECT settlement AS id, party, sum(amount) FILTER (WHERE fact <> 'settled')::bigint AS amount,
                    count(*) FILTER (WHERE fact <> 'settled')::int AS lines, sum(amount)::bigint AS left_over
               FROM ledger.dues WHERE shard = ANY($1::smallint[]) AND settlement IS NOT NULL
              GROUP BY settlement, party) AS d USING (id, party)
 WHERE (s.amount, s.lines, 0) IS DISTINCT FROM (d.amount, d.lines, d.left_over)
 ORDER BY id;

-- name: settlements_made
SELECT id, party, currency, amount, paid_at
  FROM ledger.settlements WHERE shard = ANY($1::smallint[]) AND made_at <= $2;

-- name: settlements_entered
SELECT subject, fact, currency, amounts[2] AS amount
  FROM ledger.entries
 WHERE shard = ANY($1::smallint[]) AND subject > 'settlement:' AND subject < 'settlement;';
