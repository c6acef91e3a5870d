-- Whether amounts are an entry's: some, none missing, nothing left over (a sum past bigint is an error). As a
-- domain and not as a constraint of the table: those are read anew for every partition a statement opens.
CREATE FUNCTION ledger.sums_to_zero(amounts bigint[]) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    amount bigint;
    total bigint := 0;
BEGIN
    FOREACH amount IN ARRAY amounts LOOP
        total := total + amount;
    END LOOP;
    RETURN coalesce(total = 0, false) AND cardinality(amounts) > 1;
END $$;
CREATE DOMAIN ledger.balanced AS bigint[] NOT NULL CHECK (ledger.sums_to_zero(VALUE));

-- The truth: what each fact moves. An entry is one row, so that there is never a part of one; it is in one
-- currency, so that its sum is one. Its name is its idempotency key. In the customer dimension, by the order.
CREATE TABLE ledger.entries (
    shard smallint NOT NULL,
    subject text COLLATE "C" NOT NULL,  -- the order's number, or settlement:<id>
    fact text COLLATE "C" NOT NULL,     -- completed, captured:<payment>, reversal:<fact> ...
    currency text NOT NULL,
    accounts text[] NOT NULL,
    amounts ledger.balanced,            -- to the account in the same place; minor units
    at timestamptz NOT NULL,            -- when the fact was
    trace text NOT NULL,
    policy int,                         -- the version of the fees
    entered_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (shard, subject, fact),
    CHECK (cardinality(accounts) = cardinality(amounts))
) PARTITION BY LIST (shard);
COMMENT ON TABLE ledger.entries IS 'dimension: customer';

CREATE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'nobody may % %.%: undo an entry by its opposite', lower(TG_OP), TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER unchanging BEFORE UPDATE OR DELETE ON ledger.entries
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON ledger.entries
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

-- What a statement that enters is given, an array of them.
CREATE TYPE ledger.entering AS (
    shard smallint,
    subject text,
    fact text,
    currency text,
    accounts text[],
    amounts bigint[],
    at timestamptz,
    trace text,
    policy int
);

-- The sum of an account's postings in a shard, kept by the statement that enters them. Not of those who have
-- dues. The platform's own accounts have a row a shard: no row is everybody's. Not partitioned: whoever takes
-- over a shard makes its rows from the entries.
CREATE TABLE ledger.balances (
    shard smallint NOT NULL,
    account text COLLATE "C" NOT NULL,
    currency text NOT NULL,
    amount bigint NOT NULL,
    postings bigint NOT NULL,           -- how many it is the sum of
    PRIMARY KEY (shard, account, currency)
) WITH (fillfactor = 70);
COMMENT ON TABLE ledger.balances IS 'beside: customer';

-- What customers are owed, and may pay with, is never less than nothing. Not a CHECK: that would be asked of the
-- row that an upsert proposes, which is what it adds or takes away, and not of what it leaves.
CREATE FUNCTION ledger.refuse_overdraft() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% would be %', NEW.account, NEW.amount
        USING ERRCODE = 'check_violation', CONSTRAINT = 'balances_no_overdraft';
END $$;
CREATE TRIGGER no_overdraft AFTER INSERT OR UPDATE ON ledger.balances
    FOR EACH ROW WHEN (NEW.amount < 0 AND NEW.account LIKE 'credit:%') EXECUTE FUNCTION ledger.refuse_overdraft();

-- What entries owe restaurants and couriers, where each of them lives: a line an entry, kept by a reader of the
-- log. A line is in one settlement at the most.
CREATE TABLE ledger.dues (
    shard smallint NOT NULL,
    party text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    fact text COLLATE "C" NOT NULL,
    currency text NOT NULL,
    amount bigint NOT NULL,
    at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    settlement text,
    PRIMARY KEY (shard, party, subject, fact)
) PARTITION BY LIST (shard);
COMMENT ON TABLE ledger.dues IS 'dimension: restaurant, fillfactor: 90';
CREATE INDEX dues_open ON ledger.dues (party, due_at) WHERE settlement IS NULL;

-- Statements to restaurants and couriers: what they are owed, to be paid out once.
CREATE TABLE ledger.settlements (
    shard smallint NOT NULL,
    id text COLLATE "C" NOT NULL,       -- <party>:<currency>:<run>
    party text COLLATE "C" NOT NULL,
    currency text NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    lines int NOT NULL CHECK (lines > 0),
    cutoff timestamptz NOT NULL,
    made_at timestamptz NOT NULL,
    paid_at timestamptz,
    reference text,                     -- the bank's
    PRIMARY KEY (shard, id),
    CHECK ((paid_at IS NULL) = (reference IS NULL))
) PARTITION BY LIST (shard);
COMMENT ON TABLE ledger.settlements IS 'dimension: restaurant';
CREATE INDEX settlements_of_party ON ledger.settlements (party, made_at);

-- The fees, on the directory, in versions (docs/decisions/0013). Until there are shards there is no order, and
-- nobody works by them.
CREATE TABLE ledger.policies (
    version int PRIMARY KEY,
    begins_at timestamptz NOT NULL UNIQUE,
    body text NOT NULL                  -- JSON
);
INSERT INTO ledger.policies VALUES (1, '1970-01-01T00:00Z', '{}');
CREATE TRIGGER next_version BEFORE INSERT ON ledger.policies
    FOR EACH ROW EXECUTE FUNCTION versions.check_next('tiffin.topology');
CREATE TRIGGER unchanging BEFORE UPDATE OR DELETE ON ledger.policies
    FOR EACH ROW EXECUTE FUNCTION versions.refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON ledger.policies
    FOR EACH STATEMENT EXECUTE FUNCTION versions.refuse_change();
