-- How much of each order payments cover: what keeps them from being more than the order costs.
CREATE TABLE payments.orders (
    shard smallint NOT NULL,
    order_id bigint NOT NULL,
    total bigint NOT NULL CHECK (total >= 0),    -- minor units
    claimed bigint NOT NULL CHECK (claimed BETWEEN 0 AND total),
    PRIMARY KEY (shard, order_id)
) PARTITION BY LIST (shard);
COMMENT ON TABLE payments.orders IS 'dimension: customer, fillfactor: 80';

-- Every payment tried for an order, beside the order's truth.
CREATE TABLE payments.payments (
    shard smallint NOT NULL,
    id text COLLATE "C" NOT NULL,       -- <order id>-<suffix>; the provider's idempotency key
    order_id bigint NOT NULL,
    customer_id text NOT NULL,
    method text NOT NULL,               -- card, balance, cash
    provider text NOT NULL,
    amount bigint NOT NULL CHECK (amount >= 0),  -- minor units
    currency text NOT NULL,
    total bigint NOT NULL,              -- of the whole order
    source text NOT NULL,               -- the provider's token, never a card number; or the method
    at_once boolean NOT NULL,           -- charged at once; otherwise authorised first
    state text NOT NULL,
    version int NOT NULL CHECK (version > 0),
    captured bigint NOT NULL DEFAULT 0 CHECK (captured BETWEEN 0 AND amount),
    refunding bigint NOT NULL DEFAULT 0 CHECK (refunding >= 0),  -- on its way back
    refunded bigint NOT NULL DEFAULT 0 CHECK (refunded >= 0),
    provider_reference text,
    decline_reason text,
    attempts int NOT NULL DEFAULT 0,    -- how often the provider was asked since the last change of state
    next_check_at timestamptz,          -- when to ask the provider; null where nothing is open
    expires_at timestamptz,             -- of an authorisation
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (shard, id),
    CONSTRAINT payments_refunds_within_captured CHECK (refunding + refunded <= captured)
) PARTITION BY LIST (shard);
COMMENT ON TABLE payments.payments IS 'dimension: customer, fillfactor: 80';
CREATE INDEX payments_due ON payments.payments (next_check_at) WHERE next_check_at IS NOT NULL;
CREATE INDEX payments_of_order ON payments.payments (order_id);

-- What goes back: a row for each payment that a refund comes out of.
CREATE TABLE payments.refunds (
    shard smallint NOT NULL,
    id text COLLATE "C" NOT NULL,       -- <order id>-<digest of the key>
    part smallint NOT NULL CHECK (part > 0),
    payment_id text COLLATE "C" NOT NULL,
    key text NOT NULL,                  -- the caller's
    reason text,
    amount bigint NOT NULL CHECK (amount >= 0),
    to_balance boolean NOT NULL,        -- the customer is owed it; otherwise it goes back to the card
    state text NOT NULL,                -- pending, succeeded, failed
    failure text,
    reference text,                     -- the provider's own name for it
    attempts int NOT NULL DEFAULT 0,
    next_check_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (shard, id, part)
) PARTITION BY LIST (shard);
COMMENT ON TABLE payments.refunds IS 'dimension: customer, fillfactor: 80';
CREATE INDEX refunds_due ON payments.refunds (next_check_at) WHERE next_check_at IS NOT NULL;
