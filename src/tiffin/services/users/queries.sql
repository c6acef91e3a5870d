-- name: customers
-- Customers by id. Shards as single parameters: PostgreSQL then opens the partitions of these alone.
SELECT id, version, customer, created_from
  FROM users.customers
 WHERE shard IN ($1, $2, $3, $4, $5, $6, $7, $8) AND id = ANY($9::text[]);

-- name: add_customer
-- No row if the id is taken.
INSERT INTO users.customers (shard, id, version, customer, created_from)
VALUES ($1, $2, 1, $3, $4)
    ON CONFLICT DO NOTHING
RETURNING version;

-- name: change_customer
-- No row if somebody else was faster.
UPDATE users.customers SET customer = $4, version = version + 1
 WHERE shard = $1 AND id = $2 AND version = $3
RETURNING version;

-- name: ask_code
-- A new code for a phone in place of the last. No row if a limit is reached.
INSERT INTO users.sign_ins AS s
       (shard, phone, id, code_hash, expires_at, guesses_left, asked_at, window_began_at, asked)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7, 1)
    ON CONFLICT (shard, phone) DO UPDATE
   SET id = excluded.id, code_hash = excluded.code_hash, expires_at = excluded.expires_at,
       guesses_left = excluded.guesses_left, asked_at = excluded.asked_at,
       window_began_at = CASE WHEN s.window_began_at <= $9 THEN excluded.asked_at ELSE s.window_began_at END,
       asked = CASE WHEN s.window_began_at <= $9 THEN 1 ELSE s.asked + 1 END
 WHERE s.asked_at <= $8 AND (s.window_began_at <= $9 OR s.asked < $10)
RETURNING s.id;

-- name: asked
SELECT asked_at, window_began_at, asked FROM users.sign_ins WHERE shard = $1 AND phone = $2;

-- name: spend_guess
-- The hash to compare a guess with. Whoever gets it has one guess less.
UPDATE users.sign_ins SET guesses_left = guesses_left - 1
 WHERE shard = $1 AND phone = $2 AND id = $3 AND expires_at > $4 AND guesses_left > 0 AND code_hash <> ''
RETURNING code_hash;

-- name: use_code
-- A row for one caller only: the code is used up.
UPDATE users.sign_ins SET code_hash = '', guesses_left = 0
 WHERE shard = $1 AND phone = $2 AND id = $3 AND code_hash = $4
RETURNING id;

-- name: forget_sign_ins
DELETE FROM users.sign_ins WHERE asked_at < $1;

-- name: forget_sign_in
DELETE FROM users.sign_ins WHERE shard = $1 AND phone = $2 RETURNING phone;

-- name: claim_phone
-- No row if the phone is somebody's.
INSERT INTO users.phones (shard, phone, person_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING person_id;

-- name: owner_of_phone
SELECT person_id FROM users.phones WHERE shard = $1 AND phone = $2;

-- name: release_phone
DELETE FROM users.phones WHERE shard = $1 AND phone = $2 AND person_id = $3 RETURNING phone;

-- name: start_session
-- With it go the sessions beyond what a person may have, those first that were used least recently.
WITH surplus AS (
    DELETE FROM users.sessions
     WHERE shard = $1 AND person_id = $2
       AND id IN (SELECT id FROM users.sessions WHERE shard = $1 AND person_id = $2
                   ORDER BY used_at DESC, id OFFSET $7)
)
INSERT INTO users.sessions (shard, person_id, id, refresh_hash, started_at, used_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $5, $6);

-- name: session
SELECT refresh_hash FROM users.sessions WHERE shard = $1 AND person_id = $2 AND id = $3 AND expires_at > $4;

-- name: next_refresh
-- No row if the refresh token is not the one that is good.
UPDATE users.sessions SET refresh_hash = $5, used_at = $6, expires_at = $7
 WHERE shard = $1 AND person_id = $2 AND id = $3 AND refresh_hash = $4
RETURNING id;

-- name: end_session
DELETE FROM users.sessions WHERE shard = $1 AND person_id = $2 AND id = $3 RETURNING id;

-- name: end_sessions
DELETE FROM users.sessions WHERE shard = $1 AND person_id = $2 RETURNING id;

-- name: forget_sessions
DELETE FROM users.sessions WHERE expires_at <= $1;

-- name: grants
SELECT role, subject, access, granted_at FROM users.grants WHERE shard = $1 AND person_id = $2 ORDER BY role, subject;

-- name: grant_of
SELECT role, subject, access, granted_at FROM users.grants
 WHERE shard = $1 AND person_id = $2 AND role = $3 AND subject = $4;

-- name: staff_grants
-- Of many people at once. Shards as single parameters, as for customers.
SELECT person_id AS id, access, granted_at
  FROM users.grants
 WHERE shard IN ($1, $2, $3, $4, $5, $6, $7, $8) AND person_id = ANY($9::text[])
   AND role = 'restaurant' AND subject = $10;

-- name: grant
INSERT INTO users.grants (shard, person_id, role, subject, access, granted_at, granted_by)
VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (shard, person_id, role, subject) DO UPDATE
       SET access = excluded.access, granted_by = excluded.granted_by
RETURNING granted_at;

-- name: revoke_grant
DELETE FROM users.grants WHERE shard = $1 AND person_id = $2 AND role = $3 AND subject = $4 RETURNING person_id;

-- name: add_staff
INSERT INTO users.staff (shard, restaurant_id, person_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING;

-- name: count_staff
SELECT count(*) AS staff FROM users.staff WHERE shard = $1 AND restaurant_id = $2;

-- name: staff
SELECT person_id FROM users.staff WHERE shard = $1 AND restaurant_id = $2;

-- name: remove_staff
DELETE FROM users.staff WHERE shard = $1 AND restaurant_id = $2 AND person_id = $3 RETURNING person_id;

-- name: lock_owners
-- Until the transaction ends: one at a time takes owners away from a restaurant.
SELECT pg_advisory_xact_lock(hashtextextended('users.owners ' || $1::text, 0));

-- name: add_api_key
-- No row if there are as many as anybody may have.
INSERT INTO users.api_keys (shard, subject, id, role, label, secret_hash, created_at, created_by)
SELECT $1::smallint, $2::text, $3::text, $4::text, $5::text, $6::bytea, $7::timestamptz, $8::text
 WHERE (SELECT count(*) FROM users.api_keys WHERE shard = $1 AND subject = $2) < $9
RETURNING id;

-- name: api_keys
SELECT subject, id, role, label, created_at, created_by, used_at FROM users.api_keys
 WHERE shard = $1 AND subject = $2 ORDER BY created_at, id;

-- name: api_key
SELECT subject, id, role, label, created_at, created_by, used_at, secret_hash FROM users.api_keys
 WHERE shard = $1 AND subject = $2 AND id = $3;

-- name: used_api_key
UPDATE users.api_keys SET used_at = $4 WHERE shard = $1 AND subject = $2 AND id = $3 RETURNING id;

-- name: revoke_api_key
DELETE FROM users.api_keys WHERE shard = $1 AND subject = $2 AND id = $3 RETURNING id;

-- name: revoke_api_keys
DELETE FROM users.api_keys WHERE shard = $1 AND subject = $2 AND role <> 'restaurant' RETURNING id;

-- name: erase
-- Everything of a person that is here, and the news of it. What has been erased already stays as it is.
WITH gone AS (
    UPDATE users.customers SET customer = '', created_from = '', version = version + 1
     WHERE shard = $1 AND id = $2 AND customer <> ''
    RETURNING id
), signed_out AS (
    DELETE FROM users.sessions WHERE shard = $1 AND person_id = $2
), dismissed AS (
    DELETE FROM users.grants WHERE shard = $1 AND person_id = $2
), again AS (
    INSERT INTO users.erasures (shard, person_id, erased_at, told, due_at)
    SELECT $1, id, $3, 1, $4 FROM gone
        ON CONFLICT DO NOTHING
), logged AS (
    INSERT INTO log.events (dimension, shard, stream, key, version, type, data, at, trace)
    SELECT 'customer', $1, 'person', id, 1, 'customer.erased', $5, $3, $6 FROM gone
)
SELECT id FROM gone;

-- name: is_erased
SELECT customer = '' AS erased FROM users.customers WHERE shard = $1 AND id = $2;

-- name: erasures_due
SELECT shard, person_id, erased_at, told FROM users.erasures
 WHERE due_at <= $1 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED;

-- name: told_again
UPDATE users.erasures SET told = $3, due_at = $4 WHERE shard = $1 AND person_id = $2;

-- name: told_last
DELETE FROM users.erasures WHERE shard = $1 AND person_id = $2;

-- name: log_person
INSERT INTO log.events (dimension, shard, stream, key, version, type, data, at, trace)
VALUES ('customer', $1, 'person', $2, $3, 'customer.erased', $4, $5, $6);

-- name: signing_keys
SELECT kid, public, sealed, signs_from FROM users.signing_keys ORDER BY signs_from, kid;

-- name: lock_signing_keys
SELECT pg_advisory_xact_lock($1);

-- name: add_signing_key
INSERT INTO users.signing_keys (kid, public, sealed, signs_from) VALUES ($1, $2, $3, $4);

-- name: drop_signing_keys
DELETE FROM users.signing_keys WHERE kid = ANY($1::text[]);

-- name: end_tokens
INSERT INTO users.ended AS e (id, before) VALUES ($1, $2)
    ON CONFLICT (id) DO UPDATE SET before = excluded.before WHERE e.before < excluded.before;

-- name: ended
SELECT id, extract(epoch FROM before)::float8 AS before_s FROM users.ended WHERE before > $1 ORDER BY before DESC LIMIT $2;

-- name: forget_ended
DELETE FROM users.ended WHERE before <= $1;
