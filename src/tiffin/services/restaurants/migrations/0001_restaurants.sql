CREATE TABLE restaurants.restaurants (
    shard smallint NOT NULL,
    id text COLLATE "C" NOT NULL,
    version int NOT NULL CHECK (version > 0),  -- one more with every change of the row
    restaurant text NOT NULL,                  -- JSON of the contract's Restaurant, hours and menu_version included
    menu text NOT NULL,                        -- JSON of menu.Card: dishes and categories
    created_from bytea NOT NULL,               -- hash of the request that created it
    status text NOT NULL CHECK (status IN ('draft', 'live', 'suspended')),  -- as in `restaurant`
    PRIMARY KEY (shard, id)
) PARTITION BY LIST (shard);
COMMENT ON TABLE restaurants.restaurants IS 'dimension: restaurant, fillfactor: 80';
CREATE INDEX restaurants_by_id ON restaurants.restaurants (id);

-- Whoever keeps a restaurant in memory hears of its changes.
CREATE FUNCTION restaurants.tell_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('tiffin_restaurants', NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER tell_change AFTER INSERT OR UPDATE ON restaurants.restaurants
    FOR EACH ROW EXECUTE FUNCTION restaurants.tell_change();

-- Portions of limited dishes. Always: received = on_hand + what is sold.
CREATE TABLE restaurants.stock (
    shard smallint NOT NULL,
    restaurant_id text COLLATE "C" NOT NULL,
    item_id text COLLATE "C" NOT NULL,
    on_hand bigint NOT NULL CHECK (on_hand >= 0),    -- not sold yet, held ones included
    received bigint NOT NULL CHECK (received >= 0),  -- ever added, less what was taken off
    refilled_on date,                                -- local day of the last daily filling up
    PRIMARY KEY (shard, restaurant_id, item_id)
) PARTITION BY LIST (shard);
COMMENT ON TABLE restaurants.stock IS 'dimension: restaurant, fillfactor: 50';

-- Portions that came or went under a key of the caller's: the same key never counts twice.
CREATE TABLE restaurants.receipts (
    shard smallint NOT NULL,
    restaurant_id text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    item_id text COLLATE "C" NOT NULL,
    quantity int NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (shard, restaurant_id, key)
) PARTITION BY LIST (shard);
COMMENT ON TABLE restaurants.receipts IS 'dimension: restaurant';
CREATE INDEX receipts_by_time ON restaurants.receipts (at);

-- Portions promised to orders: a row a dish, all rows of an order in the same state. A row with item_id ''
-- says that the order fell before anything was held for it: it can never hold again.
CREATE TABLE restaurants.holds (
    shard smallint NOT NULL,
    order_id bigint NOT NULL,
    item_id text COLLATE "C" NOT NULL,
    restaurant_id text COLLATE "C" NOT NULL,
    quantity int NOT NULL CHECK (quantity > 0 OR item_id = ''),
    state text NOT NULL CHECK (state IN ('held', 'sold', 'released')),
    expires_at timestamptz NOT NULL,  -- a held row whose time is up counts for nothing
    PRIMARY KEY (shard, order_id, item_id)
) PARTITION BY LIST (shard);
COMMENT ON TABLE restaurants.holds IS 'dimension: restaurant, fillfactor: 80';
CREATE INDEX holds_live ON restaurants.holds (restaurant_id, item_id, expires_at) WHERE state = 'held';
CREATE INDEX holds_done ON restaurants.holds (expires_at) WHERE state <> 'sold';
