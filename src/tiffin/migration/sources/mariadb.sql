-- name: columns
SELECT column_name AS name, column_type AS type
  FROM information_schema.columns
 WHERE table_schema = coalesce(%s, database()) AND table_name = %s
 ORDER BY ordinal_position;

-- name: is_unique
SELECT 1 AS is_unique
  FROM information_schema.statistics
 WHERE table_schema = coalesce(%s, database()) AND table_name = %s AND non_unique = 0
 GROUP BY index_name
HAVING count(*) = 1 AND max(column_name) = %s;

-- name: load
SHOW GLOBAL STATUS LIKE 'Threads_running';
