-- What a migration keeps in a monolith's database of MariaDB or MySQL. {table} and {key} are quoted, {refuse} is the
-- refusal of a writer. One statement each: several in a row are named with numbers.

-- name: prepare_1
CREATE TABLE IF NOT EXISTS tiffin_settings (
    one tinyint PRIMARY KEY DEFAULT 1 CHECK (one = 1),
    source varchar(32) NOT NULL,
    capture varchar(10) NOT NULL,
    authority varchar(3) NOT NULL,
    read_new_percent double NOT NULL DEFAULT 0,
    read_new_customers text NOT NULL
) ENGINE InnoDB CHARACTER SET utf8mb4;

-- name: prepare_2
CREATE TABLE IF NOT EXISTS tiffin_outbox (
    position bigint AUTO_INCREMENT PRIMARY KEY,
    legacy_id varchar(64) NOT NULL,
    at datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)
) ENGINE InnoDB CHARACTER SET utf8mb4;

-- name: begin
INSERT IGNORE INTO tiffin_settings (source, capture, authority, read_new_customers) VALUES (%s, %s, 'old', '[]');

-- name: begin_again
UPDATE tiffin_settings SET capture = %s WHERE capture = 'off';

-- name: is_prepared
SELECT count(*) FROM information_schema.tables
 WHERE table_schema = database() AND table_name = 'tiffin_settings';

-- name: settings
SELECT source, capture, authority, read_new_percent, read_new_customers FROM tiffin_settings;

-- name: authority
SELECT authority FROM tiffin_settings;

-- name: set_reading
UPDATE tiffin_settings SET read_new_percent = %s, read_new_customers = %s;

-- name: trigger
-- Every writer is heard, whatever program it is, and refused where the table only follows. Who writes holds the row
-- of settings, so a switch waits for them.
CREATE TRIGGER tiffin_{what}_{event} AFTER {event} ON {table} FOR EACH ROW
BEGIN
    DECLARE holder varchar(3);
    IF @tiffin_follows IS NULL THEN
        SELECT authority INTO holder FROM tiffin_settings LOCK IN SHARE MODE;
        IF holder <> 'old' THEN
            SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'these orders are in Tiffin now, and this table follows';
        END IF;
        {then}
    END IF;
END;

-- name: drop_trigger
DROP TRIGGER IF EXISTS tiffin_{what}_{event};

-- name: note_since
INSERT INTO tiffin_outbox (legacy_id) SELECT {key} FROM {table} WHERE {changed} >= %s;

-- name: changed_since
SELECT CAST({key} AS char) FROM {table} WHERE {updated} >= %s LIMIT %s;

-- name: pending
SELECT position, legacy_id FROM tiffin_outbox ORDER BY position LIMIT %s;

-- name: done
DELETE FROM tiffin_outbox WHERE position IN %s;

-- name: backlog
SELECT count(*), coalesce(timestampdiff(MICROSECOND, min(at), CURRENT_TIMESTAMP(6)), 0) / 1e6 FROM tiffin_outbox;

-- name: hold_all
-- Waits for everybody who holds it, and keeps the next ones waiting; in turn.
SELECT authority FROM tiffin_settings FOR UPDATE;

-- name: hold
SELECT authority FROM tiffin_settings LOCK IN SHARE MODE;

-- name: set_authority
UPDATE tiffin_settings SET authority = %s;

-- name: drop_1
DROP TABLE IF EXISTS tiffin_outbox;

-- name: switch_off
-- Who asks the settings notes nothing any more, and soon nobody asks for what is dropped.
UPDATE tiffin_settings SET capture = 'off';

-- name: drop_settings
DROP TABLE IF EXISTS tiffin_settings;
