-- Laterals throughout: a join with a list would open all 120 partitions for each of its rows.

-- name: first_truth
-- The lowest id from $2 on, of these shards.
SELECT min(o.id)
  FROM unnest($1::smallint[]) AS s (shard)
 CROSS JOIN LATERAL (
       (SELECT id FROM orders.orders WHERE shard = s.shard AND id >= $2 ORDER BY id LIMIT 1)
       UNION ALL
       (SELECT id FROM orders.archive WHERE shard = s.shard AND id >= $2 ORDER BY id LIMIT 1)) AS o;

-- name: first_copy
SELECT min(o.id)
  FROM unnest($1::smallint[]) AS s (shard)
 CROSS JOIN LATERAL (
       (SELECT id FROM orders.orders_by_restaurant WHERE shard = s.shard AND id >= $2 ORDER BY id LIMIT 1)
       UNION ALL
       (SELECT id FROM orders.archive_by_restaurant WHERE shard = s.shard AND id >= $2 ORDER BY id LIMIT 1)) AS o;

-- name: truth_sums
-- How many orders of these shards with an id from $2 to below $3 have their copy in which shard, and all their
-- fingerprints in one. An id is in a sum once, so no two of them can cancel out. Of orders that have not changed
-- since $4: an order and its copy are both in their sums, or neither is.
SELECT t.copy_shard AS shard, sum(t.orders)::bigint AS orders, bit_xor(t.fingerprint) AS fingerprint
  FROM unnest($1::smallint[]) AS s (shard)
 CROSS JOIN LATERAL (
       SELECT copy_shard, count(*) AS orders, bit_xor(fingerprint) AS fingerprint
         FROM orders.truths
        WHERE shard = s.shard AND id >= $2 AND id < $3 AND updated_at <= $4
        GROUP BY copy_shard) AS t
 GROUP BY t.copy_shard;

-- name: copy_sums
SELECT s.shard, t.orders, t.fingerprint
  FROM unnest($1::smallint[]) AS s (shard)
 CROSS JOIN LATERAL (
       SELECT count(*) AS orders, bit_xor(fingerprint) AS fingerprint
         FROM orders.copies
        WHERE shard = s.shard AND id >= $2 AND id < $3 AND updated_at <= $4) AS t
 WHERE t.orders > 0;

-- name: truth_rows
-- Of such a range, the orders whose copies belong in one of the shards $5.
SELECT t.copy_shard AS shard, t.id, t.fingerprint
  FROM unnest($1::smallint[]) AS s (shard)
 CROSS JOIN LATERAL (
       SELECT copy_shard, id, fingerprint
         FROM orders.truths
        WHERE shard = s.shard AND id >= $2 AND id < $3 AND updated_at <= $4 AND copy_shard = ANY($5::smallint[])
       OFFSET 0) AS t;

-- name: copy_rows
SELECT s.shard, t.id, t.fingerprint
  FROM unnest($1::smallint[]) AS s (shard)
 CROSS JOIN LATERAL (
       SELECT id, fingerprint
         FROM orders.copies
        WHERE shard = s.shard AND id >= $2 AND id < $3 AND updated_at <= $4
       OFFSET 0) AS t;

-- name: truths_of
SELECT t.*
  FROM unnest($1::smallint[], $2::bigint[]) AS s (shard, id)
 CROSS JOIN LATERAL (
       SELECT id, fingerprint FROM orders.truths WHERE shard = s.shard AND id = s.id OFFSET 0) AS t;

-- name: copies_of
SELECT s.shard, t.*
  FROM unnest($1::smallint[], $2::bigint[]) AS s (shard, id)
 CROSS JOIN LATERAL (
       SELECT id, fingerprint FROM orders.copies WHERE shard = s.shard AND id = s.id OFFSET 0) AS t;

-- name: remove_copy
-- Only the very row that was seen: one that has been written since is newer.
DELETE FROM orders.orders_by_restaurant
 WHERE shard = $1 AND id = $2
   AND EXISTS (SELECT FROM orders.copies WHERE shard = $1 AND id = $2 AND fingerprint = $3);
