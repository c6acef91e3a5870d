-- Who is to be called. Beside whose it is: the id says which shard that is.
CREATE TABLE webhooks.endpoints (
    shard smallint NOT NULL,
    id text COLLATE "C" NOT NULL,          -- <owner>.<random>
    kind text NOT NULL,                    -- restaurant, partner
    owner text COLLATE "C" NOT NULL,
    url text NOT NULL,
    types text NOT NULL,                   -- separated by blanks; `order.*` for all of a kind
    secrets text NOT NULL,                 -- JSON: sealed, and until when each signs
    enabled boolean NOT NULL,
    reason text,                           -- why it is not
    created_at timestamptz NOT NULL,
    PRIMARY KEY (shard, id)
) PARTITION BY LIST (shard);
COMMENT ON TABLE webhooks.endpoints IS 'dimension: restaurant';

-- Whom restaurants let be told of their events.
CREATE TABLE webhooks.partners (
    shard smallint NOT NULL,
    restaurant_id varchar(64) COLLATE "C" NOT NULL,
    partner_id varchar(64) COLLATE "C" NOT NULL,
    PRIMARY KEY (shard, restaurant_id, partner_id)
) PARTITION BY LIST (shard);
COMMENT ON TABLE webhooks.partners IS 'dimension: restaurant';

-- What was, or is to be, told to whom. Beside the endpoint.
CREATE TABLE webhooks.deliveries (
    shard smallint NOT NULL,
    endpoint_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,          -- the event's: the same event makes no second one
    restaurant_id text NOT NULL,
    key text COLLATE "C" NOT NULL,         -- the order's, the case's, ...: deliveries of one key go out one by one
    version int NOT NULL,
    type text NOT NULL,
    body text NOT NULL,
    at timestamptz NOT NULL,               -- when it happened
    state text NOT NULL,
    reason text,
    attempts text NOT NULL,                -- JSON array, the latest
    done_at timestamptz,
    PRIMARY KEY (shard, endpoint_id, id)
) PARTITION BY LIST (shard);
COMMENT ON TABLE webhooks.deliveries IS 'dimension: restaurant, fillfactor: 80';
CREATE INDEX deliveries_by_time ON webhooks.deliveries (shard, endpoint_id, at, id);
CREATE INDEX deliveries_by_age ON webhooks.deliveries USING brin (at);

-- What waits. Not partitioned, as the next one: whoever takes over a shard makes the rows from the deliveries
-- (docs/decisions/0007).
CREATE TABLE webhooks.queue (
    shard smallint NOT NULL,
    endpoint_id text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    version int NOT NULL,
    id text COLLATE "C" NOT NULL,
    due_at timestamptz NOT NULL,
    attempts int NOT NULL,
    PRIMARY KEY (shard, endpoint_id, key, version)
) WITH (fillfactor = 80);
COMMENT ON TABLE webhooks.queue IS 'beside: restaurant';
CREATE INDEX queue_by_time ON webhooks.queue (shard, endpoint_id, due_at);

-- One row an endpoint for which something waits, or that fails.
CREATE TABLE webhooks.lanes (
    shard smallint NOT NULL,
    endpoint_id text COLLATE "C" NOT NULL,
    due_at timestamptz NOT NULL,           -- when something of it is due
    held_until timestamptz NOT NULL,       -- by a sender's lease, or because it does not answer
    failures int NOT NULL,                 -- in a row
    failing_since timestamptz,
    PRIMARY KEY (shard, endpoint_id)
) WITH (fillfactor = 80);
COMMENT ON TABLE webhooks.lanes IS 'beside: restaurant';
CREATE INDEX lanes_by_time ON webhooks.lanes (greatest(due_at, held_until));

-- How often the endpoints or partners of this node have changed: readers keep them all and look here first.
CREATE TABLE webhooks.changes (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    version bigint NOT NULL
);
INSERT INTO webhooks.changes (version) VALUES (1);
