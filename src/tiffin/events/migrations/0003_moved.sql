-- Events of shards that have come from another node: part of their orders' histories, and not of this node's log.
-- Who reads the log has read them where they happened.
CREATE TABLE log.moved (
    dimension text NOT NULL,
    shard smallint NOT NULL,
    stream text NOT NULL,
    key text NOT NULL,
    version int NOT NULL,
    type text NOT NULL,
    data text NOT NULL,
    at timestamptz NOT NULL,
    trace text NOT NULL,
    xid xid8 NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (key, version, stream)
);
CREATE INDEX moved_at ON log.moved (at);

-- All that a node knows of what has happened to what it holds.
CREATE VIEW log.history AS
SELECT dimension, shard, stream, key, version, type, data, at, trace, xid, position FROM log.events
UNION ALL
SELECT dimension, shard, stream, key, version, type, data, at, trace, xid, position FROM log.moved;
