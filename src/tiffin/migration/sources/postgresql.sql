-- name: columns
SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type
  FROM pg_attribute a
 WHERE a.attrelid = to_regclass(concat_ws('.', quote_ident($1::text), quote_ident($2::text)))
   AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attnum;

-- name: is_unique
-- Whether one column alone is unique in a table.
SELECT EXISTS (
    SELECT FROM pg_index i
      JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
     WHERE i.indrelid = to_regclass(concat_ws('.', quote_ident($1::text), quote_ident($2::text)))
       AND i.indisunique AND i.indnkeyatts = 1 AND i.indpred IS NULL AND a.attname = $3);

-- name: load
SELECT (SELECT count(*)::int FROM pg_stat_activity
         WHERE state = 'active' AND backend_type = 'client backend' AND application_name <> 'tiffin migrate') AS active,
       coalesce((SELECT extract(epoch FROM max(replay_lag))::float8 FROM pg_stat_replication), 0)::float8 AS lag_s;
