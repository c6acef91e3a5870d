-- The log of this node: history, outbox and feed in one. Appended by the statement that makes the change.
-- Readers go by (xid, position), and only below pg_snapshot_xmin(pg_current_snapshot()): a transaction that
-- commits late is never skipped.
CREATE TABLE log.events (
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    position bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    day date NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')::date,
    dimension text NOT NULL,
    shard smallint NOT NULL,
    stream text NOT NULL,
    key text NOT NULL,
    version int NOT NULL,
    type text NOT NULL,
    data text NOT NULL,
    at timestamptz NOT NULL,
    trace text NOT NULL
) PARTITION BY RANGE (day);
CREATE INDEX events_in_order ON log.events (xid, position);
CREATE INDEX events_of_key ON log.events (key, version);

-- Where each reader of this node's log stands.
CREATE TABLE log.cursors (
    consumer text PRIMARY KEY,
    xid xid8 NOT NULL,
    position bigint NOT NULL,
    day date NOT NULL,
    moved_at timestamptz NOT NULL DEFAULT now()
);

-- One wake-up a statement, whatever the number of rows, sent with the commit. PostgreSQL lets one transaction
-- with a NOTIFY commit at a time, its wait for the disk included: a statement that is sent all the time says
-- 'later' for its transaction, and its process wakes the readers beside the commit (events/waking.py).
CREATE FUNCTION log.wake_readers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('tiffin_log', '');
    RETURN NULL;
END $$;
CREATE TRIGGER wake_readers AFTER INSERT ON log.events
    FOR EACH STATEMENT WHEN (current_setting('tiffin.wake_readers', true) IS DISTINCT FROM 'later')
    EXECUTE FUNCTION log.wake_readers();
