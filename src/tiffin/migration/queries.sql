-- name: all
SELECT name, mapping, stage, dual_write, authority, read_share, read_customers, rows, cursor, taken, refused, planned_at
  FROM migration.migrations ORDER BY name;

-- name: find
SELECT name, mapping, stage, dual_write, authority, read_share, read_customers, rows, cursor, taken, refused, planned_at
  FROM migration.migrations WHERE name = $1;

-- name: plan
-- A new migration, or another mapping of one of which nothing has been taken over.
WITH planned AS (
    INSERT INTO migration.migrations AS m (name, mapping, stage, rows)
    VALUES ($1, $2, 'planned', $3)
        ON CONFLICT (name) DO UPDATE
       SET mapping = excluded.mapping, rows = excluded.rows, planned_at = now()
     WHERE m.stage = 'planned' OR m.mapping = excluded.mapping
    RETURNING name
), noted AS (
    INSERT INTO migration.changes (name, what) SELECT name, 'planned: ' || $3 || ' rows' FROM planned
)
SELECT name FROM planned;

-- name: change
-- What is given is set, what is null stays; if the stage is one of $2 (null: any). Noted with its time.
WITH changed AS (
    UPDATE migration.migrations
       SET stage = coalesce($4, stage), dual_write = coalesce($5, dual_write),
           authority = coalesce($6, authority), read_share = coalesce($7, read_share),
           read_customers = coalesce($8::text[], read_customers)
     WHERE name = $1 AND ($2::text[] IS NULL OR stage = ANY($2::text[]))
    RETURNING name
), noted AS (
    INSERT INTO migration.changes (name, what) SELECT name, $3 FROM changed
)
SELECT name FROM changed;

-- name: advance
-- The cursor moves only from where this worker has seen it: what several have done is counted once.
UPDATE migration.migrations
   SET cursor = $3, taken = taken + $4, refused = refused + $5
 WHERE name = $1 AND cursor IS NOT DISTINCT FROM $2
RETURNING name;

-- name: rewind
UPDATE migration.migrations SET cursor = NULL, taken = 0, refused = 0 WHERE name = $1;

-- name: refuse
INSERT INTO migration.refused (name, legacy_id, reason)
SELECT $1, * FROM unnest($2::text[], $3::text[])
    ON CONFLICT (name, legacy_id) DO UPDATE SET reason = excluded.reason, at = now();

-- name: accept
DELETE FROM migration.refused WHERE name = $1 AND legacy_id = ANY($2::text[]);

-- name: refused
SELECT legacy_id, reason FROM migration.refused WHERE name = $1 ORDER BY at, legacy_id LIMIT $2;

-- name: forget_refused
DELETE FROM migration.refused WHERE name = $1;

-- name: note
INSERT INTO migration.changes (name, what) VALUES ($1, $2);

-- name: changes
SELECT what, at FROM migration.changes WHERE name = $1 ORDER BY number;

-- name: save_position
INSERT INTO migration.positions (name, part, position) VALUES ($1, $2, $3)
    ON CONFLICT (name, part) DO UPDATE SET position = excluded.position, at = now();

-- name: position
SELECT position FROM migration.positions WHERE name = $1 AND part = $2;

-- name: positions
SELECT part, position, at FROM migration.positions WHERE name = $1 ORDER BY part;

-- name: forget_position
DELETE FROM migration.positions WHERE name = $1 AND part = $2;
