-- Both dimensions as the reconciler compares them: a fingerprint of every column but the shard, and the shard of
-- the restaurant dimension in which the order's copy belongs.
CREATE VIEW orders.truths AS
SELECT shard, id, updated_at, ((id & 1023) / 8)::smallint AS copy_shard,
       hash_record_extended(ROW(id, customer_id, restaurant_id, state, version, placed_at, updated_at, due_at,
                                scheduled_for, accepted_at, payment_method, total, currency, courier_id, reason,
                                details, idempotency_key, request_hash), 0) AS fingerprint
  FROM orders.orders;

CREATE VIEW orders.copies AS
SELECT shard, id, updated_at,
       hash_record_extended(ROW(id, customer_id, restaurant_id, state, version, placed_at, updated_at, due_at,
                                scheduled_for, accepted_at, payment_method, total, currency, courier_id, reason,
                                details, idempotency_key, request_hash), 0) AS fingerprint
  FROM orders.orders_by_restaurant;
