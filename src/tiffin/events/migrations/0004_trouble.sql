-- What a consumer is told about itself: why it does not get on, and what it was told to leave alone.

ALTER TABLE log.consumers ADD COLUMN trouble text;
COMMENT ON COLUMN log.consumers.trouble IS 'what failed last; null: something has worked since';
CREATE INDEX dead_letters_discarded ON log.dead_letters (consumer) WHERE state = 'discarded';
