-- A shard whose switch is under way: it is on neither node until the epoch goes up again.
ALTER TABLE tiffin.topology ADD COLUMN switching boolean NOT NULL DEFAULT false;

-- Moves of shards from one node to another, and how far each is. Only the directory's copy counts.
CREATE TABLE tiffin.moves (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    source text NOT NULL,
    target text NOT NULL,
    customer_shards smallint[] NOT NULL,
    restaurant_shards smallint[] NOT NULL,
    step text NOT NULL,
    begun_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    CHECK (source <> target)
);

-- How long each shard was on neither node.
CREATE TABLE tiffin.pauses (
    move_id bigint NOT NULL REFERENCES tiffin.moves,
    dimension text NOT NULL,
    shard smallint NOT NULL,
    direction text NOT NULL CHECK (direction IN ('there', 'back')),
    seconds float8 NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);

-- Written on the node that is copied from, replicated to the other: what has arrived there, all that was
-- committed before it has.
CREATE TABLE tiffin.marks (
    move_id bigint NOT NULL,
    number bigint NOT NULL,
    PRIMARY KEY (move_id, number)
);
