-- What a migration keeps in the monolith's own database. {table} and {key} are the orders' table and the column with
-- their ids, quoted.

-- name: prepare
CREATE TABLE IF NOT EXISTS tiffin_settings (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    source text NOT NULL,
    capture text NOT NULL,              -- how changes are heard of: library, triggers, stream
    authority text NOT NULL,            -- who has the truth: old, new
    read_new_percent double precision NOT NULL DEFAULT 0,
    read_new_customers text NOT NULL DEFAULT '[]'
);
CREATE TABLE IF NOT EXISTS tiffin_outbox (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    legacy_id text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
GRANT SELECT, UPDATE ON tiffin_settings TO PUBLIC;  -- who holds the row must be allowed to change it
GRANT SELECT, INSERT ON tiffin_outbox TO PUBLIC;

-- name: begin
INSERT INTO tiffin_settings (source, capture, authority) VALUES ($1, $2, 'old')
    ON CONFLICT (one) DO UPDATE SET capture = excluded.capture WHERE tiffin_settings.capture = 'off';

-- name: is_prepared
SELECT to_regclass('tiffin_settings') IS NOT NULL;

-- name: settings
SELECT source, capture, authority, read_new_percent, read_new_customers FROM tiffin_settings;

-- name: authority
SELECT authority FROM tiffin_settings;

-- name: set_reading
UPDATE tiffin_settings SET read_new_percent = $1, read_new_customers = $2;

-- name: note_triggers
-- Every writer is heard, whatever program it is; and refused where the table only follows.
CREATE OR REPLACE FUNCTION tiffin_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('tiffin.follows', true) = 'on' THEN
        RETURN NULL;
    END IF;
    IF (SELECT authority FROM tiffin_settings FOR SHARE) <> 'old' THEN
        RAISE EXCEPTION 'these orders are in Tiffin now, and this table follows' USING ERRCODE = '55000';
    END IF;
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO tiffin_outbox (legacy_id) VALUES (OLD.{key});
    END IF;
    IF TG_OP = 'INSERT' OR (TG_OP = 'UPDATE' AND NEW.{key} <> OLD.{key}) THEN
        INSERT INTO tiffin_outbox (legacy_id) VALUES (NEW.{key});
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER tiffin_note AFTER INSERT OR UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION tiffin_note();

-- name: fence
-- Whoever writes without asking the settings is refused where the table only follows, and waited for by a switch.
CREATE OR REPLACE FUNCTION tiffin_fence() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('tiffin.follows', true) = 'on' THEN
        RETURN NULL;
    END IF;
    IF (SELECT authority FROM tiffin_settings FOR SHARE) <> 'old' THEN
        RAISE EXCEPTION 'these orders are in Tiffin now, and this table follows' USING ERRCODE = '55000';
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER tiffin_fence AFTER INSERT OR UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION tiffin_fence();

-- name: unfence
DROP TRIGGER IF EXISTS tiffin_fence ON {table};
DROP FUNCTION IF EXISTS tiffin_fence();

-- name: wait_for_writers
-- Nobody who wrote before is still at it afterwards. Others are kept waiting for no longer than that takes.
LOCK TABLE {table} IN SHARE MODE;

-- name: note_since
INSERT INTO tiffin_outbox (legacy_id) SELECT {key} FROM {table} WHERE {changed} >= $1;

-- name: pending
SELECT position, legacy_id FROM tiffin_outbox ORDER BY position LIMIT $1;

-- name: done
DELETE FROM tiffin_outbox WHERE position = ANY($1::bigint[]);

-- name: backlog
SELECT count(*) AS orders, coalesce(extract(epoch FROM clock_timestamp() - min(at)), 0)::float8 AS oldest_s
  FROM tiffin_outbox;

-- name: hold_all
-- Waits for everybody who writes by the library or past a trigger, keeps the next ones waiting; in turn.
LOCK TABLE tiffin_settings IN EXCLUSIVE MODE;

-- name: hold
-- One of many; a plain read would see what was true when the transaction began.
SELECT authority FROM tiffin_settings FOR SHARE;

-- name: changed_since
SELECT {key}::text FROM {table} WHERE {updated} >= $1 LIMIT $2;

-- name: set_authority
UPDATE tiffin_settings SET authority = $1;

-- name: follows
SELECT set_config('tiffin.follows', 'on', true);

-- name: drop
DROP TRIGGER IF EXISTS tiffin_note ON {table};
DROP FUNCTION IF EXISTS tiffin_note();
DROP TABLE IF EXISTS tiffin_outbox;

-- name: switch_off
-- Who asks the settings notes nothing any more, and soon nobody asks for what is dropped.
UPDATE tiffin_settings SET capture = 'off';

-- name: drop_settings
DROP TABLE IF EXISTS tiffin_settings;

-- name: can_stream
SELECT current_setting('wal_level') = 'logical';

-- name: create_slot
SELECT pg_create_logical_replication_slot($1::text::name, 'pgoutput')
 WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $1::text);

-- name: publish
CREATE PUBLICATION {slot} FOR TABLE {table};

-- name: has_publication
SELECT EXISTS (SELECT FROM pg_publication WHERE pubname = $1::text);

-- name: peek
-- Whole transactions, the first that make so many changes. They come again until the slot is advanced.
SELECT data FROM pg_logical_slot_peek_binary_changes($1::text::name, NULL, $2, 'proto_version', '1', 'publication_names', $1::text);

-- name: advance
SELECT pg_replication_slot_advance($1::text::name, $2::text::pg_lsn);

-- name: behind
-- What the slot keeps on disk because it has not been confirmed, bytes.
SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::bigint
  FROM pg_replication_slots WHERE slot_name = $1::text;

-- name: current_lsn
SELECT pg_current_wal_flush_lsn()::text;

-- name: drop_slot
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1::text;

-- name: unpublish
DROP PUBLICATION IF EXISTS {slot};
