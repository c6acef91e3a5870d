"""The auditor finds every kind of corruption there is a check for, where it is, and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pytest

from integration.audit.town import TABLES, Row, Town
from tiffin.audit import CHECKS, StatementLine, audit
from tiffin.audit.desk import QUERIES, Desk
from tiffin.audit.report import LISTED_MAX
from tiffin.sharding.slots import SHARDS

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_town_that_nobody_spoilt_is_clean_and_all_of_it_was_looked_at(town: Town) -> None:
    report = await town.audit(statement=town.till.lines)
    assert report.differences == []
    assert report.is_clean
    assert report.checked == {
        "orders": 7, "copies": 7, "order events": 17, "payment events": 9, "payments": 4, "dishes": 4,
        "other rows": 8 + 4 + 4 + 4 + 6, "entries": 5, "parties": 2, "cases": 0,
    }  # fmt: skip


async def test_an_order_that_fell_without_holding_anything_is_no_difference(town: Town) -> None:
    await town.place("fallen", 7, 3, dishes={"stew": 1})
    await town.advance("fallen", "rejected", "restaurant")
    await town.pump()
    assert await town.faults() == []


@dataclass(frozen=True)
class Spoilt:
    """SQL that spoils one order ($1: its shard, $2: its id), and what the audit must say."""

    name: str
    order: str
    sql: str
    check: str
    what: str
    on: Literal["truth", "copy"] = "truth"
    subject: str = ""
    too: Sequence[tuple[str, str, str]] = ()
    """What else follows from it, as (check, subject, what)."""


COLUMNS = """customer_id, restaurant_id, state, version, placed_at, updated_at, due_at, scheduled_for,
             accepted_at, payment_method, total, currency, courier_id, reason, details, idempotency_key,
             request_hash"""
EVENT = """INSERT INTO log.events (dimension, shard, stream, key, version, type, data, at, trace)
           SELECT dimension, shard, stream, key, {version}, type, {data}, at, trace
             FROM log.events WHERE shard = $1 AND key = $2::bigint::text AND version = {of}"""
SET_DATA = """UPDATE log.events SET data = replace(data, '{old}', '{new}')
               WHERE shard = $1 AND key = $2::bigint::text AND version = {version}"""

UNDO = ": undo the entry by its opposite"

SPOILT = [
    Spoilt(
        "a copy is missing", "done",
        "DELETE FROM orders.orders_by_restaurant WHERE shard = $1 AND id = $2",
        "dimensions", "has no copy", on="copy",
        too=[("stock", "order {id}", "2 soup sold, but there is no such order")],
    ),
    Spoilt(
        "a copy is behind", "cash",
        "UPDATE orders.orders_by_restaurant SET version = 2, state = 'ready' WHERE shard = $1 AND id = $2",
        "dimensions", "state: awaiting_acceptance, in the copy ready; version: 1, in the copy 2", on="copy",
    ),
    Spoilt(
        "one column of a copy differs", "cash",
        "UPDATE orders.orders_by_restaurant SET courier_id = 'x' WHERE shard = $1 AND id = $2",
        "dimensions", "courier_id: nothing, in the copy x", on="copy",
    ),
    Spoilt(
        "a letter in the details of a copy differs", "cash",
        "UPDATE orders.orders_by_restaurant SET details = replace(details, 'Cali', 'Bali')"
        " WHERE shard = $1 AND id = $2",
        "dimensions", "details: ", on="copy",
    ),
    Spoilt(
        "an order is gone", "cash",
        "WITH over AS (DELETE FROM orders.deadlines WHERE shard = $1 AND id = $2)"
        " DELETE FROM orders.orders WHERE shard = $1 AND id = $2",
        "dimensions", "is a copy of no order",
        too=[("log", "order {id}", "has events, but there is no such order")],
    ),
    Spoilt(
        "a deadline is not in the sweeper's table", "cash",
        "DELETE FROM orders.deadlines WHERE shard = $1 AND id = $2",
        "deadlines", "is due at {due_at}, which the sweeper does not know",
    ),
    Spoilt(
        "the sweeper's table has a deadline too many", "cash",
        "INSERT INTO orders.deadlines SELECT '2040-01-01T00:00Z', $1, $2",
        "deadlines", "is not due at 2040-01-01 00:00:00+00:00, as the sweeper believes",
    ),
    Spoilt(
        "a copy lies in another shard", "cash",
        "WITH lost AS (DELETE FROM orders.orders_by_restaurant WHERE shard = $1 AND id = $2 RETURNING *)"
        f" INSERT INTO orders.orders_by_restaurant SELECT $1 + 1, id, {COLUMNS} FROM lost",
        "places", "belongs to restaurant {copy_shard:03}, as r1 does", on="copy",
        too=[("dimensions", "order {id}", "has no copy")],
    ),
    Spoilt(
        "an order is not of its customer", "cash",
        "UPDATE orders.orders SET customer_id = 'c1' WHERE shard = $1 AND id = $2",
        "places", "is not of c1 and r1 by its id",
        too=[("dimensions", "order {id}", "customer_id: c1, in the copy c5")],
    ),
    Spoilt(
        "a customer lies in another shard", "cash",
        "UPDATE users.customers SET shard = shard - 1 WHERE shard = $1 AND $2::bigint > 0 AND id = 'c5'",
        "places", "belongs to customer {shard:03}, as c5 does", subject="customer c5",
    ),
    Spoilt(
        "a version is missing in the log", "done",
        "DELETE FROM log.events WHERE shard = $1 AND key = $2::bigint::text AND version = 4",
        "log", "has versions 1, 2, 3, 5, 6, 7 in the log, with a gap or a repeat",
    ),
    Spoilt(
        "the last event is missing", "done",
        "DELETE FROM log.events WHERE shard = $1 AND key = $2::bigint::text AND version = 7",
        "log", "is at version 7, but its last event is version 6",
        too=[("log", "order {id}", "is completed, but its last event led to delivered")],
    ),
    Spoilt(
        "an event is there twice", "done", EVENT.format(version=2, of=2, data="data"),
        "log", "has versions 1, 2, 2, 3, 4, 5, 6, 7 in the log, with a gap or a repeat",
        too=[
            ("log", "order {id}",
             "version 2, order.accepted, comes from awaiting_acceptance, but the order was preparing"),
        ],
    ),
    Spoilt(
        "no events at all", "cash", "DELETE FROM log.events WHERE shard = $1 AND key = $2::bigint::text",
        "log", "has no events",
    ),
    Spoilt(
        "an event leads along no edge", "done",
        SET_DATA.format(version=3, old='"to_state":"ready"', new='"to_state":"delivered"'),
        "log", "version 3, order.prepared, leads from preparing to delivered: no such edge",
        too=[
            ("log", "order {id}",
             "version 4, order.courier_assigned, comes from ready, but the order was delivered"),
        ],
    ),
    Spoilt(
        "an event was said by somebody who may not", "done",
        SET_DATA.format(version=2, old='"role":"restaurant"', new='"role":"courier"'),
        "log", "version 2, order.accepted, was said by a courier, who may not",
    ),
    Spoilt(
        "an event's data is another one's", "done",
        SET_DATA.format(version=2, old='"version":2', new='"version":9'),
        "log", "version 2, order.accepted, carries the data of something else",
    ),
    Spoilt(
        "an event's data is no JSON", "done", SET_DATA.format(version=2, old='"version"', new='version'),
        "log", "version 2: the event's data is no JSON",
    ),
    Spoilt(
        "an event lacks its actor", "done", SET_DATA.format(version=2, old='"actor"', new='"author"'),
        "log", "has an event whose data lacks something",
        too=[
            ("log", "order {id}", "has versions 1, 3, 4, 5, 6, 7 in the log, with a gap or a repeat"),
            ("log", "order {id}",
             "version 3, order.prepared, comes from preparing, but the order was awaiting_acceptance"),
        ],
    ),
    Spoilt(
        "a state that no event led to, in both dimensions", "cash",
        "UPDATE orders.orders SET state = 'ready' WHERE shard = $1 AND id = $2",
        "log", "is ready, but its last event led to awaiting_acceptance",
        too=[("dimensions", "order {id}", "state: ready, in the copy awaiting_acceptance")],
    ),
    Spoilt(
        "portions got lost", "done",
        "UPDATE restaurants.stock SET on_hand = on_hand - 1 WHERE shard = $1 AND $2::bigint > 0",
        "stock", "received 50, but 47 are there and 2 sold", on="copy", subject="dish r0/soup",
    ),
    Spoilt(
        "a dish with holds has no stock", "done",
        "DELETE FROM restaurants.stock WHERE shard = $1 AND $2::bigint > 0",
        "stock", "has no stock, but portions are held or sold", on="copy", subject="dish r0/soup",
    ),
    Spoilt(
        "more is promised than there is", "waiting",
        "UPDATE restaurants.holds SET quantity = 60 WHERE shard = $1 AND order_id = $2",
        "stock", "60 are held, but only 48 are there", on="copy", subject="dish r2/soup",
    ),
    Spoilt(
        "a standing order's portions are not sold", "other",
        "WITH held AS (UPDATE restaurants.holds SET state = 'held' WHERE shard = $1 AND order_id = $2)"
        " UPDATE restaurants.stock SET on_hand = on_hand + 2 WHERE shard = $1",
        "stock", "2 soup held, not sold, but the order is awaiting_acceptance", on="copy",
    ),
    Spoilt(
        "a standing order has no portions", "other",
        "WITH held AS (DELETE FROM restaurants.holds WHERE shard = $1 AND order_id = $2)"
        " UPDATE restaurants.stock SET on_hand = on_hand + 2 WHERE shard = $1",
        "stock", "needs portions and holds none", on="copy",
    ),
    Spoilt(
        "a cancelled order keeps its portions", "rejected",
        "WITH held AS (UPDATE restaurants.holds SET state = 'sold' WHERE shard = $1 AND order_id = $2)"
        " UPDATE restaurants.stock SET on_hand = on_hand - 2 WHERE shard = $1",
        "stock", "2 soup still sold, but the order is cancelled", on="copy",
    ),
    Spoilt(
        "portions are sold before they are paid", "waiting",
        "WITH held AS (UPDATE restaurants.holds SET state = 'sold' WHERE shard = $1 AND order_id = $2)"
        " UPDATE restaurants.stock SET on_hand = on_hand - 2 WHERE shard = $1",
        "stock", "2 soup sold before it is paid", on="copy",
    ),
    Spoilt(
        "more portions are sold than were ordered", "other",
        "WITH held AS (UPDATE restaurants.holds SET quantity = 3 WHERE shard = $1 AND order_id = $2)"
        " UPDATE restaurants.stock SET on_hand = on_hand - 1 WHERE shard = $1",
        "stock", "3 soup of r2 sold, but 2 of r2 ordered", on="copy",
    ),
    Spoilt(
        "a paid order's payment is of another amount", "paid",
        "UPDATE payments.payments SET amount = amount - 1, captured = captured - 1"
        " WHERE shard = $1 AND order_id = $2 AND state = 'succeeded'",
        "payments", "the order is awaiting_acceptance with 3399 of 3400 COP paid",
        too=[
            ("payments", "order {id}", "has 3400 of 3400 claimed; its payments cover 3399"),
            ("log", "payment {paid}", "has events of another order or another amount"),
            ("money", "order {id}", "payment {paid}: 3400 captured of 3399 authorised"),
            ("money", "order {id}",
             "payment {paid} is succeeded with 3399 captured, the ledger has 3400" + UNDO),
        ],
    ),
    Spoilt(
        "a paid order's payment is in another currency", "paid",
        "UPDATE payments.payments SET currency = 'EUR'"
        " WHERE shard = $1 AND order_id = $2 AND state = 'succeeded'",
        "payments", "payment {paid}: 3400 EUR, but the order's total is 3400 COP",
        too=[("log", "payment {paid}", "has events of another order or another amount")],
    ),
    Spoilt(
        "a paid order's payment did not succeed", "paid",
        "UPDATE payments.payments SET state = 'declined', captured = 0"
        " WHERE shard = $1 AND order_id = $2 AND state = 'succeeded'",
        "payments", "the order is awaiting_acceptance with 0 of 3400 COP paid",
        too=[
            ("payments", "order {id}", "has 3400 of 3400 claimed; its payments cover 0"),
            ("log", "payment {paid}", "is declined, but its last event led to succeeded"),
            ("money", "order {id}",
             "payment {paid} is declined with 0 captured, the ledger has 3400" + UNDO),
        ],
    ),
    Spoilt(
        "a cancelled order's payment was not given back", "refunded",
        "UPDATE payments.payments SET refunded = 0 WHERE shard = $1 AND order_id = $2",
        "payments", "payment {paid}: succeeded and not refunded, but the order is cancelled",
        too=[
            ("payments", "payment {paid}", "has 0 on its way back and 0 back; its refunds have 0 and 3400"),
            ("money", "order {id}",
             "payment {paid} is succeeded with 0 refunded, the ledger has 3400" + UNDO),
        ],
    ),
    Spoilt(
        "a refund got stuck", "refunded",
        "WITH back AS (UPDATE payments.payments SET refunding = captured, refunded = 0, version = 3"
        "               WHERE shard = $1 AND order_id = $2),"
        " part AS (UPDATE payments.refunds SET state = 'pending' WHERE shard = $1"
        "           AND id LIKE $2::bigint || '-%')"
        " DELETE FROM log.events WHERE shard = $1 AND key LIKE $2::bigint || '-%' AND version = 4",
        "payments", "payment {paid}: still refunding",
        too=[
            ("money", "order {id}",
             "payment {paid} is refunding with 0 refunded, the ledger has 3400" + UNDO),
        ],
    ),
    Spoilt(
        "a payment of no order", "paid",
        "INSERT INTO payments.payments SELECT shard, $2::bigint + (1 << 20) || '-x', order_id + (1 << 20),"
        " customer_id, method, provider, amount, currency, total, source, at_once, state, version, captured,"
        " refunding, refunded, provider_reference, decline_reason, attempts, next_check_at, expires_at,"
        " created_at, updated_at FROM payments.payments"
        " WHERE shard = $1 AND order_id = $2 AND state = 'succeeded'",
        "payments", "payment {next}-x: there is no such order", subject="order {next}",
        too=[("log", "payment {next}-x", "has no events")],
    ),
    Spoilt(
        "a payment's event is missing", "paid",
        "DELETE FROM log.events WHERE shard = $1 AND key LIKE $2::bigint || '-%' AND version = 1"
        " AND key IN (SELECT id FROM payments.payments WHERE state = 'succeeded')",
        "log", "has versions 2 in the log, with a gap or a repeat", subject="payment {paid}",
    ),
    Spoilt(
        "a payment went a way there is not", "paid",
        "UPDATE log.events SET type = 'payment.refunded',"
        " data = replace(data, 'payment.succeeded', 'payment.refunded')"
        " WHERE shard = $1 AND key LIKE $2::bigint || '-%' AND type = 'payment.succeeded'",
        "log", "version 2, payment.refunded, cannot happen to a payment that is pending",
        subject="payment {paid}",
    ),
]  # fmt: skip


@pytest.mark.parametrize("spoilt", SPOILT, ids=lambda spoilt: spoilt.name.replace(" ", "_"))
async def test_it_finds_just_what_was_spoilt(town: Town, spoilt: Spoilt) -> None:
    order = town.known[spoilt.order]
    names = await _names(order)
    shard, node = (order.shard, order.truth) if spoilt.on == "truth" else (order.copy_shard, order.copy)
    done = await node.execute(spoilt.sql, shard, order.id)
    assert not done.endswith(" 0"), "the SQL of the test has spoilt nothing"
    wanted = {(spoilt.check, spoilt.subject or str(order), spoilt.what), *spoilt.too}
    wanted = {tuple(part.format(**names) for part in fault) for fault in wanted}
    found = await town.faults()
    if spoilt.what.endswith(": "):  # the rest is long
        found = [(check, subject, what[: len(spoilt.what)]) for check, subject, what in found]
    assert sorted(found) == sorted(wanted)


async def _names(order: Row) -> dict[str, object]:
    row = await order.truth.fetchrow(
        "SELECT id FROM payments.payments WHERE order_id = $1 AND state <> 'declined'", order.id
    )
    due = await order.truth.fetchrow(
        "SELECT due_at FROM orders.orders WHERE shard = $1 AND id = $2", order.shard, order.id
    )
    return {
        "id": order.id, "shard": order.shard, "copy_shard": order.copy_shard, "paid": row and row["id"],
        "next": order.id + (1 << 20), "due_at": due and due["due_at"],
    }  # fmt: skip


async def test_a_shard_with_room_on_a_node_where_it_does_not_live_is_told(town: Town) -> None:
    near, far = town.router.nodes
    shard = town.router.shards_on("customer", far)[0]
    await near.execute(
        f"CREATE TABLE users.customers_{shard:03} PARTITION OF users.customers FOR VALUES IN ({shard})"
    )
    try:
        found = await town.faults()
    finally:
        await near.execute(f"DROP TABLE users.customers_{shard:03}")
    assert found == [("places", "users.customers", "has a partition of a shard that lives on far")]


async def test_a_shard_without_room_where_it_lives_is_told(town: Town) -> None:
    near, _ = town.router.nodes
    rows = await near.fetch("SELECT DISTINCT shard FROM restaurants.stock")
    used = {row["shard"] for row in rows}
    shard = next(shard for shard in town.router.shards_on("restaurant", near) if shard not in used)
    await near.execute(f"DROP TABLE restaurants.stock_{shard:03}")
    try:
        found = await town.faults()
    finally:
        await near.execute(
            f"CREATE TABLE restaurants.stock_{shard:03} PARTITION OF restaurants.stock"
            f" FOR VALUES IN ({shard})"
        )
    assert found == [("places", "restaurants.stock", "lacks the partition of this shard")]


async def test_what_the_copy_has_not_reached_yet_is_waited_for(town: Town) -> None:
    """The log goes on while the audit looks; a consumer catches up while it waits."""
    await town.advance("cash", "accepted", "restaurant")
    lagging = await town.faults()
    order = town.known["cash"]
    assert [(check, subject) for check, subject, _ in lagging] == [("dimensions", str(order))]
    assert lagging[0][2].endswith(", 0 s after it was due")

    waited = 0

    async def catch_up() -> None:
        nonlocal waited
        waited += 1
        if waited == 2:
            await town.pump()

    report = await _audit_with_pauses(town, catch_up)
    assert report.differences == []
    assert waited == 2


async def _audit_with_pauses(town: Town, at_each_pause) -> object:
    """An audit whose waiting is under the test's control: no time passes, something happens instead."""

    async def pause(_: Desk) -> bool:
        await at_each_pause()
        return True

    original, Desk.pause = Desk.pause, pause
    try:
        return await town.audit()
    finally:
        Desk.pause = original


async def test_stock_and_payments_are_given_the_time_that_consumers_need(town: Town) -> None:
    """Paid and then cancelled: until consumers have heard of it, portions and money are where they were."""
    await town.place("late", 7, 3, "online")
    await town.pay("late")
    await town.pump()
    await town.advance("late", "cancelled", "customer")
    assert {check for check, _, _ in await town.faults()} == {"dimensions", "payments", "money"}

    async def settle() -> None:
        await town.pump()
        while await town.payments.settlement.settle_due(100):
            pass

    report = await _audit_with_pauses(town, settle)
    assert report.differences == []


async def test_an_order_older_than_the_log_needs_no_events_and_a_younger_one_does(town: Town) -> None:
    order = town.known["done"]
    for table, node in (("orders", order.truth), ("orders_by_restaurant", order.copy)):
        await node.execute(
            f"UPDATE orders.{table} SET placed_at = placed_at - interval '60 days' WHERE id = $1", order.id
        )
    await order.truth.execute("DELETE FROM log.events WHERE key = $1::bigint::text AND version < 4", order.id)
    assert await town.faults() == []  # began before the log, ended in it
    await order.truth.execute("DELETE FROM log.events WHERE key = $1::bigint::text", order.id)
    assert await town.faults() == [("log", str(order), "has no events")]
    for table, node in (("orders", order.truth), ("orders_by_restaurant", order.copy)):
        await node.execute(
            f"UPDATE orders.{table} SET updated_at = updated_at - interval '60 days' WHERE id = $1", order.id
        )
    assert await town.faults() == []


async def test_the_providers_statement_is_held_against_every_payment(town: Town) -> None:
    lines = town.till.lines
    paid, refunded = town.known["paid"], town.known["refunded"]
    payment = {order.id: (await _names(order))["paid"] for order in (paid, refunded)}
    unknown = StatementLine("charge", f"{paid.id}-never", 100, "COP")
    foreign = StatementLine("charge", "somebody else's", 100, "COP")
    without_charge = [line for line in lines if line.key != payment[paid.id]]
    without_refund = [line for line in lines if line.kind == "charge"]
    assert await town.faults([*lines, unknown]) == [
        ("payments", f"payment {unknown.key}", "the provider has a charge of 100 COP, we have none")
    ]
    assert await town.faults([*lines, foreign]) == [
        ("payments", "charge somebody else's", "is of no payment of ours")
    ]
    assert await town.faults(without_charge) == [
        ("payments", f"payment {payment[paid.id]}",
         "is succeeded with 3400 COP; the provider has moved nothing"),
    ]  # fmt: skip
    assert await town.faults(without_refund) == [
        ("payments", f"payment {payment[refunded.id]}",
         "is refunded with 3400 COP; the provider has moved 3400 COP"),
    ]  # fmt: skip


async def test_many_differences_are_all_counted_and_some_are_listed(town: Town) -> None:
    order = town.known["cash"]
    await order.copy.execute(
        f"INSERT INTO orders.orders_by_restaurant SELECT shard, id + (n << 20), {COLUMNS}"
        " FROM orders.orders_by_restaurant, generate_series(1::bigint, $3) AS n WHERE shard = $1 AND id = $2",
        order.copy_shard, order.id, LISTED_MAX + 50,
    )  # fmt: skip
    report = await town.audit()
    extra = LISTED_MAX + 50 - sum(row.copy_shard == order.copy_shard for row in town.known.values()) + 1
    assert LISTED_MAX < extra - 1 <= report.totals["dimensions"] <= LISTED_MAX + 50
    assert len(report.differences) == LISTED_MAX


async def test_it_looks_at_every_column_of_both_dimensions(town: Town) -> None:
    """A column that a later migration adds must be in the fingerprint, too."""
    columns = {
        table: await town.router.directory.fetch(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'orders'"
            " AND table_name = $1 AND column_name <> 'shard' ORDER BY ordinal_position",
            table,
        )
        for table in ("orders", "orders_by_restaurant")
    }
    text = QUERIES["orders_after"]
    fingerprint = text[text.index("ROW(") + 4 : text.index("), 0)")]
    names = [name.strip() for name in fingerprint.split(",")]
    for found in columns.values():
        assert [row["column_name"] for row in found] == names
    for query in ("orders_of", "copies_of"):
        assert " ".join(fingerprint.split()) in " ".join(QUERIES[query].split())


async def test_the_audit_leaves_no_transaction_open_and_changes_nothing(town: Town) -> None:
    before = [await _contents(town) for _ in range(1)]
    await town.audit()
    assert [await _contents(town)] == before
    for node in town.router.nodes:
        rows = await node.fetch(
            "SELECT FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
        )
        assert rows == []


async def _contents(town: Town) -> list[object]:
    return [
        (await node.fetchrow(f"SELECT count(*), sum(hashtext(t::text)::bigint) FROM {table} t"))
        for node in town.router.nodes
        for table in TABLES
    ]


async def test_progress_of_every_check_is_told(town: Town) -> None:
    told: dict[str, list[float]] = {}
    await audit(
        town.router, town.clock, lambda check, done, total: told.setdefault(check, []).append(done / total)
    )
    assert list(told) == list(dict.fromkeys(told)) and set(told) == set(CHECKS)
    for shares in told.values():
        assert shares == sorted(shares)
        assert shares[-1] == 1
    assert len(told["stock"]) == SHARDS + 1


async def test_a_town_whose_orders_are_archived_is_clean_and_all_of_it_was_looked_at(town: Town) -> None:
    before = await town.audit(statement=town.till.lines)
    assert await town.archive() == 3
    report = await town.audit(statement=town.till.lines)
    assert report.differences == []
    assert report.checked["orders"] == before.checked["orders"]
    assert report.checked["copies"] == before.checked["copies"]
    for node in town.router.nodes:  # what the log still says of them is not needed any more
        await node.execute(
            "DELETE FROM log.events WHERE stream = 'order' AND (shard, key) IN"
            " (SELECT shard, id::text FROM orders.archive)"
        )
    report = await town.audit(statement=town.till.lines)
    assert report.differences == []
    assert report.checked["order events"] == before.checked["order events"]


ARCHIVED = {
    "an order is gone": (
        "truth", "DELETE FROM orders.archive WHERE shard = $1 AND id = $2",
        {("dimensions", "is a copy of no order"), ("log", "has events, but there is no such order"),
         ("stock", "2 soup sold, but there is no such order")},
    ),
    "a copy is gone": (
        "copy", "DELETE FROM orders.archive_by_restaurant WHERE shard = $1 AND id = $2",
        {("dimensions", "has no copy")},
    ),
    "a copy says another state": (
        "copy", "UPDATE orders.archive_by_restaurant SET state = 'x' WHERE shard = $1 AND id = $2",
        {("dimensions", "is not as it was archived")},
    ),
    "a letter of the details differs": (
        "truth", "UPDATE orders.archive SET body[1] = replace(body[1], 'Cali', 'Bali')"
        " WHERE shard = $1 AND id = $2",
        {("dimensions", "is not as it was archived")},
    ),
    "an event is gone": (
        "truth", "UPDATE orders.archive SET body = body[1:3] || body[5:] WHERE shard = $1 AND id = $2",
        {("log", "is at version 7, but its last event is version 6")},
    ),
    "an event is no JSON": (
        "truth", "UPDATE orders.archive SET body[3] = '{' WHERE shard = $1 AND id = $2",
        {("log", "version 2: the event's data is no JSON")},
    ),
    "the total differs": (
        "truth", "UPDATE orders.archive SET total = total + 1 WHERE shard = $1 AND id = $2",
        {("dimensions", "is not as it was archived"), ("payments", "has 3400 COP in cash, not 3401")},
    ),
}  # fmt: skip


@pytest.mark.parametrize("spoilt", ARCHIVED)
async def test_what_is_spoilt_in_the_archive_is_found(town: Town, spoilt: str) -> None:
    await town.archive()
    order, (on, sql, expected) = town.known["done"], ARCHIVED[spoilt]
    node, shard = (order.truth, order.shard) if on == "truth" else (order.copy, order.copy_shard)
    assert await node.execute(sql, shard, order.id) != "UPDATE 0"
    found = {(check, what) for check, subject, what in await town.faults() if subject == str(order)}
    assert expected <= found
