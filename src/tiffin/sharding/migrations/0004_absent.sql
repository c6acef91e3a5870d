-- Shards that do not live on this database though it has rows of them in tables that are not partitioned
-- ("beside: ..."): they are on their way to it, or have left and are followed. Nobody who looks for work in
-- such a table may take theirs: the other node does. Changed with the partitions, in the same transaction.
CREATE TABLE tiffin.absent (
    dimension text NOT NULL CHECK (dimension IN ('customer', 'restaurant')),
    shard smallint NOT NULL CHECK (shard BETWEEN 0 AND 119),
    PRIMARY KEY (dimension, shard)
);
