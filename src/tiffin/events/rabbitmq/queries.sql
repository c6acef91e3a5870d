-- name: missing
-- The first event after one place up to another, both of the log and of these types (null: of any).
SELECT xid::text::bigint AS xid, position, day - DATE '1970-01-01' AS day
  FROM log.events
 WHERE (xid, position) > ($1::text::xid8, $2::bigint)
   AND (xid, position) <= ($3::text::xid8, $4::bigint)
   AND day >= DATE '1970-01-01' + $5::int - 1
   AND ($6::text[] IS NULL OR type = ANY($6::text[]))
 ORDER BY log.events.xid, position
 LIMIT 1;

-- name: forget
DELETE FROM log.cursors WHERE consumer = $1;

-- name: lag
-- Events that a consumer has not handled yet, counted up to $2.
SELECT count(*) AS events
  FROM (SELECT FROM log.events e
          LEFT JOIN log.cursors c ON c.consumer = $1
         WHERE c.consumer IS NULL OR ((e.xid, e.position) > (c.xid, c.position) AND e.day >= c.day - 1)
         LIMIT $2) AS behind;
