-- Orders that ended long ago, with their histories: a row is deleted from `orders` and inserted here by one
-- statement. Nothing changes it any more but the erasure of its customer, so its pages are full.
-- The body is one value so that the server compresses it (TOAST does from 2 kB a row on, which the details alone
-- do not reach): first the details, then every event's data, by version.
CREATE TABLE orders.archive (
    shard smallint NOT NULL,
    id bigint NOT NULL,
    customer_id text NOT NULL,
    restaurant_id text NOT NULL,
    state text NOT NULL,
    version orders.version_number NOT NULL,
    placed_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    scheduled_for timestamptz,
    accepted_at timestamptz,
    payment_method text NOT NULL,
    total orders.minor_units NOT NULL,
    currency text NOT NULL,
    courier_id text,
    reason text,
    body text[] NOT NULL,
    idempotency_key text NOT NULL,
    request_hash bytea NOT NULL,
    PRIMARY KEY (shard, id)
) PARTITION BY LIST (shard);
COMMENT ON TABLE orders.archive IS 'dimension: customer';
CREATE INDEX archive_by_customer ON orders.archive (shard, customer_id, placed_at DESC, id DESC);

-- In the restaurant dimension an archived order is no copy any more but says where it is to be found: its id
-- leads to the truth. The seal takes the place of the copy: see the view `copies`.
CREATE TABLE orders.archive_by_restaurant (
    shard smallint NOT NULL,
    id bigint NOT NULL,
    restaurant_id text NOT NULL,
    state text NOT NULL,
    placed_at timestamptz NOT NULL,
    seal bigint NOT NULL,
    PRIMARY KEY (shard, id)
) PARTITION BY LIST (shard);
COMMENT ON TABLE orders.archive_by_restaurant IS 'dimension: restaurant';
CREATE INDEX archive_by_restaurant_newest
    ON orders.archive_by_restaurant (shard, restaurant_id, placed_at DESC, id DESC);

-- Every order there is, in the columns of `orders`.
CREATE VIEW orders.hot_and_archived AS
SELECT shard, id, customer_id, restaurant_id, state, version, placed_at, updated_at, due_at, scheduled_for,
       accepted_at, payment_method, total, currency, courier_id, reason, details, idempotency_key, request_hash
  FROM orders.orders
 UNION ALL
SELECT shard, id, customer_id, restaurant_id, state, version, placed_at, updated_at, NULL, scheduled_for,
       accepted_at, payment_method, total, currency, courier_id, reason, body[1], idempotency_key, request_hash
  FROM orders.archive;

CREATE OR REPLACE VIEW orders.truths AS
SELECT shard, id, updated_at, ((id & 1023) / 8)::smallint AS copy_shard,
       hash_record_extended(ROW(id, customer_id, restaurant_id, state, version, placed_at, updated_at, due_at,
                                scheduled_for, accepted_at, payment_method, total, currency, courier_id, reason,
                                details, idempotency_key, request_hash), 0) AS fingerprint
  FROM orders.hot_and_archived;

-- The seal is the fingerprint of the copy that was archived, mixed with one of the columns that were kept of it:
-- if either is not as it was, what comes out is not the fingerprint of the truth.
CREATE OR REPLACE VIEW orders.copies AS
SELECT shard, id, updated_at,
       hash_record_extended(ROW(id, customer_id, restaurant_id, state, version, placed_at, updated_at, due_at,
                                scheduled_for, accepted_at, payment_method, total, currency, courier_id, reason,
                                details, idempotency_key, request_hash), 0) AS fingerprint
  FROM orders.orders_by_restaurant
 UNION ALL
SELECT shard, id, placed_at, seal # hash_record_extended(ROW(id, restaurant_id, state, placed_at), 0)
  FROM orders.archive_by_restaurant;
