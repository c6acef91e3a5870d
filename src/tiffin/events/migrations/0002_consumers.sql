-- A cursor that somebody has set anew is not overwritten by who still works from the old one.
ALTER TABLE log.cursors ADD COLUMN generation int NOT NULL DEFAULT 0;

-- What each consumer tells of itself about once a second while it has something to do.
CREATE TABLE log.consumers (
    consumer text PRIMARY KEY,
    transport text NOT NULL,
    handled bigint NOT NULL,
    failures bigint NOT NULL,
    rate double precision NOT NULL,
    lag_s double precision NOT NULL,
    depth bigint,
    reported_at timestamptz NOT NULL
);
COMMENT ON COLUMN log.consumers.depth IS 'what the transport itself holds for it; null: it is read off the log';

-- Events that a consumer could not take, with all that was in them: a replay needs nothing of the log.
-- dead: kept failing. parked: waits behind a dead one of its key. replaying: is to be handled again.
CREATE TABLE log.dead_letters (
    consumer text NOT NULL,
    stream text NOT NULL,
    key text NOT NULL,
    version int NOT NULL,
    xid xid8 NOT NULL,
    position bigint NOT NULL,
    day date NOT NULL,
    dimension text NOT NULL,
    shard smallint NOT NULL,
    type text NOT NULL,
    data text NOT NULL,
    at timestamptz NOT NULL,
    trace text NOT NULL,
    order_id bigint,
    restaurant_id text,
    state text NOT NULL CHECK (state IN ('dead', 'parked', 'replaying', 'replayed', 'discarded')),
    tries int NOT NULL,
    reason text NOT NULL,
    stack text NOT NULL,
    first_failed_at timestamptz NOT NULL,
    last_failed_at timestamptz NOT NULL,
    settled_at timestamptz,
    PRIMARY KEY (consumer, stream, key, version)
);
CREATE INDEX dead_letters_open ON log.dead_letters (consumer, xid, position) WHERE settled_at IS NULL;
CREATE INDEX dead_letters_of_order ON log.dead_letters (order_id);
CREATE INDEX dead_letters_of_restaurant ON log.dead_letters (restaurant_id);

-- Marks: what a consumer has had the effect of, written in the transaction of the effect. By the day of the
-- event, so that a repeat finds its mark in one partition and whole days are dropped; events older than the
-- partitions (dead letters replayed late) go to the last one.
CREATE TABLE log.inbox (
    consumer text NOT NULL,
    stream text NOT NULL,
    key text NOT NULL,
    version int NOT NULL,
    day date NOT NULL,
    PRIMARY KEY (consumer, stream, key, version, day)
) PARTITION BY RANGE (day);
CREATE TABLE log.inbox_other PARTITION OF log.inbox DEFAULT;
