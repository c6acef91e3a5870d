-- name: bury
-- Of one that was replayed before only the newest failure is kept, and when it failed first.
INSERT INTO log.dead_letters (
    consumer, stream, key, version, xid, position, day, dimension, shard, type, data, at, trace,
    order_id, restaurant_id, state, tries, reason, stack, first_failed_at, last_failed_at)
SELECT $1, stream, key, version, xid::xid8, position, DATE '1970-01-01' + day, dimension, shard, type, data, at, trace,
       order_id, restaurant_id, state, tries, reason, stack, $20, $20
  FROM unnest($2::text[], $3::text[], $4::int[], $5::text[], $6::bigint[], $7::int[], $8::text[], $9::smallint[],
              $10::text[], $11::text[], $12::timestamptz[], $13::text[], $14::bigint[], $15::text[], $16::text[],
              $17::int[], $18::text[], $19::text[])
    AS t (stream, key, version, xid, position, day, dimension, shard, type, data, at, trace, order_id,
          restaurant_id, state, tries, reason, stack)
    ON CONFLICT (consumer, stream, key, version) DO UPDATE
       SET state = excluded.state, tries = dead_letters.tries + excluded.tries, settled_at = NULL,
           reason = excluded.reason, stack = excluded.stack, last_failed_at = excluded.last_failed_at;

-- name: count
-- Open ones, up to a number that says: many. And whether any was discarded.
SELECT (SELECT count(*)
          FROM (SELECT FROM log.dead_letters WHERE consumer = $1 AND settled_at IS NULL LIMIT $2) AS letters) AS open,
       EXISTS (SELECT FROM log.dead_letters WHERE consumer = $1 AND state = 'discarded') AS discarded;

-- name: of_keys
-- Open and discarded ones.
SELECT d.stream, d.key, d.version, d.settled_at IS NULL AS is_open
  FROM (SELECT DISTINCT stream, key FROM unnest($2::text[], $3::text[]) AS t (stream, key)) AS wanted
  JOIN log.dead_letters d
    ON d.consumer = $1 AND d.stream = wanted.stream AND d.key = wanted.key
   AND (d.settled_at IS NULL OR d.state = 'discarded');

-- name: to_replay
-- In the order of the log. What is parked goes with the one it waits behind; of an ordered consumer ($2) no
-- letter overtakes one of its key that is dead still.
SELECT xid::text::bigint AS xid, position, day - DATE '1970-01-01' AS day,
       dimension, shard, stream, key, version, type, data, at, trace
  FROM log.dead_letters d
 WHERE consumer = $1 AND settled_at IS NULL AND state IN ('replaying', 'parked')
   AND NOT ($2 AND EXISTS (SELECT FROM log.dead_letters b
                            WHERE b.consumer = $1 AND b.stream = d.stream AND b.key = d.key AND b.state = 'dead'))
 ORDER BY d.xid, position
 LIMIT $3;

-- name: settle
UPDATE log.dead_letters d
   SET state = 'replayed', settled_at = $5
  FROM unnest($2::text[], $3::text[], $4::int[]) AS t (stream, key, version)
 WHERE d.consumer = $1 AND d.stream = t.stream AND d.key = t.key AND d.version = t.version
   AND d.state IN ('replaying', 'parked');

-- name: browse
SELECT consumer, xid::text::bigint AS xid, position, day - DATE '1970-01-01' AS day,
       dimension, shard, stream, key, version, type, data, at, trace,
       order_id, restaurant_id, state, tries, reason, stack, first_failed_at, last_failed_at
  FROM log.dead_letters
 WHERE ($1::text IS NULL OR consumer = $1)
   AND ($2::text IS NULL OR (stream, key, version) = ($2, $3::text, $4::int))
   AND ($5::bigint IS NULL OR order_id = $5)
   AND ($6::text IS NULL OR restaurant_id = $6)
   AND ($7::text IS NULL OR strpos(lower(reason), lower($7)) > 0)
   AND ($8::timestamptz IS NULL OR last_failed_at >= $8)
   AND ($9::timestamptz IS NULL OR last_failed_at < $9)
   AND state = ANY($10::text[])
 ORDER BY last_failed_at DESC, log.dead_letters.xid DESC, position DESC
 LIMIT $11;

-- name: replay
UPDATE log.dead_letters
   SET state = 'replaying'
 WHERE ($1::text IS NULL OR consumer = $1)
   AND ($2::text IS NULL OR (stream, key, version) = ($2, $3::text, $4::int))
   AND ($5::bigint IS NULL OR order_id = $5)
   AND ($6::text IS NULL OR restaurant_id = $6)
   AND ($7::text IS NULL OR strpos(lower(reason), lower($7)) > 0)
   AND ($8::timestamptz IS NULL OR last_failed_at >= $8)
   AND ($9::timestamptz IS NULL OR last_failed_at < $9)
   AND settled_at IS NULL AND state IN ('dead', 'parked')
RETURNING version;

-- name: discard
UPDATE log.dead_letters
   SET state = 'discarded', settled_at = now()
 WHERE ($1::text IS NULL OR consumer = $1)
   AND ($2::text IS NULL OR (stream, key, version) = ($2, $3::text, $4::int))
   AND ($5::bigint IS NULL OR order_id = $5)
   AND ($6::text IS NULL OR restaurant_id = $6)
   AND ($7::text IS NULL OR strpos(lower(reason), lower($7)) > 0)
   AND ($8::timestamptz IS NULL OR last_failed_at >= $8)
   AND ($9::timestamptz IS NULL OR last_failed_at < $9)
   AND settled_at IS NULL AND state IN ('dead', 'parked')
RETURNING version;
