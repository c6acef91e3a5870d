CREATE SEQUENCE order_numbers;
CREATE TABLE orders (
    id bigint PRIMARY KEY DEFAULT nextval('order_numbers'),
    user_id bigint NOT NULL,
    shop_id bigint NOT NULL,
    status text NOT NULL,               -- new, cooking, packed, riding, arrived, closed, dead
    items text NOT NULL,                -- JSON: [{"dish": "Bandeja", "count": 2, "price": "12.50"}]
    food numeric(10, 2) NOT NULL,
    delivery numeric(10, 2) NOT NULL,
    total numeric(10, 2) NOT NULL,
    paid_by text NOT NULL,              -- cash, card
    street text NOT NULL,
    city text NOT NULL,
    latitude double precision NOT NULL,
    longitude double precision NOT NULL,
    rider_id bigint,
    dead_because text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()  -- not now(): that is when the transaction began
);
CREATE INDEX orders_of_user ON orders (user_id, id);
