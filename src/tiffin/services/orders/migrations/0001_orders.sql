-- As domains and not as constraints of the tables: those are read anew for every partition a statement opens,
-- which costs a placed order 5 per cent.
CREATE DOMAIN orders.version_number AS int CHECK (VALUE > 0);
CREATE DOMAIN orders.minor_units AS bigint CHECK (VALUE >= 0);

-- The customer dimension: the truth about every order.
CREATE TABLE orders.orders (
    shard smallint NOT NULL,
    id bigint NOT NULL,
    customer_id text NOT NULL,
    restaurant_id text NOT NULL,
    state text NOT NULL,
    version orders.version_number NOT NULL,
    placed_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    due_at timestamptz,                 -- when the platform acts by itself
    scheduled_for timestamptz,
    accepted_at timestamptz,
    payment_method text NOT NULL,
    total orders.minor_units NOT NULL,
    currency text NOT NULL,
    courier_id text,
    reason text,                        -- why it was cancelled
    details text NOT NULL,              -- JSON that never changes: lines, sums, address, note
    idempotency_key text NOT NULL,
    request_hash bytea NOT NULL,
    PRIMARY KEY (shard, id)
) PARTITION BY LIST (shard);
COMMENT ON TABLE orders.orders IS 'dimension: customer, fillfactor: 80';
CREATE UNIQUE INDEX orders_by_key ON orders.orders (shard, customer_id, idempotency_key);
CREATE INDEX orders_by_customer ON orders.orders (shard, customer_id, placed_at DESC, id DESC);

-- Which order is due when: a row for every order with a deadline, kept by the statements that write orders.
-- Not an index on orders: a move would then have to write all of the order's indexes (docs/decisions/0007).
-- Not partitioned: whoever takes over a shard makes its rows from the orders.
CREATE TABLE orders.deadlines (
    due_at timestamptz NOT NULL,
    shard smallint NOT NULL,
    id bigint NOT NULL,
    PRIMARY KEY (due_at, shard, id)
);
COMMENT ON TABLE orders.deadlines IS 'beside: customer';

-- What placing is given, an array of them: one array of seventeen fields costs the client half of what
-- seventeen arrays do.
CREATE TYPE orders.placing AS (
    shard smallint,
    id bigint,
    customer_id text,
    restaurant_id text,
    state text,
    placed_at timestamptz,
    due_at timestamptz,
    scheduled_for timestamptz,
    payment_method text,
    total bigint,
    currency text,
    details text,
    idempotency_key text,
    request_hash bytea,
    type text,
    data text,
    trace text
);

-- The restaurant dimension: a full copy, kept by a reader of the log, never ahead of the truth.
CREATE TABLE orders.orders_by_restaurant (
    LIKE orders.orders INCLUDING CONSTRAINTS,
    PRIMARY KEY (shard, id)
) PARTITION BY LIST (shard);
COMMENT ON TABLE orders.orders_by_restaurant IS 'dimension: restaurant, fillfactor: 80';
CREATE INDEX orders_by_restaurant_newest
    ON orders.orders_by_restaurant (shard, restaurant_id, placed_at DESC, id DESC);
