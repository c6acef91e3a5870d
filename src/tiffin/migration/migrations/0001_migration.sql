-- Migrations from other systems: a few rows, on the directory node alone.
CREATE TABLE migration.migrations (
    name text PRIMARY KEY,
    mapping text NOT NULL,              -- the mapping file, as it was planned
    stage text NOT NULL,                -- planned, backfilling, backfilled, live, finished
    dual_write boolean NOT NULL DEFAULT false,
    authority text NOT NULL DEFAULT 'old' CHECK (authority IN ('old', 'new')),
    read_share int NOT NULL DEFAULT 0 CHECK (read_share BETWEEN 0 AND 100),
    read_customers text[] NOT NULL DEFAULT '{}',
    rows bigint NOT NULL DEFAULT 0,     -- that the source had when it was planned
    cursor text,                        -- the last key that has been taken over, with all before it
    taken bigint NOT NULL DEFAULT 0,
    refused bigint NOT NULL DEFAULT 0,
    planned_at timestamptz NOT NULL DEFAULT now()
);

-- Rows that could not be taken over, and why.
CREATE TABLE migration.refused (
    name text NOT NULL,
    legacy_id text NOT NULL,
    reason text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (name, legacy_id)
);

-- Where each part of a migration stands that has a place of its own to remember: followers, comparisons.
CREATE TABLE migration.positions (
    name text NOT NULL,
    part text NOT NULL,
    position text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (name, part)
);

-- Everything that was decided, in order.
CREATE TABLE migration.changes (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    what text NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX changes_of ON migration.changes (name, number);
