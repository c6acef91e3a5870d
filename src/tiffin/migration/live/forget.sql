-- name: forget_reader
-- The log keeps what a known reader has not read: one that reads no more is forgotten.
WITH told AS (DELETE FROM log.consumers WHERE consumer = $1)
DELETE FROM log.cursors WHERE consumer = $1;
