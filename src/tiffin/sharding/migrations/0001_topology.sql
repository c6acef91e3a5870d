-- Which node holds which shard. Only the directory's copy counts (the first node of the configuration).
CREATE TABLE tiffin.topology (
    dimension text NOT NULL CHECK (dimension IN ('customer', 'restaurant')),
    shard smallint NOT NULL CHECK (shard BETWEEN 0 AND 119),
    node text NOT NULL,
    PRIMARY KEY (dimension, shard)
);

-- One row. The epoch goes up with every change of the topology, in the same transaction.
CREATE TABLE tiffin.epoch (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    epoch bigint NOT NULL
);
INSERT INTO tiffin.epoch (epoch) VALUES (0);

-- Order ids are cut from blocks of this sequence: block n is n * 1024 .. n * 1024 + 1023.
CREATE SEQUENCE tiffin.order_blocks MINVALUE 1 MAXVALUE 8589934591;
