-- The platform's nodes. Only the directory's copy counts. A node that has left keeps its row: what a
-- configuration still says of it does not bring it back.
CREATE TABLE tiffin.nodes (
    name text PRIMARY KEY,
    number int NOT NULL GENERATED ALWAYS AS IDENTITY,
    url text NOT NULL,
    removed boolean NOT NULL DEFAULT false
);
COMMENT ON COLUMN tiffin.nodes.url IS 'without user and password';

-- How the databases' owner enters each node, sealed with the platform's secret. No service may read it.
CREATE TABLE tiffin.owners (
    node text PRIMARY KEY REFERENCES tiffin.nodes,
    sealed text NOT NULL
);

-- In every database: which platform it is of, and as which node. One row at most.
CREATE TABLE tiffin.identity (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    platform uuid NOT NULL,
    node text NOT NULL
);

-- Whoever routes is told of every new topology.
CREATE FUNCTION tiffin.tell_epoch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('tiffin_topology', NEW.epoch::text);
    RETURN NULL;
END
$$;
CREATE TRIGGER tell AFTER UPDATE ON tiffin.epoch FOR EACH ROW EXECUTE FUNCTION tiffin.tell_epoch();
