-- For tables of versions, in whichever schema: (version int PRIMARY KEY, begins_at timestamptz NOT NULL UNIQUE,
-- body text NOT NULL). A version is made so long before it begins that nobody still works without it, and never
-- changes. The trigger names a table that is empty as long as nobody works by any version.
CREATE FUNCTION versions.check_next() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    last_version int;
    last_begins_at timestamptz;
    is_used boolean;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(TG_RELID::regclass::text, 0));
    EXECUTE format('SELECT max(version), max(begins_at) FROM %s', TG_RELID::regclass) INTO last_version, last_begins_at;
    EXECUTE format('SELECT EXISTS (SELECT FROM %s)', TG_ARGV[0]) INTO is_used;
    IF NEW.version <> last_version + 1 OR NEW.begins_at <= last_begins_at
       OR (is_used AND NEW.begins_at < now() + interval '5 minutes') THEN
        RAISE EXCEPTION 'version % of %.% must be the next, and begin last, in five minutes or later',
                        NEW.version, TG_TABLE_SCHEMA, TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION versions.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'nobody may % a version of %.%: make the next one', lower(TG_OP), TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
