"""Zeus: a monolith with one `orders` table and numbers of its own. Its way to Tiffin: docs/migrating.md.

    ZEUS_DATABASE=postgresql://... (or mysql://...) python zeus.py [port]

What the migration adds is marked `tiffin`: a call in each transaction that writes, and for reads and writes
the other way to do it. As long as nobody migrates, those calls do nothing.
"""

import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, LifoQueue
from urllib.parse import unquote, urlsplit

import psycopg
import pymysql
from flask import Flask, abort, jsonify, request
from there import Shop

from tiffin_dual_write import Tiffin, TiffinError

DATABASE = urlsplit(os.environ["ZEUS_DATABASE"])
KIND = "postgresql" if DATABASE.scheme.startswith("postgres") else "mariadb"
NEXT = {"new": "cooking", "cooking": "packed", "packed": "riding", "riding": "arrived", "arrived": "closed"}
DELIVERY = 3

app = Flask(__name__)
idle = LifoQueue(32)


def connect():
    if KIND == "postgresql":
        return psycopg.connect(os.environ["ZEUS_DATABASE"])
    return pymysql.connect(
        host=DATABASE.hostname, port=DATABASE.port or 3306, user=DATABASE.username,
        password=unquote(DATABASE.password or ""), database=DATABASE.path[1:], charset="utf8mb4",
        init_command="SET time_zone = '+00:00'",
    )  # fmt: skip


tiffin = Tiffin(
    "zeus",
    connect,
    os.environ.get("TIFFIN_URL", "http://127.0.0.1:8080"),
    os.environ.get("TIFFIN_KEY", ""),
    timeout_s=10,
)
shop = Shop(tiffin)  # tiffin: the same things, done there


@app.errorhandler(TiffinError)
def refused(error):
    """tiffin: what Zeus would have refused, Tiffin has."""
    return jsonify(error=str(error)), error.status


@contextmanager
def transaction():
    """A cursor; committed at the end, rolled back by any error."""
    try:
        connection = idle.get_nowait()
    except Empty:
        connection = connect()
    try:
        yield connection.cursor()
        connection.commit()
    except BaseException:
        connection.close()
        raise
    idle.put(connection)


def rows(cursor, query, *arguments):
    cursor.execute(query, arguments)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def shown(row):
    sums = {name: str(row[name]) for name in ("food", "delivery", "total")}
    times = {name: row[name].isoformat() for name in ("created_at", "updated_at")}
    return {**row, **sums, **times, "items": json.loads(row["items"])}


@app.post("/orders")
def place():
    wanted = request.get_json()
    food = sum(item["count"] * float(item["price"]) for item in wanted["items"])
    row = {
        **wanted, "items": json.dumps(wanted["items"]), "status": "new", "food": food, "delivery": DELIVERY,
        "total": food + DELIVERY,
    }  # fmt: skip

    def here():
        with transaction() as cursor:
            names = ", ".join(row)
            values = ", ".join(["%s"] * len(row))
            placed = f"INSERT INTO orders ({names}) VALUES ({values}) RETURNING *"  # noqa: S608
            (order,) = rows(cursor, placed, *row.values())
            tiffin.note(cursor, order["id"])  # tiffin
            return shown(order)

    return jsonify(tiffin.write(here, lambda: shop.place(next_id(), row))), 201  # tiffin; was: here()


@app.post("/orders/<int:order_id>/next")
def move(order_id):
    """Cooking, packed, riding, arrived, closed: whatever comes after where it is, if it is still `from`."""
    asked = request.get_json()

    def here():
        with transaction() as cursor:
            found = rows(cursor, "SELECT * FROM orders WHERE id = %s FOR UPDATE", order_id)
            order = found[0] if found else abort(404)
            if order["status"] != asked["from"]:
                abort(409)
            rider = asked.get("rider_id") or order["rider_id"]
            change(cursor, order_id, NEXT[order["status"]], rider, None)
            return shown(rows(cursor, "SELECT * FROM orders WHERE id = %s", order_id)[0])

    return jsonify(tiffin.write(here, lambda: shop.move(order_id, asked)))  # tiffin; was: here()


@app.post("/orders/<int:order_id>/kill")
def kill(order_id):
    because = request.get_json()["because"]

    def here():
        with transaction() as cursor:
            found = rows(cursor, "SELECT * FROM orders WHERE id = %s FOR UPDATE", order_id)
            order = found[0] if found else abort(404)
            if order["status"] not in ("new", "cooking", "packed"):
                abort(409)
            change(cursor, order_id, "dead", order["rider_id"], because)
            return shown(rows(cursor, "SELECT * FROM orders WHERE id = %s", order_id)[0])

    return jsonify(tiffin.write(here, lambda: shop.kill(order_id, because)))  # tiffin; was: here()


def change(cursor, order_id, status, rider_id, because):
    now = "clock_timestamp()" if KIND == "postgresql" else "utc_timestamp(6)"
    moved = f"SET status = %s, rider_id = %s, dead_because = %s, updated_at = {now}"
    cursor.execute(f"UPDATE orders {moved} WHERE id = %s", (status, rider_id, because, order_id))
    tiffin.note(cursor, order_id)  # tiffin


@app.get("/users/<int:user_id>/orders/<int:order_id>")
def look(user_id, order_id):
    def here():
        with transaction() as cursor:
            found = rows(cursor, "SELECT * FROM orders WHERE id = %s AND user_id = %s", order_id, user_id)
            return shown(found[0]) if found else abort(404)

    return jsonify(tiffin.read(user_id, here, lambda: shop.look(order_id)))  # tiffin; was: here()


def next_id():
    """tiffin: orders keep getting the monolith's numbers, also when Tiffin has the truth."""
    with transaction() as cursor:
        number = "nextval('order_numbers')" if KIND == "postgresql" else "nextval(order_numbers)"
        return rows(cursor, f"SELECT {number} AS id")[0]["id"]


def create():
    """The tables, if they are not there yet."""
    with transaction() as cursor:
        here = "current_schema()" if KIND == "postgresql" else "database()"
        (found,) = rows(
            cursor,
            "SELECT count(*) AS orders FROM information_schema.tables"  # noqa: S608
            f" WHERE table_name = 'orders' AND table_schema = {here}",
        )
        if not found["orders"]:
            for statement in (Path(__file__).parent / f"{KIND}.sql").read_text().split(";\n"):
                if statement.strip():
                    cursor.execute(statement)


if __name__ == "__main__":
    create()
    app.run(port=int(sys.argv[1]) if len(sys.argv) > 1 else 8000, threaded=True)
