-- name: enter
-- New entries and what they add to balances, those that are there left alone. $2: type of the event that
-- readers are to hear of, with its data in $3; null where an event of somebody else's has told already.
WITH input AS MATERIALIZED (
    SELECT * FROM unnest($1::ledger.entering[])
), entered AS (
    INSERT INTO ledger.entries (shard, subject, fact, currency, accounts, amounts, at, trace, policy)
    SELECT shard, subject, fact, currency, accounts, amounts, at, trace, policy FROM input
        ON CONFLICT DO NOTHING
    RETURNING shard, subject, fact, currency, accounts, amounts, at, trace
), balanced AS (
    INSERT INTO ledger.balances AS b (shard, account, currency, amount, postings)
    SELECT shard, account, currency, sum(amount), count(*)
      FROM entered CROSS JOIN LATERAL unnest(accounts, amounts::bigint[]) AS posted (account, amount)
     WHERE account NOT LIKE 'restaurant:%' AND account NOT LIKE 'courier:%'
     GROUP BY shard, account, currency
     ORDER BY shard, account, currency
        ON CONFLICT (shard, account, currency) DO UPDATE
       SET amount = b.amount + excluded.amount, postings = b.postings + excluded.postings
), logged AS (
    INSERT INTO log.events (dimension, shard, stream, key, version, type, data, at, trace)
    SELECT 'customer', shard, 'ledger', subject || '/' || fact, 1, $2::text, $3::text, at, trace
      FROM entered WHERE $2::text IS NOT NULL
)
SELECT subject, fact FROM entered;

-- name: entry
SELECT * FROM ledger.entries WHERE shard = $1 AND subject = $2 AND fact = $3;

-- name: entries
SELECT * FROM ledger.entries WHERE shard = $1 AND subject = $2 ORDER BY at, entered_at, fact;

-- name: balance
-- An account's balance in some shards: a row at most in each.
SELECT currency, sum(amount)::bigint AS amount
  FROM ledger.balances WHERE shard = ANY($1::smallint[]) AND account = $2 GROUP BY currency;

-- name: remake_balances
-- All balances of some shards anew, from their entries: for whoever takes over a shard, or repairs one, as the
-- owner of the database, while nobody enters anything there.
WITH gone AS (
    DELETE FROM ledger.balances WHERE shard = ANY($1::smallint[])
       AND (shard, account, currency) NOT IN (
           SELECT shard, account, currency
             FROM ledger.entries CROSS JOIN LATERAL unnest(accounts) AS p (account)
            WHERE shard = ANY($1::smallint[]))
)
INSERT INTO ledger.balances (shard, account, currency, amount, postings)
SELECT shard, account, currency, sum(amount), count(*)
  FROM ledger.entries CROSS JOIN LATERAL unnest(accounts, amounts::bigint[]) AS p (account, amount)
 WHERE shard = ANY($1::smallint[]) AND account NOT LIKE 'restaurant:%' AND account NOT LIKE 'courier:%'
 GROUP BY shard, account, currency
    ON CONFLICT (shard, account, currency) DO UPDATE
   SET amount = excluded.amount, postings = excluded.postings;

-- name: open_dues
-- What a party is owed, due or not: all that is in no settlement.
SELECT currency, sum(amount)::bigint AS amount
  FROM ledger.dues WHERE shard = $1 AND party = $2 AND settlement IS NULL GROUP BY currency;

-- name: add_dues
INSERT INTO ledger.dues (shard, party, subject, fact, currency, amount, at, due_at)
SELECT *
  FROM unnest($1::smallint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::timestamptz[],
              $8::timestamptz[])
    ON CONFLICT DO NOTHING;

-- name: settle
-- Everything that has fallen due in a shard: a statement for each party that is owed more than it owes. Lines
-- are locked first; who comes second finds them settled. A party that owes keeps its lines for the next time.
WITH due AS MATERIALIZED (
    SELECT party, subject, fact, currency, amount
      FROM ledger.dues
     WHERE shard = $1 AND settlement IS NULL AND due_at <= $2
     ORDER BY party, subject, fact
       FOR UPDATE
), owed AS (
    SELECT party, currency, sum(amount)::bigint AS amount, count(*)::int AS lines
      FROM due GROUP BY party, currency HAVING sum(amount) > 0
), made AS (
    INSERT INTO ledger.settlements (shard, id, party, currency, amount, lines, cutoff, made_at)
    SELECT $1, party || ':' || currency || ':' || $3::text, party, currency, amount, lines, $2, $4
      FROM owed
    RETURNING *
), marked AS (
    UPDATE ledger.dues d SET settlement = m.id
      FROM due JOIN made m USING (party, currency)
     WHERE d.shard = $1 AND d.party = due.party AND d.subject = due.subject AND d.fact = due.fact
), closed AS (
    INSERT INTO ledger.dues (shard, party, subject, fact, currency, amount, at, due_at, settlement)
    SELECT shard, party, 'settlement:' || id, 'settled', currency, -amount, made_at, made_at, id FROM made
), logged AS (
    INSERT INTO log.events (dimension, shard, stream, key, version, type, data, at, trace)
    SELECT 'restaurant', shard, 'ledger', id, 1, 'settlement.made',
           json_build_object('type', 'settlement.made', 'version', 1, 'settlement_id', id, 'party', party,
                             'amount', json_build_object('amount', amount, 'currency', currency),
                             'at', $5::text, 'request_id', $6::text)::text,
           made_at, $6
      FROM made
)
SELECT * FROM made ORDER BY id;

-- name: pay_out
-- Once: who comes second gets nothing back.
WITH paid AS (
    UPDATE ledger.settlements SET paid_at = $3, reference = $4
     WHERE shard = $1 AND id = $2 AND paid_at IS NULL
    RETURNING *
), logged AS (
    INSERT INTO log.events (dimension, shard, stream, key, version, type, data, at, trace)
    SELECT 'restaurant', shard, 'ledger', id, 2, 'settlement.paid',
           json_build_object('type', 'settlement.paid', 'version', 2, 'settlement_id', id, 'party', party,
                             'amount', json_build_object('amount', amount, 'currency', currency),
                             'at', $5::text, 'request_id', $6::text, 'reference', reference)::text,
           paid_at, $6
      FROM paid
)
SELECT * FROM paid;

-- name: settlement
SELECT * FROM ledger.settlements WHERE shard = $1 AND id = $2;

-- name: settlements
SELECT * FROM ledger.settlements WHERE shard = $1 AND party = $2 ORDER BY made_at DESC, id DESC LIMIT $3;

-- name: waiting
-- Settlements of this node that the bank has not paid, the oldest first, after the cursor (made_at, id).
SELECT * FROM ledger.settlements
 WHERE paid_at IS NULL AND (made_at, id) > ($1::timestamptz, $2::text)
 ORDER BY made_at, id LIMIT $3;

-- name: lines
-- A settlement line by line, without the one that closes it.
SELECT subject, fact, amount, at
  FROM ledger.dues WHERE shard = $1 AND party = $2 AND settlement = $3 AND fact <> 'settled'
 ORDER BY at, subject, fact;

-- name: policies
SELECT version, begins_at, body FROM ledger.policies ORDER BY version;

-- name: add_policy
INSERT INTO ledger.policies (version, begins_at, body)
SELECT max(version) + 1, $1, $2 FROM ledger.policies RETURNING version;
