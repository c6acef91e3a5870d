-- Every payment tried for an order, beside the order's truth.
CREATE TABLE payments.payments (
    shard smallint NOT NULL,
    id text COLLATE "C" NOT NULL,       -- <order id>-<suffix>; the provider's idempotency key
    order_id bigint NOT NULL,
    customer_id text NOT NULL,
    amount bigint NOT NULL CHECK (amount >= 0),  -- minor units
    currency text NOT NULL,
    source text NOT NULL,               -- the provider's token, never a card number
    state text NOT NULL,
    version int NOT NULL CHECK (version > 0),
    provider_reference text,
    decline_reason text,
    attempts int NOT NULL DEFAULT 0,    -- how often the provider was asked since the last change of state
    next_check_at timestamptz,          -- when to ask the provider; null where nothing is open
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (shard, id)
) PARTITION BY LIST (shard);
COMMENT ON TABLE payments.payments IS 'dimension: customer, fillfactor: 80';
CREATE INDEX payments_due ON payments.payments (next_check_at) WHERE next_check_at IS NOT NULL;

-- At most one payment of an order may be charging or charged.
CREATE UNIQUE INDEX payments_one_active ON payments.payments (shard, order_id)
    WHERE state IN ('pending', 'succeeded');
