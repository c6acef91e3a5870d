-- name: last
-- The last event that is committed now.
SELECT xid::text AS xid, position FROM log.events ORDER BY log.events.xid DESC, position DESC LIMIT 1;

-- name: is_behind
-- Whether one of these consumers has not handled every event up to (xid, position). One that has never run has
-- handled none.
SELECT EXISTS (
    SELECT FROM unnest($1::text[]) AS wanted (consumer)
      LEFT JOIN log.cursors c USING (consumer)
     CROSS JOIN LATERAL (
           SELECT FROM log.events e
            WHERE (e.xid, e.position) > (coalesce(c.xid, '0'), coalesce(c.position, 0))
              AND (e.xid, e.position) <= ($2::text::xid8, $3::bigint)
              AND e.day >= coalesce(c.day - 1, '-infinity')
            LIMIT 1) AS unhandled);
