-- name: read
-- Events after the cursor, in order, of transactions that no running one can still precede.
-- A day earlier than the cursor's is opened too: a transaction keeps the date it began on. Days that have
-- not come are left shut; tomorrow's is opened, for the midnight between this statement and its snapshot.
SELECT xid::text::bigint AS xid, position, day - DATE '1970-01-01' AS day,
       dimension, shard, stream, key, version, type, data, at, trace
  FROM log.events
 WHERE (xid, position) > ($1::text::xid8, $2::bigint)
   AND xid < pg_snapshot_xmin(pg_current_snapshot())
   AND day >= DATE '1970-01-01' + $3::int - 1
   AND day <= (now() AT TIME ZONE 'UTC')::date + 1
 ORDER BY log.events.xid, position
 LIMIT $4;

-- name: read_of_types
-- The same for a reader that wants some types only: those, and the last one looked at, whatever it is, for the
-- cursor. `seen` is how many were looked at.
SELECT xid::text::bigint AS xid, position, day - DATE '1970-01-01' AS day,
       dimension, shard, stream, key, version, type, data, at, trace, seen
  FROM (SELECT *, row_number() OVER (ORDER BY xid, position) AS number, count(*) OVER () AS seen
          FROM (SELECT *
                  FROM log.events
                 WHERE (xid, position) > ($1::text::xid8, $2::bigint)
                   AND xid < pg_snapshot_xmin(pg_current_snapshot())
                   AND day >= DATE '1970-01-01' + $3::int - 1
                   AND day <= (now() AT TIME ZONE 'UTC')::date + 1
                 ORDER BY log.events.xid, position
                 LIMIT $4) AS batch) AS numbered
 WHERE type = ANY($5::text[]) OR number = seen
 ORDER BY number;

-- name: oldest_after
-- When the first event after the cursor happened, one that `read` must not give yet included.
SELECT at
  FROM log.events
 WHERE (xid, position) > ($1::text::xid8, $2::bigint)
   AND day >= DATE '1970-01-01' + $3::int - 1
   AND day <= (now() AT TIME ZONE 'UTC')::date + 1
 ORDER BY log.events.xid, position
 LIMIT 1;

-- name: end
-- A cursor behind everything that is committed now.
SELECT (pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1) AS xid,
       9223372036854775807 AS position,
       (now() AT TIME ZONE 'UTC')::date - DATE '1970-01-01' AS day;

-- name: from_moment
-- A cursor before the first event that happened then or later. Behind all there is if nothing did.
-- `at` is the request's moment and the day the transaction's: one may be a little before the other.
SELECT xid::text::bigint AS xid, position - 1 AS position, day - DATE '1970-01-01' AS day
  FROM log.events
 WHERE at >= $1::timestamptz AND day >= ($1::timestamptz AT TIME ZONE 'UTC')::date - 1
 ORDER BY log.events.xid, position
 LIMIT 1;

-- name: cursor
SELECT xid::text::bigint AS xid, position, day - DATE '1970-01-01' AS day FROM log.cursors WHERE consumer = $1;

-- name: generation
SELECT generation FROM log.cursors WHERE consumer = $1;

-- name: move_cursor
-- Nothing is returned and nothing done if somebody has set it anew since it was read.
INSERT INTO log.cursors (consumer, xid, position, day)
VALUES ($1, $2::text::xid8, $3, DATE '1970-01-01' + $4::int)
    ON CONFLICT (consumer) DO UPDATE
       SET xid = excluded.xid, position = excluded.position, day = excluded.day, moved_at = now()
     WHERE cursors.generation = $5
RETURNING generation;

-- name: forgettable
-- A cursor lost in a crash is no loss: its events come again. So nobody waits for the disk.
SET synchronous_commit = off;

-- name: lead
-- One reader of a name at a time; the lock goes with the connection.
SELECT pg_try_advisory_lock(hashtextextended('tiffin consumer ' || $1, 0));

-- name: backlog
-- Events that a consumer has not handled yet, and since when (seconds) the oldest of them waits.
SELECT count(*) AS events, coalesce(extract(epoch FROM clock_timestamp() - min(e.at)), 0)::float8 AS seconds
  FROM log.events e
  LEFT JOIN log.cursors c ON c.consumer = $1
 WHERE c.consumer IS NULL
    OR ((e.xid, e.position) > (c.xid, c.position) AND e.day >= c.day - 1);

-- name: of_key
-- The history of one key. No shard: the log is partitioned by day.
SELECT data FROM log.history WHERE stream = $1 AND key = $2 ORDER BY version;

-- name: made_by
-- Which of these (key, version) a given request has written: how an unknown outcome is settled.
SELECT e.key, e.version
  FROM unnest($1::text[], $2::int[], $3::text[], $4::text[]) AS t (key, version, type, trace)
  JOIN log.events e ON e.key = t.key AND e.version = t.version AND e.type = t.type AND e.trace = t.trace
 WHERE e.stream = $5;

-- name: days
SELECT child.relname AS name, to_date(substring(child.relname FROM '_(\d{8})$'), 'YYYYMMDD') AS day
  FROM pg_inherits i JOIN pg_class child ON child.oid = i.inhrelid
 WHERE i.inhparent = 'log.events'::regclass
 ORDER BY 2;

-- name: today
SELECT (now() AT TIME ZONE 'UTC')::date AS today, (SELECT min(day) FROM log.cursors) AS furthest_behind;

-- name: report
-- What a consumer has done since it last told.
INSERT INTO log.consumers AS told (consumer, transport, handled, failures, rate, lag_s, depth, reported_at, trouble)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (consumer) DO UPDATE
       SET transport = excluded.transport, handled = told.handled + excluded.handled,
           failures = told.failures + excluded.failures, rate = excluded.rate, lag_s = excluded.lag_s,
           depth = excluded.depth, reported_at = excluded.reported_at, trouble = excluded.trouble;

-- name: mark
-- Those that are returned were not marked before. In one order for all, so that nobody waits in a circle.
INSERT INTO log.inbox (consumer, stream, key, version, day)
SELECT $1, stream, key, version, DATE '1970-01-01' + day
  FROM unnest($2::text[], $3::text[], $4::int[], $5::int[]) AS t (stream, key, version, day)
 ORDER BY stream, key, version
    ON CONFLICT DO NOTHING
RETURNING stream, key, version;

-- name: days_of_marks
SELECT child.relname AS name, to_date(substring(child.relname FROM '_(\d{8})$'), 'YYYYMMDD') AS day
  FROM pg_inherits i JOIN pg_class child ON child.oid = i.inhrelid
 WHERE i.inhparent = 'log.inbox'::regclass AND child.relname ~ '_\d{8}$'
 ORDER BY 2;

-- name: forget_marks
DELETE FROM log.inbox_other WHERE day < $1;

-- name: forget_letters
DELETE FROM log.dead_letters WHERE settled_at < now() - $1::interval;

-- name: keep_events
-- Before a day is dropped: what it says of some keys of a stream stays beside the log.
INSERT INTO log.moved (dimension, shard, stream, key, version, type, data, at, trace, xid, position)
SELECT dimension, shard, stream, key, version, type, data, at, trace, xid, position
  FROM log.events
 WHERE day = $1 AND stream = $2 AND key = ANY($3::text[])
    ON CONFLICT DO NOTHING;

-- name: forget_moved
-- Of streams that nobody keeps for longer.
DELETE FROM log.moved WHERE at < now() - $1::interval AND stream <> ALL($2::text[]);

-- name: reset_cursor
-- Whoever works from where it stood before notices by the generation.
UPDATE log.cursors
   SET xid = $2::text::xid8, position = $3, day = DATE '1970-01-01' + $4::int, generation = generation + 1,
       moved_at = now()
 WHERE consumer = $1
RETURNING consumer;

-- name: known_consumers
SELECT consumer FROM log.cursors UNION SELECT consumer FROM log.consumers ORDER BY 1;

-- name: overview
-- What there is to know of each consumer of this node. Depth and age by the log, where it has a cursor.
SELECT known.consumer, told.transport, told.handled, told.failures, told.rate, told.lag_s, told.reported_at,
       coalesce(told.depth, unread.events) AS depth, unread.age_s, letters.open AS dead_letters, told.trouble
  FROM (SELECT consumer FROM log.cursors UNION SELECT consumer FROM log.consumers) AS known
  LEFT JOIN log.consumers told ON told.consumer = known.consumer
  LEFT JOIN log.cursors c ON c.consumer = known.consumer
 CROSS JOIN LATERAL (
       SELECT CASE WHEN c.consumer IS NOT NULL THEN count(*) END AS events,
              extract(epoch FROM clock_timestamp() - min(e.at))::float8 AS age_s
         FROM log.events e
        WHERE (e.xid, e.position) > (c.xid, c.position) AND e.day >= c.day - 1) AS unread
 CROSS JOIN LATERAL (
       SELECT count(*) AS open FROM log.dead_letters d WHERE d.consumer = known.consumer AND d.settled_at IS NULL
      ) AS letters
 ORDER BY 1;
