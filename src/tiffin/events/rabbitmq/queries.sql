-- name: missing
-- The first event after one place up to another, both of the log and of these types (null: of any), that comes
-- after the last one that is known of its type ($7 to $9).
SELECT e.xid::text::bigint AS xid, e.position, e.day - DATE '1970-01-01' AS day
  FROM log.events e
  LEFT JOIN unnest($7::text[], $8::text[], $9::bigint[]) AS last (type, xid, position) ON last.type = e.type
 WHERE (e.xid, e.position) > ($1::text::xid8, $2::bigint)
   AND (e.xid, e.position) <= ($3::text::xid8, $4::bigint)
   AND e.day >= DATE '1970-01-01' + $5::int - 1
   AND ($6::text[] IS NULL OR e.type = ANY($6::text[]))
   AND (last.type IS NULL OR (e.xid, e.position) > (last.xid::xid8, last.position))
 ORDER BY e.xid, e.position
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
