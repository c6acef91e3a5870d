CREATE TABLE users.customers (
    shard smallint NOT NULL,
    id text COLLATE "C" NOT NULL,
    version int NOT NULL CHECK (version > 0),  -- one more with every change
    customer text NOT NULL,                    -- JSON of the contract's Customer, addresses included
    created_from bytea NOT NULL,               -- hash of the request that created it
    PRIMARY KEY (shard, id)
) PARTITION BY LIST (shard);
COMMENT ON TABLE users.customers IS 'dimension: customer, fillfactor: 80';
