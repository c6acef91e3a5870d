-- Each of these tables is 120, and so is all that hangs on it. The contracts keep their texts short: where STORAGE
-- PLAIN says so of all of them, PostgreSQL makes no TOAST table beside each partition. What is asked now and then of
-- all rows of a node (what has expired, which erasure is to be told again) has no index.

-- A customer's text is empty once the person has been erased: the id stays taken.

-- The last code sent to a phone, and how many were. Goes by itself when the limits have forgotten it.
CREATE TABLE users.sign_ins (
    shard smallint NOT NULL,                   -- of the phone
    phone text COLLATE "C" NOT NULL,
    id text NOT NULL,                          -- known to whoever asked for the code, and to nobody else
    code_hash bytea NOT NULL,                  -- keyed by the platform's secret; empty once the code was used
    expires_at timestamptz NOT NULL,
    guesses_left int NOT NULL CHECK (guesses_left >= 0),
    asked_at timestamptz NOT NULL,
    window_began_at timestamptz NOT NULL,
    asked int NOT NULL,                        -- codes since then
    PRIMARY KEY (shard, phone)
) PARTITION BY LIST (shard);
COMMENT ON TABLE users.sign_ins IS 'dimension: customer, fillfactor: 80';
ALTER TABLE users.sign_ins ALTER phone SET STORAGE PLAIN, ALTER id SET STORAGE PLAIN,
    ALTER code_hash SET STORAGE PLAIN;

-- Whose phone it is: the person who signs in with it.
CREATE TABLE users.phones (
    shard smallint NOT NULL,                   -- of the phone
    phone text COLLATE "C" NOT NULL,
    person_id text NOT NULL,
    PRIMARY KEY (shard, phone)
) PARTITION BY LIST (shard);
COMMENT ON TABLE users.phones IS 'dimension: customer';
ALTER TABLE users.phones ALTER phone SET STORAGE PLAIN, ALTER person_id SET STORAGE PLAIN;

CREATE TABLE users.sessions (
    shard smallint NOT NULL,
    person_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    refresh_hash bytea NOT NULL,               -- of the one refresh token that is good
    started_at timestamptz NOT NULL,
    used_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (shard, person_id, id)
) PARTITION BY LIST (shard);
COMMENT ON TABLE users.sessions IS 'dimension: customer, fillfactor: 80';
ALTER TABLE users.sessions ALTER person_id SET STORAGE PLAIN, ALTER id SET STORAGE PLAIN,
    ALTER refresh_hash SET STORAGE PLAIN;

-- In which roles a person may act, beside customer. The truth about it.
CREATE TABLE users.grants (
    shard smallint NOT NULL,
    person_id text COLLATE "C" NOT NULL,
    role text NOT NULL,
    subject text NOT NULL,                     -- the restaurant, or the person's own id
    access text,                               -- owner, manager, staff of a restaurant
    granted_at timestamptz NOT NULL,
    granted_by text NOT NULL,
    PRIMARY KEY (shard, person_id, role, subject)
) PARTITION BY LIST (shard);
COMMENT ON TABLE users.grants IS 'dimension: customer';
ALTER TABLE users.grants ALTER person_id SET STORAGE PLAIN, ALTER role SET STORAGE PLAIN,
    ALTER subject SET STORAGE PLAIN, ALTER access SET STORAGE PLAIN, ALTER granted_by SET STORAGE PLAIN;

-- Who may have a grant for a restaurant: written before the grant, taken away after it.
CREATE TABLE users.staff (
    shard smallint NOT NULL,
    restaurant_id text COLLATE "C" NOT NULL,
    person_id text NOT NULL,
    PRIMARY KEY (shard, restaurant_id, person_id)
) PARTITION BY LIST (shard);
COMMENT ON TABLE users.staff IS 'dimension: restaurant';
ALTER TABLE users.staff ALTER restaurant_id SET STORAGE PLAIN, ALTER person_id SET STORAGE PLAIN;

-- Keys of foreign systems, by whom they act for.
CREATE TABLE users.api_keys (
    shard smallint NOT NULL,
    subject text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,              -- the key shows subject and id, then its secret
    role text NOT NULL,
    label text NOT NULL,
    secret_hash bytea NOT NULL,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (shard, subject, id)
) PARTITION BY LIST (shard);
COMMENT ON TABLE users.api_keys IS 'dimension: restaurant, fillfactor: 80';
ALTER TABLE users.api_keys ALTER subject SET STORAGE PLAIN, ALTER id SET STORAGE PLAIN,
    ALTER role SET STORAGE PLAIN, ALTER label SET STORAGE PLAIN, ALTER secret_hash SET STORAGE PLAIN,
    ALTER created_by SET STORAGE PLAIN;

-- Erasures that have to be told again: a person may have ordered while the news travelled, or awaits a courier.
CREATE TABLE users.erasures (
    shard smallint NOT NULL,
    person_id text COLLATE "C" NOT NULL,
    erased_at timestamptz NOT NULL,
    told int NOT NULL CHECK (told > 0),        -- times; the version of the last event
    due_at timestamptz NOT NULL,
    PRIMARY KEY (shard, person_id)
) PARTITION BY LIST (shard);
COMMENT ON TABLE users.erasures IS 'dimension: customer';
ALTER TABLE users.erasures ALTER person_id SET STORAGE PLAIN;

-- The platform's few: on the directory node only.
CREATE TABLE users.signing_keys (
    kid text PRIMARY KEY,
    public text NOT NULL,                      -- base64url, as in a JWK
    sealed bytea NOT NULL,                     -- the private key, encrypted with the platform's secret
    signs_from timestamptz NOT NULL
);

-- Sessions and people whose access tokens are over before their time; kept as long as those could last.
CREATE TABLE users.ended (
    id text PRIMARY KEY,
    before timestamptz NOT NULL
);
CREATE INDEX ended_before ON users.ended (before);
