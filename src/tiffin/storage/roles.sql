-- name: lock
-- Until the session ends: one process at a time changes the roles of a database.
SELECT pg_advisory_lock($1);

-- name: whoami
-- Who is asking, where, and whether they may make roles.
SELECT current_database() AS database, current_user AS owner, rolsuper OR rolcreaterole AS may_create
  FROM pg_roles WHERE rolname = current_user;

-- name: known
SELECT rolname AS role FROM pg_roles WHERE rolname = ANY($1::text[]);

-- name: relations
-- Tables and sequences of some schemas. Not the partitions: who asks the parent needs no privilege on them.
-- Not the sequences of identity columns: they go with their table.
SELECT n.nspname AS schema, c.relname AS name, c.relkind = 'S' AS is_sequence
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = ANY($1::text[]) AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND NOT c.relispartition
   AND NOT (c.relkind = 'S' AND EXISTS (
            SELECT FROM pg_depend d
             WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'i'));

-- name: granted
-- What these roles have been granted in this database, on whatever there is.
SELECT r.rolname AS role, CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind,
       n.nspname || '.' || c.relname AS object, a.privilege_type AS privilege
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 CROSS JOIN LATERAL aclexplode(c.relacl) a JOIN pg_roles r ON r.oid = a.grantee
 WHERE r.rolname = ANY($1::text[])
 UNION ALL
SELECT r.rolname, 'SCHEMA', n.nspname, a.privilege_type
  FROM pg_namespace n CROSS JOIN LATERAL aclexplode(n.nspacl) a JOIN pg_roles r ON r.oid = a.grantee
 WHERE r.rolname = ANY($1::text[])
 UNION ALL
SELECT r.rolname, 'DATABASE', d.datname, a.privilege_type
  FROM pg_database d CROSS JOIN LATERAL aclexplode(d.datacl) a JOIN pg_roles r ON r.oid = a.grantee
 WHERE r.rolname = ANY($1::text[]) AND d.datname = current_database();

-- name: public_may_create
-- Whether everybody may make temporary tables here: PostgreSQL's default.
SELECT has_database_privilege('public', current_database(), 'TEMPORARY');
