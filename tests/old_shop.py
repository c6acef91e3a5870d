"""A monolith's orders table, on PostgreSQL or on MariaDB, with as many rows as wanted; and its mapping."""

import asyncio
from typing import Protocol
from uuid import uuid4

import asyncpg

from mariadb_server import MariadbServer
from tiffin.storage.embedded import EmbeddedServer

STATUSES = ("new", "cooking", "packed", "riding", "arrived", "closed", "closed", "closed", "dead", "closed")
ITEMS = '[{"dish": "Bandeja ñ", "count": 2, "price": "12.50"}, {"dish": "Jugo", "count": 1, "price": 3.1}]'

_TABLE = """
CREATE TABLE orders (
    id bigint PRIMARY KEY, user_id bigint NOT NULL, shop_id bigint NOT NULL, status varchar(10) NOT NULL,
    items text NOT NULL, food decimal(10, 2) NOT NULL, delivery decimal(10, 2) NOT NULL,
    total decimal(10, 2) NOT NULL, paid_by varchar(10) NOT NULL, street varchar(200) NOT NULL,
    rider_id bigint, dead_because varchar(200), created_at {time} NOT NULL, updated_at {time} NOT NULL,
    revision bigint NOT NULL)
"""
_FILL = """
INSERT INTO orders
SELECT n, 1 + n % 997, 1 + n % 101, CASE n % 10 {statuses} END, '{items}', 28.10, 3.50,
       31.60 - (n % 7) * 0.25, 'card', {street}, CASE WHEN n % 3 = 0 THEN n % 50 END,
       CASE WHEN n % 10 = 8 THEN 'no soup' END, {created}, {created}, 1
  FROM {numbers}
"""
_MAPPING = """
name = "{name}"
[source]
url = "{url}"
table = "orders"
key = "id"
revision = "revision"
busy = 500
[columns]
customer_id = "user_id"
restaurant_id = "shop_id"
state = "status"
placed_at = "created_at"
updated_at = "updated_at"
subtotal = "food"
delivery_fee = "delivery"
total = "total"
payment_method = "paid_by"
courier_id = "rider_id"
reason = "dead_because"
street = "street"
[states]
new = "awaiting_acceptance"
cooking = "preparing"
packed = "ready"
riding = "delivering"
arrived = "delivered"
closed = "completed"
dead = "cancelled"
[money]
currency = "COP"
[ids]
customer = "z"
restaurant = "zs"
courier = "zr"
[items]
column = "items"
name = "dish"
quantity = "count"
unit_price = "price"
"""


class OldShop(Protocol):
    """The old table, and what its owner does with it."""

    url: str

    async def fill(self, rows: int) -> None:
        """So many orders, numbered from 1."""
        ...

    async def execute(self, statement: str) -> None:
        """As its owner."""
        ...

    async def close(self) -> None: ...


def mapping_of(shop: OldShop) -> str:
    """A mapping file with a name of its own."""
    return _MAPPING.format(name=f"zeus-{uuid4().hex[:8]}", url=shop.url)


def _fill(street: str, created: str, numbers: str) -> str:
    statuses = " ".join(f"WHEN {number} THEN '{status}'" for number, status in enumerate(STATUSES))
    return _FILL.format(statuses=statuses, items=ITEMS, street=street, created=created, numbers=numbers)


class PostgresqlShop:
    """On another database of the tests' own server."""

    def __init__(self, url: str, connection: asyncpg.Connection) -> None:
        self.url = url
        self._connection = connection

    @classmethod
    async def open(cls, server: EmbeddedServer) -> "PostgresqlShop":
        name = f"old_shop_{uuid4().hex[:8]}"
        owner = await asyncpg.connect(server.url("postgres"))
        await owner.execute(f"CREATE DATABASE {name}")
        await owner.close()
        connection = await asyncpg.connect(server.url(name))
        await connection.execute(_TABLE.format(time="timestamptz"))
        return cls(server.url(name), connection)

    async def fill(self, rows: int) -> None:
        created = "timestamptz '2026-01-01' + n * interval '7.000123 seconds'"
        await self.execute(_fill("'Calle ' || n", created, f"generate_series(1, {rows}) AS n"))

    async def execute(self, statement: str) -> None:
        await self._connection.execute(statement)

    async def close(self) -> None:
        await self._connection.close()


class MariadbShop:
    """On a MariaDB of the tests' own."""

    def __init__(self, server: MariadbServer) -> None:
        database = server.create_database("old_shop")
        self.url = server.url(database)
        self._connection = server.connect(database)
        self._execute(_TABLE.format(time="datetime(6)"))

    async def fill(self, rows: int) -> None:
        created = "'2026-01-01' + INTERVAL n * 7000123 MICROSECOND"
        numbers = f"(SELECT seq AS n FROM seq_1_to_{rows}) AS numbers"
        await self.execute(_fill("concat('Calle ', n)", created, numbers))

    async def execute(self, statement: str) -> None:
        await asyncio.to_thread(self._execute, statement)

    async def close(self) -> None:
        self._connection.close()

    def _execute(self, statement: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
