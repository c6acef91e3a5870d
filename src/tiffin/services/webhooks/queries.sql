-- name: version
SELECT version FROM webhooks.changes;

-- name: all_endpoints
-- Of a whole node: there are few beside orders.
SELECT shard, id, kind, owner, types, enabled FROM webhooks.endpoints;

-- name: all_partners
SELECT restaurant_id, partner_id FROM webhooks.partners;

-- name: add_endpoint
-- None if the owner has too many.
WITH changed AS (
    UPDATE webhooks.changes SET version = version + 1
)
INSERT INTO webhooks.endpoints (shard, id, kind, owner, url, types, secrets, enabled, reason, created_at)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10
 WHERE (SELECT count(*) FROM webhooks.endpoints WHERE shard = $1 AND kind = $3 AND owner = $4) < $11
RETURNING id;

-- name: endpoint
SELECT e.shard, e.id, e.kind, e.owner, e.url, e.types, e.secrets, e.enabled, e.reason, e.created_at, l.failing_since
  FROM webhooks.endpoints AS e
  LEFT JOIN webhooks.lanes AS l ON l.shard = e.shard AND l.endpoint_id = e.id
 WHERE e.shard = $1 AND e.id = $2;

-- name: endpoints_of
SELECT e.shard, e.id, e.kind, e.owner, e.url, e.types, e.secrets, e.enabled, e.reason, e.created_at, l.failing_since
  FROM webhooks.endpoints AS e
  LEFT JOIN webhooks.lanes AS l ON l.shard = e.shard AND l.endpoint_id = e.id
 WHERE e.shard = $1 AND e.kind = $2 AND e.owner = $3
 ORDER BY e.created_at, e.id;

-- name: change_endpoint
WITH changed AS (
    UPDATE webhooks.changes SET version = version + 1
)
UPDATE webhooks.endpoints SET url = $3, types = $4, enabled = $5, reason = $6 WHERE shard = $1 AND id = $2
RETURNING id;

-- name: lock_endpoint
SELECT shard, id, kind, owner, url, types, secrets, enabled, reason, created_at
  FROM webhooks.endpoints WHERE shard = $1 AND id = $2 FOR UPDATE;

-- name: set_secrets
UPDATE webhooks.endpoints SET secrets = $3 WHERE shard = $1 AND id = $2;

-- name: disable
-- By a sender: nobody answers, or nobody ever will. None if it is disabled already.
WITH changed AS (
    UPDATE webhooks.changes SET version = version + 1
)
UPDATE webhooks.endpoints SET enabled = false, reason = $3 WHERE shard = $1 AND id = $2 AND enabled
RETURNING id;

-- name: begin_anew
UPDATE webhooks.lanes SET held_until = '-infinity', failures = 0, failing_since = NULL
 WHERE shard = $1 AND endpoint_id = $2;

-- name: look_now
UPDATE webhooks.lanes SET due_at = least(due_at, $3) WHERE shard = $1 AND endpoint_id = $2;

-- name: remove_endpoint
WITH changed AS (
    UPDATE webhooks.changes SET version = version + 1
)
DELETE FROM webhooks.endpoints WHERE shard = $1 AND id = $2;

-- name: forget_queue
DELETE FROM webhooks.queue WHERE shard = $1 AND endpoint_id = $2;

-- name: forget_lane
DELETE FROM webhooks.lanes WHERE shard = $1 AND endpoint_id = $2;

-- name: forget_deliveries
DELETE FROM webhooks.deliveries WHERE shard = $1 AND endpoint_id = $2;

-- name: let_partner
WITH changed AS (
    UPDATE webhooks.changes SET version = version + 1
)
INSERT INTO webhooks.partners (shard, restaurant_id, partner_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING;

-- name: stop_partner
WITH changed AS (
    UPDATE webhooks.changes SET version = version + 1
)
DELETE FROM webhooks.partners WHERE shard = $1 AND restaurant_id = $2 AND partner_id = $3;

-- name: partners_of
SELECT partner_id FROM webhooks.partners WHERE shard = $1 AND restaurant_id = $2 ORDER BY partner_id;

-- name: add
-- New deliveries, as sets. What is there already stays as it is. Nothing overtakes what waits of its own key.
WITH input AS (
    SELECT *
      FROM unnest($1::smallint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[], $7::text[], $8::text[],
                  $9::timestamptz[], $10::text[], $11::text[], $12::text[], $13::timestamptz[])
           AS i (shard, endpoint_id, id, restaurant_id, key, version, type, body, at, state, reason, attempts,
                 done_at)
), made AS (
    INSERT INTO webhooks.deliveries (shard, endpoint_id, id, restaurant_id, key, version, type, body, at, state,
                                     reason, attempts, done_at)
    SELECT * FROM input
        ON CONFLICT DO NOTHING
 RETURNING shard, endpoint_id, key, version, id, state
), queued AS (
    INSERT INTO webhooks.queue (shard, endpoint_id, key, version, id, due_at, attempts)
    SELECT shard, endpoint_id, key, version, id,
           greatest($14::timestamptz, (SELECT max(q.due_at) FROM webhooks.queue AS q
                                        WHERE q.shard = made.shard AND q.endpoint_id = made.endpoint_id
                                          AND q.key = made.key)), 0
      FROM made WHERE state = 'waiting'
        ON CONFLICT DO NOTHING
 RETURNING shard, endpoint_id
)
INSERT INTO webhooks.lanes AS l (shard, endpoint_id, due_at, held_until, failures)
SELECT DISTINCT shard, endpoint_id, $14::timestamptz, '-infinity'::timestamptz, 0 FROM queued ORDER BY 1, 2
    ON CONFLICT (shard, endpoint_id) DO UPDATE SET due_at = least(l.due_at, excluded.due_at);

-- name: delivery
SELECT shard, endpoint_id, id, restaurant_id, key, version, type, body, at, state, reason, attempts, done_at
  FROM webhooks.deliveries WHERE shard = $1 AND endpoint_id = $2 AND id = $3;

-- name: deliveries
-- Newest first, after the cursor (at, id).
SELECT shard, endpoint_id, id, restaurant_id, key, version, type, body, at, state, reason, attempts, done_at
  FROM webhooks.deliveries
 WHERE shard = $1 AND endpoint_id = $2 AND (at, id) < ($3::timestamptz, $4::text)
   AND ($5::text IS NULL OR state = $5)
 ORDER BY at DESC, id DESC
 LIMIT $6;

-- name: pings
-- How many since a moment.
SELECT count(*) FROM webhooks.deliveries
 WHERE shard = $1 AND endpoint_id = $2 AND at > $3 AND type = 'webhook.ping';

-- name: replay_one
-- Waits once more, unless it does.
UPDATE webhooks.deliveries SET state = 'waiting', reason = NULL, done_at = NULL
 WHERE shard = $1 AND endpoint_id = $2 AND id = $3
RETURNING shard, endpoint_id, key, version, id;

-- name: replay_some
-- The oldest first, at most $6. $5: also what was delivered.
UPDATE webhooks.deliveries SET state = 'waiting', reason = NULL, done_at = NULL
 WHERE shard = $1 AND endpoint_id = $2 AND id IN (
       SELECT id FROM webhooks.deliveries
        WHERE shard = $1 AND endpoint_id = $2 AND at >= $3 AND at < $4
          AND (state = 'failed' OR ($5 AND state = 'delivered' AND done_at < $7))
        ORDER BY at, id
        LIMIT $6)
RETURNING shard, endpoint_id, key, version, id;

-- name: lock_lane
-- Before anything else of an endpoint's deliveries, as a sender does.
SELECT 1 FROM webhooks.lanes WHERE shard = $1 AND endpoint_id = $2 FOR UPDATE;

-- name: queue_again
WITH queued AS (
    INSERT INTO webhooks.queue (shard, endpoint_id, key, version, id, due_at, attempts)
    SELECT *, $6::timestamptz, 0
      FROM unnest($1::smallint[], $2::text[], $3::text[], $4::int[], $5::text[])
           AS i (shard, endpoint_id, key, version, id)
        ON CONFLICT (shard, endpoint_id, key, version) DO UPDATE SET due_at = excluded.due_at, attempts = 0
 RETURNING shard, endpoint_id
)
INSERT INTO webhooks.lanes AS l (shard, endpoint_id, due_at, held_until, failures)
SELECT DISTINCT shard, endpoint_id, $6::timestamptz, '-infinity'::timestamptz, 0 FROM queued
    ON CONFLICT (shard, endpoint_id) DO UPDATE SET due_at = least(l.due_at, excluded.due_at);

-- name: claim
-- Endpoints for which something is due, for whoever asks and until the lease ends.
UPDATE webhooks.lanes AS l SET held_until = $2
  FROM (SELECT shard, endpoint_id
          FROM webhooks.lanes
         WHERE greatest(due_at, held_until) <= $1
           AND NOT EXISTS (SELECT FROM tiffin.absent a WHERE a.dimension = 'restaurant' AND a.shard = lanes.shard)
         ORDER BY greatest(due_at, held_until)
         LIMIT $3
           FOR UPDATE SKIP LOCKED) AS t
 WHERE l.shard = t.shard AND l.endpoint_id = t.endpoint_id
RETURNING l.shard, l.endpoint_id, l.held_until, l.failures, l.failing_since;

-- name: heads
-- What is due of an endpoint, of each key only the first that waits.
SELECT d.shard, d.endpoint_id, d.id, d.restaurant_id, d.key, d.version, d.type, d.body, d.at, d.state, d.reason,
       d.attempts, d.done_at, h.attempts AS tried
  FROM (SELECT q.id, q.attempts, q.due_at
          FROM webhooks.queue AS q
         WHERE q.shard = $1 AND q.endpoint_id = $2 AND q.due_at <= $3
           AND NOT EXISTS (SELECT 1 FROM webhooks.queue AS e
                            WHERE e.shard = q.shard AND e.endpoint_id = q.endpoint_id AND e.key = q.key
                              AND e.version < q.version)
         ORDER BY q.due_at, q.key
         LIMIT $4) AS h
  JOIN webhooks.deliveries AS d ON d.shard = $1 AND d.endpoint_id = $2 AND d.id = h.id
 ORDER BY h.due_at, d.key;

-- name: hold
-- The lease, if whoever asks still has it, and the endpoint still lives here.
SELECT true AS held FROM webhooks.lanes
 WHERE shard = $1 AND endpoint_id = $2 AND held_until = $3
   AND NOT EXISTS (SELECT FROM tiffin.absent a WHERE a.dimension = 'restaurant' AND a.shard = lanes.shard)
   FOR UPDATE;

-- name: tried
UPDATE webhooks.deliveries SET state = $4, reason = $5, attempts = $6, done_at = $7
 WHERE shard = $1 AND endpoint_id = $2 AND id = $3;

-- name: settled
DELETE FROM webhooks.queue WHERE shard = $1 AND endpoint_id = $2 AND key = $3 AND version = $4;

-- name: try_again
-- All that waits of the key waits for its first.
UPDATE webhooks.queue
   SET due_at = greatest(due_at, $5), attempts = CASE WHEN version = $4 THEN attempts + 1 ELSE attempts END
 WHERE shard = $1 AND endpoint_id = $2 AND key = $3;

-- name: wait_for_first
-- What came while its first was being tried, and did not know that it would have to wait.
UPDATE webhooks.queue AS q SET due_at = h.due_at
  FROM webhooks.queue AS h
 WHERE q.shard = $1 AND q.endpoint_id = $2 AND h.shard = $1 AND h.endpoint_id = $2
   AND h.key = q.key AND h.version < q.version AND h.due_at > q.due_at;

-- name: release
-- Until the next is due, and not before $3.
UPDATE webhooks.lanes
   SET held_until = coalesce($3::timestamptz, '-infinity'), failures = $4, failing_since = $5,
       due_at = coalesce((SELECT min(due_at) FROM webhooks.queue WHERE shard = $1 AND endpoint_id = $2), 'infinity')
 WHERE shard = $1 AND endpoint_id = $2
RETURNING due_at <= $6 AS more;

-- name: renew
UPDATE webhooks.lanes SET held_until = $3 WHERE shard = $1 AND endpoint_id = $2;

-- name: fail_waiting
-- So many of what waits for an endpoint that is called no more.
WITH over AS (
    DELETE FROM webhooks.queue
     WHERE (shard, endpoint_id, key, version) IN (
           SELECT shard, endpoint_id, key, version FROM webhooks.queue
            WHERE shard = $1 AND endpoint_id = $2 LIMIT $3)
 RETURNING id
)
UPDATE webhooks.deliveries SET state = 'failed', reason = $4, done_at = $5
 WHERE shard = $1 AND endpoint_id = $2 AND id IN (SELECT id FROM over)
RETURNING id;

-- name: waiting
-- How many deliveries wait, and how many endpoints are left alone because they do not answer.
SELECT (SELECT count(*) FROM webhooks.queue) AS deliveries,
       (SELECT count(*) FROM webhooks.lanes WHERE failures >= $1) AS failing;

-- name: drop_old
-- Deliveries that were over long ago, of some shards.
DELETE FROM webhooks.deliveries
 WHERE shard IN ($1, $2, $3, $4, $5, $6, $7, $8) AND at < $9 AND state <> 'waiting';
