-- name: events_after
-- Events of these shards, in order, of transactions that none which still runs can precede.
SELECT dimension, shard, stream, key, version, type, data, at, trace, xid::text AS xid, position
  FROM log.events
 WHERE (xid, position) > ($1::text::xid8, $2::bigint)
   AND xid < pg_snapshot_xmin(pg_current_snapshot())
   AND ((dimension = 'customer' AND shard = ANY($3::smallint[]))
        OR (dimension = 'restaurant' AND shard = ANY($4::smallint[])))
 ORDER BY log.events.xid, position
 LIMIT $5;

-- name: last_events
-- All that is left of one shard, when nobody writes to it any more.
SELECT dimension, shard, stream, key, version, type, data, at, trace, xid::text AS xid, position
  FROM log.events
 WHERE (xid, position) > ($1::text::xid8, $2::bigint) AND dimension = $3 AND shard = $4;

-- name: came_before
-- What came along when these shards came.
SELECT dimension, shard, stream, key, version, type, data, at, trace, xid::text AS xid, position
  FROM log.moved
 WHERE ((dimension = 'customer' AND shard = ANY($1::smallint[]))
        OR (dimension = 'restaurant' AND shard = ANY($2::smallint[])))
   AND (key, version, stream) > ($3, $4, $5)
 ORDER BY key, version, stream
 LIMIT $6;

-- name: keep
-- Those that are not known here.
INSERT INTO log.moved (dimension, shard, stream, key, version, type, data, at, trace, xid, position)
SELECT t.dimension, t.shard, t.stream, t.key, t.version, t.type, t.data, t.at, t.trace, t.xid::xid8, t.position
  FROM unnest($1::text[], $2::smallint[], $3::text[], $4::text[], $5::int[], $6::text[], $7::text[],
              $8::timestamptz[], $9::text[], $10::text[], $11::bigint[])
    AS t (dimension, shard, stream, key, version, type, data, at, trace, xid, position)
 WHERE NOT EXISTS (SELECT FROM log.events e WHERE e.key = t.key AND e.version = t.version AND e.stream = t.stream)
    ON CONFLICT DO NOTHING;

-- name: forget
DELETE FROM log.moved
 WHERE (dimension = 'customer' AND shard = ANY($1::smallint[]))
    OR (dimension = 'restaurant' AND shard = ANY($2::smallint[]));
