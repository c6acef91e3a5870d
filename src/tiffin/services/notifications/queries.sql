-- name: add
-- New messages, as sets. What is there already stays as it is. Returns the keys of those that are new.
WITH input AS (
    SELECT *
      FROM unnest($1::smallint[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[],
                  $8::boolean[], $9::timestamptz[], $10::timestamptz[], $11::text[], $12::text[], $13::text[],
                  $14::text[])
           AS i (shard, role, person_id, key, order_id, template, kind, urgent, created_at, expires_at,
                 variables, secrets, phone, language)
), made AS (
    INSERT INTO notifications.messages (shard, role, person_id, key, order_id, template, kind, urgent,
                                        created_at, expires_at, variables, secrets, phone, language, state,
                                        attempts)
    SELECT *, 'waiting', 0 FROM input
        ON CONFLICT DO NOTHING
 RETURNING shard, role, person_id, key, kind
), queued AS (
    INSERT INTO notifications.due (shard, role, person_id, key, security, due_at, attempts)
    SELECT shard, role, person_id, key, kind = 'security', $15::timestamptz, 0 FROM made
        ON CONFLICT DO NOTHING
)
SELECT shard, role, person_id, key FROM made;

-- name: message
SELECT shard, role, person_id, key, order_id, template, kind, urgent, created_at, expires_at, variables, secrets,
       phone, language, state, reason, attempts, text, readable, done_at
  FROM notifications.messages
 WHERE shard = $1 AND role = $2 AND person_id = $3 AND key = $4;

-- name: is_due
-- Whether there may be something to claim. Asked first: a claim opens every partition, were there nothing at all.
SELECT FROM notifications.due WHERE security = $1 AND due_at <= $2 LIMIT 1;

-- name: claim
-- Messages whose time has come, for whoever asks and until the lease ends: if they do not come back by then,
-- somebody else gets them. What another one is claiming right now is passed over.
WITH claimed AS (
    UPDATE notifications.due AS d
       SET due_at = $3, attempts = d.attempts + 1
      FROM (SELECT shard, role, person_id, key
              FROM notifications.due
             WHERE security = $1 AND due_at <= $2
               AND NOT EXISTS (SELECT FROM tiffin.absent a WHERE a.dimension = 'customer' AND a.shard = due.shard)
             ORDER BY due_at
             LIMIT $4
               FOR UPDATE SKIP LOCKED) AS t
     WHERE d.shard = t.shard AND d.role = t.role AND d.person_id = t.person_id AND d.key = t.key
 RETURNING d.shard, d.role, d.person_id, d.key, d.attempts
)
SELECT m.*, claimed.attempts AS claimed, p.*
  FROM claimed
 CROSS JOIN LATERAL (
       SELECT shard, role, person_id, key, order_id, template, kind, urgent, created_at, expires_at, variables,
              secrets, phone, language, state, reason, attempts, text, readable, done_at
         FROM notifications.messages AS m
        WHERE m.shard = claimed.shard AND m.role = claimed.role AND m.person_id = claimed.person_id
          AND m.key = claimed.key
       OFFSET 0) AS m
  LEFT JOIN LATERAL (
       SELECT language AS preferred_language, quiet_from, quiet_until, time_zone, opt_outs
         FROM notifications.preferences AS p
        WHERE p.shard = claimed.shard AND p.role = claimed.role AND p.person_id = claimed.person_id
       OFFSET 0) AS p ON true;

-- name: count
-- So many more messages for these people. Returns how many that makes, in this hour and on this day.
INSERT INTO notifications.counts AS c (shard, role, person_id, kind, hour, in_hour, day, in_day)
SELECT shard, role, person_id, kind, $6::timestamptz, more, $7::timestamptz, more
  FROM unnest($1::smallint[], $2::text[], $3::text[], $4::text[], $5::int[])
       AS i (shard, role, person_id, kind, more)
    ON CONFLICT (shard, role, person_id, kind) DO UPDATE
   SET hour = excluded.hour, in_hour = CASE WHEN c.hour = excluded.hour THEN c.in_hour ELSE 0 END + excluded.in_hour,
       day = excluded.day, in_day = CASE WHEN c.day = excluded.day THEN c.in_day ELSE 0 END + excluded.in_day
RETURNING role, person_id, kind, in_hour, in_day;

-- name: finish
-- What became of messages, as sets. Whoever asks holds their rows of `due`: nobody forgets these people meanwhile.
-- An insert that always finds its row: an update by a set opens every partition (docs/decisions/0004). What is
-- not there any more is left alone, because it is read first.
INSERT INTO notifications.messages AS m (shard, role, person_id, key, template, kind, urgent, created_at, expires_at,
                                         variables, language, state, reason, attempts, text, readable, done_at)
SELECT i.shard, i.role, i.person_id, i.key, w.template, w.kind, w.urgent, w.created_at, w.expires_at, w.variables,
       coalesce(i.language, w.language), i.state, i.reason, i.attempts, i.text, i.readable, i.done_at
  FROM unnest($1::smallint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int[], $8::text[],
              $9::text[], $10::text[], $11::timestamptz[])
       AS i (shard, role, person_id, key, state, reason, attempts, language, text, readable, done_at)
 CROSS JOIN LATERAL (
       SELECT template, kind, urgent, created_at, expires_at, variables, language
         FROM notifications.messages AS w
        WHERE w.shard = i.shard AND w.role = i.role AND w.person_id = i.person_id AND w.key = i.key
       OFFSET 0) AS w
    ON CONFLICT (shard, role, person_id, key) DO UPDATE
   SET state = excluded.state, reason = excluded.reason, attempts = excluded.attempts, language = excluded.language,
       text = excluded.text, readable = excluded.readable, done_at = excluded.done_at, secrets = NULL, phone = NULL
 WHERE m.state = 'waiting';

-- name: note
-- Why a message is still waiting.
UPDATE notifications.messages SET reason = $5, attempts = $6
 WHERE shard = $1 AND role = $2 AND person_id = $3 AND key = $4 AND state = 'waiting';

-- name: look_again
-- Returns the keys of those that are still to be looked at, and live here.
UPDATE notifications.due AS d SET due_at = i.due_at, attempts = i.attempts
  FROM unnest($1::smallint[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::int[])
       AS i (shard, role, person_id, key, due_at, attempts)
 WHERE d.shard = i.shard AND d.role = i.role AND d.person_id = i.person_id AND d.key = i.key
   AND NOT EXISTS (SELECT FROM tiffin.absent a WHERE a.dimension = 'customer' AND a.shard = d.shard)
RETURNING d.shard, d.role, d.person_id, d.key;

-- name: settled
-- Nobody looks at these again. Returns the keys of those that were still to be looked at, and live here.
DELETE FROM notifications.due AS d
 USING unnest($1::smallint[], $2::text[], $3::text[], $4::text[]) AS i (shard, role, person_id, key)
 WHERE d.shard = i.shard AND d.role = i.role AND d.person_id = i.person_id AND d.key = i.key
   AND NOT EXISTS (SELECT FROM tiffin.absent a WHERE a.dimension = 'customer' AND a.shard = d.shard)
RETURNING d.shard, d.role, d.person_id, d.key;

-- name: blank
UPDATE notifications.messages SET readable = NULL
 WHERE shard = $1 AND role = $2 AND person_id = $3 AND key = $4;

-- name: of_person
-- Newest first, after the cursor (created_at, key).
SELECT shard, role, person_id, key, order_id, template, kind, urgent, created_at, expires_at, variables, secrets,
       phone, language, state, reason, attempts, text, readable, done_at
  FROM notifications.messages
 WHERE shard = $1 AND role = $2 AND person_id = $3 AND (created_at, key) < ($4::timestamptz, $5::text)
 ORDER BY created_at DESC, key DESC
 LIMIT $6;

-- name: of_order
SELECT shard, role, person_id, key, order_id, template, kind, urgent, created_at, expires_at, variables, secrets,
       phone, language, state, reason, attempts, text, readable, done_at
  FROM notifications.messages
 WHERE shard = $1 AND order_id = $2;

-- name: since
-- Of a whole node, for whoever looks at a platform from its own machine: the newest.
SELECT shard, role, person_id, key, order_id, template, kind, urgent, created_at, expires_at, variables, secrets,
       phone, language, state, reason, attempts, text, readable, done_at
  FROM notifications.messages
 WHERE created_at >= $1
 ORDER BY created_at DESC, key DESC
 LIMIT $2;

-- name: preferences
SELECT language, quiet_from, quiet_until, time_zone, opt_outs
  FROM notifications.preferences
 WHERE shard = $1 AND role = $2 AND person_id = $3;

-- name: set_preferences
INSERT INTO notifications.preferences (shard, role, person_id, language, quiet_from, quiet_until, time_zone, opt_outs)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (shard, role, person_id) DO UPDATE
   SET language = excluded.language, quiet_from = excluded.quiet_from, quiet_until = excluded.quiet_until,
       time_zone = excluded.time_zone, opt_outs = excluded.opt_outs;

-- name: forget_due
DELETE FROM notifications.due WHERE shard = $1 AND role = $2 AND person_id = $3;

-- name: forget_messages
DELETE FROM notifications.messages WHERE shard = $1 AND role = $2 AND person_id = $3;

-- name: forget_preferences
DELETE FROM notifications.preferences WHERE shard = $1 AND role = $2 AND person_id = $3;

-- name: forget_counts
DELETE FROM notifications.counts WHERE shard = $1 AND role = $2 AND person_id = $3;

-- name: drop_old
-- Messages that were over long ago, of some shards. Not before they have expired: who sends one again by its key
-- has to find it.
DELETE FROM notifications.messages
 WHERE shard IN ($1, $2, $3, $4, $5, $6, $7, $8) AND created_at < $9 AND expires_at < $10 AND state <> 'waiting';

-- name: drop_old_counts
-- Of a whole node, with what shards that have moved away left behind.
DELETE FROM notifications.counts WHERE day < $1;

-- name: late
-- How many messages should have been looked at, and since when (seconds) the oldest of them should.
SELECT count(*) AS messages, coalesce(extract(epoch FROM $1::timestamptz - min(due_at)), 0)::float8 AS seconds
  FROM notifications.due
 WHERE security IN (false, true) AND due_at <= $1
   AND NOT EXISTS (SELECT FROM tiffin.absent a WHERE a.dimension = 'customer' AND a.shard = due.shard);

-- name: forget_one
DELETE FROM notifications.messages WHERE shard = $1 AND role = $2 AND person_id = $3 AND key = $4;
