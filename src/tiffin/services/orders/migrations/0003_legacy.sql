-- Which order an old id of another system is: claimed before the order is made, in a shard of its own key
-- (`source:legacy_id`), so that it grows with the nodes as everything else does.
CREATE TABLE orders.legacy (
    shard smallint NOT NULL,
    source text NOT NULL,
    legacy_id text NOT NULL,
    order_id bigint NOT NULL,
    PRIMARY KEY (shard, source, legacy_id)
) PARTITION BY LIST (shard);
COMMENT ON TABLE orders.legacy IS 'dimension: customer';

-- Adopted orders that have not ended, beside them: they change hands when authority does.
CREATE TABLE orders.legacy_open (
    shard smallint NOT NULL,
    id bigint NOT NULL,
    source text NOT NULL,
    is_held boolean NOT NULL,           -- the other system decides about it
    PRIMARY KEY (shard, id)
);
COMMENT ON TABLE orders.legacy_open IS 'beside: customer';
CREATE INDEX legacy_open_by_source ON orders.legacy_open (source, is_held, shard, id);

-- What adoption is given, an array of them. version is the one after: 1 of an order that is not here yet.
CREATE TYPE orders.adopting AS (
    shard smallint,
    id bigint,
    customer_id text,
    restaurant_id text,
    state text,
    version int,
    placed_at timestamptz,
    updated_at timestamptz,
    was_due_at timestamptz,
    due_at timestamptz,
    scheduled_for timestamptz,
    payment_method text,
    total bigint,
    currency text,
    courier_id text,
    reason text,
    details text,
    idempotency_key text,
    source text,
    is_held boolean,
    is_open boolean,
    type text,
    data text,
    at timestamptz,
    trace text
);
