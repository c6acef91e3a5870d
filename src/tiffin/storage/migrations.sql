-- name: prepare
-- Where a node writes down what has been done to it.
CREATE SCHEMA IF NOT EXISTS tiffin;
CREATE TABLE IF NOT EXISTS tiffin.migrations (
    schema text NOT NULL,
    file text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (schema, file)
);

-- name: lock
-- Until the session ends: one process at a time migrates a node.
SELECT pg_advisory_lock($1);

-- name: applied
SELECT schema, file, sha256 FROM tiffin.migrations;

-- name: record
INSERT INTO tiffin.migrations (schema, file, sha256) VALUES ($1, $2, $3);
