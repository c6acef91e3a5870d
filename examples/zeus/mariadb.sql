CREATE SEQUENCE order_numbers;
CREATE TABLE orders (
    id bigint PRIMARY KEY DEFAULT nextval(order_numbers),
    user_id bigint NOT NULL,
    shop_id bigint NOT NULL,
    status varchar(10) NOT NULL,        -- new, cooking, packed, riding, arrived, closed, dead
    items text NOT NULL,                -- JSON: [{"dish": "Bandeja", "count": 2, "price": "12.50"}]
    food decimal(10, 2) NOT NULL,
    delivery decimal(10, 2) NOT NULL,
    total decimal(10, 2) NOT NULL,
    paid_by varchar(10) NOT NULL,       -- cash, card
    street varchar(200) NOT NULL,
    city varchar(100) NOT NULL,
    latitude double NOT NULL,
    longitude double NOT NULL,
    rider_id bigint,
    dead_because varchar(200),
    created_at datetime(6) NOT NULL DEFAULT utc_timestamp(6),
    updated_at datetime(6) NOT NULL DEFAULT utc_timestamp(6),
    INDEX orders_of_user (user_id, id)
) CHARACTER SET utf8mb4;
