-- Every message to a person, beside what else is that person's.
CREATE TABLE notifications.messages (
    shard smallint NOT NULL,
    role text NOT NULL,                    -- as what the person is addressed
    person_id text COLLATE "C" NOT NULL,   -- '': somebody who has no id yet; the shard is then the key's
    key text COLLATE "C" NOT NULL,         -- the sender's name for it: the same key makes no second message
    order_id bigint,
    template text NOT NULL,
    kind text NOT NULL,
    urgent boolean NOT NULL,
    created_at timestamptz NOT NULL,       -- of an event's message: when that happened
    expires_at timestamptz NOT NULL,
    variables text NOT NULL,               -- JSON object, without secrets
    secrets text,                          -- JSON object; null once the message is over
    phone text,                            -- only one given with the message; null once it is over
    language text,                         -- wanted, then sent in
    state text NOT NULL,
    reason text,
    attempts int NOT NULL,
    text text,                             -- as sent, secrets masked
    readable text,                         -- as sent to the local outbox, secrets in it; null once expired
    done_at timestamptz,
    PRIMARY KEY (shard, role, person_id, key)
) PARTITION BY LIST (shard);
COMMENT ON TABLE notifications.messages IS 'dimension: customer, fillfactor: 80';
CREATE INDEX messages_of_order ON notifications.messages (shard, order_id) WHERE order_id IS NOT NULL;
CREATE INDEX messages_by_age ON notifications.messages USING brin (created_at);

-- How people want to be written to. Its texts are bounded: rows that always fit into a page need no TOAST table,
-- which would be one more for every shard.
CREATE TABLE notifications.preferences (
    shard smallint NOT NULL,
    role varchar(16) NOT NULL,
    person_id varchar(64) COLLATE "C" NOT NULL,
    language varchar(35),
    quiet_from time,
    quiet_until time,
    time_zone varchar(64),
    opt_outs varchar(60) NOT NULL,         -- kinds, separated by blanks
    PRIMARY KEY (shard, role, person_id)
) PARTITION BY LIST (shard);
COMMENT ON TABLE notifications.preferences IS 'dimension: customer';

-- How many messages of a kind a person has had in the hour and on the day (UTC) that are named. Not partitioned:
-- whoever takes over a shard counts anew.
CREATE TABLE notifications.counts (
    shard smallint NOT NULL,
    role varchar(16) NOT NULL,
    person_id varchar(64) COLLATE "C" NOT NULL,
    kind varchar(16) NOT NULL,
    hour timestamptz NOT NULL,
    in_hour int NOT NULL,
    day timestamptz NOT NULL,
    in_day int NOT NULL,
    PRIMARY KEY (shard, role, person_id, kind)
) WITH (fillfactor = 80);
COMMENT ON TABLE notifications.counts IS 'beside: customer';

-- Which message is to be looked at when: a row for each that waits, or is still to forget its secrets.
-- Not partitioned: whoever takes over a shard makes its rows from the messages (docs/decisions/0007).
CREATE TABLE notifications.due (
    shard smallint NOT NULL,
    role text NOT NULL,
    person_id text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    security boolean NOT NULL,             -- sign-in codes do not queue behind orders
    due_at timestamptz NOT NULL,
    attempts int NOT NULL,                 -- how often it was claimed to be sent, this time included
    PRIMARY KEY (shard, role, person_id, key)
) WITH (fillfactor = 80);
COMMENT ON TABLE notifications.due IS 'beside: customer';
CREATE INDEX due_by_time ON notifications.due (security, due_at);
