-- name: restaurants
-- Restaurants by id; of those known in their present version ('id version', ids have no spaces) only that.
-- Shards as single parameters: PostgreSQL then opens the partitions of these alone.
SELECT r.id, r.version, r.created_from,
       CASE WHEN r.id || ' ' || r.version = ANY($10::text[]) THEN NULL ELSE r.restaurant END AS restaurant,
       CASE WHEN r.id || ' ' || r.version = ANY($10::text[]) THEN NULL ELSE r.menu END AS menu
  FROM restaurants.restaurants r
 WHERE shard IN ($1, $2, $3, $4, $5, $6, $7, $8) AND id = ANY($9::text[]);

-- name: restaurants_after
-- A page of one node's restaurants, by id: those that are live, or all.
SELECT id, restaurant
  FROM restaurants.restaurants
 WHERE shard = ANY($1::smallint[]) AND id > $2 AND (status = 'live' OR $4)
 ORDER BY id LIMIT $3;

-- name: add_restaurant
-- No row if the id is taken.
INSERT INTO restaurants.restaurants (shard, id, version, restaurant, menu, created_from, status)
VALUES ($1, $2, 1, $3, '{}', $4, $5)
    ON CONFLICT DO NOTHING
RETURNING version;

-- name: change_restaurant
-- A null menu stays as it is. No row if somebody else was faster.
UPDATE restaurants.restaurants
   SET restaurant = $4, menu = coalesce($5, menu), status = $6, version = version + 1
 WHERE shard = $1 AND id = $2 AND version = $3
RETURNING version;

-- name: lock_stock
-- Whoever changes stock or holds of a shard does so alone, until the end of the transaction. What is read
-- after this is therefore the present; row locks alone would not show what others have just held. Shards come
-- sorted, so that transactions wait for one another and never for each other.
SELECT pg_advisory_xact_lock($1, shard) FROM unnest($2::int[]) AS shard;

-- name: holdings
-- Everything held, sold or released for these orders.
SELECT order_id, item_id, restaurant_id, quantity, state, expires_at
  FROM restaurants.holds
 WHERE shard IN ($1, $2, $3, $4, $5, $6, $7, $8) AND order_id = ANY($9::bigint[]);

-- name: levels
-- Portions of dishes, and how many are held at moment $11. May return more dishes than were asked for: every
-- combination of the restaurants with the items.
WITH live AS (
    SELECT restaurant_id, item_id, sum(quantity) AS quantity
      FROM restaurants.holds
     WHERE shard IN ($1, $2, $3, $4, $5, $6, $7, $8) AND restaurant_id = ANY($9::text[])
       AND item_id = ANY($10::text[]) AND state = 'held' AND expires_at > $11
     GROUP BY restaurant_id, item_id
)
SELECT s.restaurant_id, s.item_id, s.on_hand, s.received, s.refilled_on, coalesce(live.quantity, 0) AS live
  FROM restaurants.stock s LEFT JOIN live USING (restaurant_id, item_id)
 WHERE s.shard IN ($1, $2, $3, $4, $5, $6, $7, $8) AND s.restaurant_id = ANY($9::text[])
   AND s.item_id = ANY($10::text[]);

-- name: put_levels
-- An insert with ON CONFLICT opens only the partitions it needs, an update joined to arrays opens all.
INSERT INTO restaurants.stock (shard, restaurant_id, item_id, on_hand, received, refilled_on)
SELECT * FROM unnest($1::smallint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::date[])
    ON CONFLICT (shard, restaurant_id, item_id)
    DO UPDATE SET on_hand = excluded.on_hand, received = excluded.received, refilled_on = excluded.refilled_on;

-- name: receipt
SELECT item_id, quantity FROM restaurants.receipts WHERE shard = $1 AND restaurant_id = $2 AND key = $3;

-- name: add_receipt
INSERT INTO restaurants.receipts (shard, restaurant_id, key, item_id, quantity, at) VALUES ($1, $2, $3, $4, $5, $6);

-- name: forget_receipts
DELETE FROM restaurants.receipts WHERE shard = ANY($1::smallint[]) AND at < $2;

-- name: put_holdings
INSERT INTO restaurants.holds (shard, order_id, item_id, restaurant_id, quantity, state, expires_at)
SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::text[], $4::text[], $5::int[], $6::text[], $7::timestamptz[])
    ON CONFLICT (shard, order_id, item_id)
    DO UPDATE SET state = excluded.state, expires_at = excluded.expires_at;

-- name: held_orders
-- Which of these orders hold portions that are not settled yet. Asked for many orders at once, most of which hold
-- nothing: OFFSET 0 keeps the subquery one, an index scan an order in the partition of its shard, where a plain
-- join looks into all of them.
SELECT DISTINCT wanted.order_id
  FROM unnest($1::smallint[], $2::bigint[]) AS wanted (shard, order_id),
       LATERAL (SELECT true
                  FROM restaurants.holds
                 WHERE shard = wanted.shard AND order_id = wanted.order_id AND state = 'held'
                OFFSET 0) AS held;

-- name: forget_holdings
-- Released ones, and those that ran out, from before a moment. What is sold stays: the stock adds up with it.
DELETE FROM restaurants.holds WHERE shard = ANY($1::smallint[]) AND state <> 'sold' AND expires_at < $2;

-- name: audit_stock
-- Dishes of these shards whose portions do not add up: received = on_hand + sold has to hold, and what is held
-- or sold has to be of a dish that has stock.
SELECT coalesce(s.shard, h.shard) AS shard, coalesce(s.restaurant_id, h.restaurant_id) AS restaurant_id,
       coalesce(s.item_id, h.item_id) AS item_id, s.received, s.on_hand,
       coalesce(h.sold, 0)::bigint AS sold, coalesce(h.held, 0)::bigint AS held
  FROM (SELECT * FROM restaurants.stock WHERE shard = ANY($1::smallint[])) s
  FULL JOIN (
        SELECT shard, restaurant_id, item_id,
               coalesce(sum(quantity) FILTER (WHERE state = 'sold'), 0) AS sold,
               coalesce(sum(quantity) FILTER (WHERE state = 'held'), 0) AS held
          FROM restaurants.holds
         WHERE shard = ANY($1::smallint[]) AND state IN ('held', 'sold')
         GROUP BY shard, restaurant_id, item_id
       ) h USING (shard, restaurant_id, item_id)
 WHERE s.received IS DISTINCT FROM s.on_hand + coalesce(h.sold, 0) OR s.on_hand < 0 OR s.on_hand IS NULL
 ORDER BY 1, 2, 3;

-- name: live_versions
-- A page of a node's live restaurants, by id: only what it takes to see whether one has changed.
SELECT id, version
  FROM restaurants.restaurants
 WHERE shard = ANY($1::smallint[]) AND id > $2 AND status = 'live'
 ORDER BY id LIMIT $3;

-- name: live_restaurants
-- Those of many restaurants that are live, without their menus. OFFSET 0: see held_orders.
SELECT found.id, found.version, found.restaurant
  FROM unnest($1::smallint[], $2::text[]) AS wanted (shard, id),
       LATERAL (SELECT r.id, r.version, r.restaurant
                  FROM restaurants.restaurants r
                 WHERE r.shard = wanted.shard AND r.id = wanted.id AND r.status = 'live'
                OFFSET 0) AS found;
