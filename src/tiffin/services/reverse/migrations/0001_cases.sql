-- Cases, beside the truth of their order.
CREATE TABLE reverse.cases (
    shard smallint NOT NULL,
    id text COLLATE "C" NOT NULL,       -- <order id>-<suffix>; the refund's key
    order_id bigint NOT NULL,
    customer_id text NOT NULL,
    restaurant_id text NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    version int NOT NULL CHECK (version > 0),
    opener text NOT NULL,               -- a role, and who it was in it
    opener_id text NOT NULL,
    idempotency_key text NOT NULL,
    request_hash bytea NOT NULL,
    currency text NOT NULL,
    claimed bigint NOT NULL CHECK (claimed >= 0),  -- minor units
    released boolean NOT NULL,
    opened_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    due_at timestamptz,                 -- when the platform acts by itself
    reason text,
    details text NOT NULL,              -- JSON: what it does, what it takes, what was said
    PRIMARY KEY (shard, id)
) PARTITION BY LIST (shard);
COMMENT ON TABLE reverse.cases IS 'dimension: customer, fillfactor: 80';
CREATE UNIQUE INDEX cases_by_key ON reverse.cases (shard, order_id, opener, opener_id, idempotency_key);
CREATE INDEX cases_by_customer ON reverse.cases (shard, customer_id, opened_at DESC, id DESC);

-- What all cases of an order together have of what was paid for it: never more. Whoever opens a case holds this
-- row first, so that cases of one order are decided one after the other.
CREATE TABLE reverse.orders (
    shard smallint NOT NULL,
    order_id bigint NOT NULL,
    paid bigint NOT NULL CHECK (paid >= 0),
    claimed bigint NOT NULL CHECK (claimed >= 0),
    PRIMARY KEY (shard, order_id),
    CHECK (claimed <= paid)
) PARTITION BY LIST (shard);
COMMENT ON TABLE reverse.orders IS 'dimension: customer, fillfactor: 80';

-- Which case is due when: a row for every case with a deadline, kept by the statements that write cases; a
-- worker moves it on while it works. Not partitioned: whoever takes over a shard makes its rows from the cases.
CREATE TABLE reverse.due (
    shard smallint NOT NULL,
    id text COLLATE "C" NOT NULL,
    state text NOT NULL,
    due_at timestamptz NOT NULL,        -- of the case
    next_at timestamptz NOT NULL,       -- when a worker looks after it
    attempts int NOT NULL DEFAULT 0,
    PRIMARY KEY (shard, id)
) WITH (fillfactor = 70);
COMMENT ON TABLE reverse.due IS 'beside: customer';
CREATE INDEX due_next ON reverse.due (next_at);
CREATE INDEX due_of_state ON reverse.due (state, due_at, id);

-- The restaurant dimension: a full copy, kept by a reader of the log, never ahead of the truth.
CREATE TABLE reverse.cases_by_restaurant (
    LIKE reverse.cases INCLUDING CONSTRAINTS,
    PRIMARY KEY (shard, id)
) PARTITION BY LIST (shard);
COMMENT ON TABLE reverse.cases_by_restaurant IS 'dimension: restaurant, fillfactor: 80';
CREATE INDEX cases_of_restaurant
    ON reverse.cases_by_restaurant (shard, restaurant_id, opened_at DESC, id DESC);

-- The rules, on the directory, in versions (docs/decisions/0015). Until there are shards there is no order, and
-- nobody works by them.
CREATE TABLE reverse.policies (
    version int PRIMARY KEY,
    begins_at timestamptz NOT NULL UNIQUE,
    body text NOT NULL                  -- JSON
);
INSERT INTO reverse.policies VALUES (1, '1970-01-01T00:00Z', '{}');
CREATE TRIGGER next_version BEFORE INSERT ON reverse.policies
    FOR EACH ROW EXECUTE FUNCTION versions.check_next('tiffin.topology');
CREATE TRIGGER unchanging BEFORE UPDATE OR DELETE ON reverse.policies
    FOR EACH ROW EXECUTE FUNCTION versions.refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON reverse.policies
    FOR EACH STATEMENT EXECUTE FUNCTION versions.refuse_change();
