"""Pages that are partly hot and partly archived, and which need not look into the archive at all."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tiffin.services.orders.archive import AGE_MIN, may_hold, merge
from tiffin.services.orders.order import OrderRow

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def row(number: int, minutes_ago: int) -> OrderRow:
    placed_at = NOW - timedelta(minutes=minutes_ago)
    return OrderRow(
        0, number, "c", "r", "completed", 1, placed_at, placed_at, None, None, None, "cash", 1, "COP", None,
        None, "{}", "k", b"",
    )  # fmt: skip


def newest_first(rows: list[OrderRow]) -> list[OrderRow]:
    return sorted(rows, key=lambda each: (each.placed_at, each.id), reverse=True)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.booleans()), max_size=30), st.integers(1, 12))
def test_two_pages_are_merged_as_if_they_came_from_one_table(
    orders: list[tuple[int, bool, bool]], limit: int
) -> None:
    """However they are spread, and if some went from one to the other between the two reads."""
    rows = [row(number, minutes) for number, (minutes, _, _) in enumerate(orders)]
    hot = [each for each, (_, is_hot, _) in zip(rows, orders, strict=True) if is_hot]
    archived = [each for each, (_, is_hot, went) in zip(rows, orders, strict=True) if went or not is_hot]
    page = merge(newest_first(hot)[:limit], newest_first(archived)[:limit], limit)
    assert page == newest_first(rows)[:limit]


def test_a_full_page_of_young_orders_needs_no_look_into_the_archive() -> None:
    young, old = row(1, 5), row(2, int(AGE_MIN.total_seconds() // 60))
    assert not may_hold([young, young], None, 2, NOW)
    assert may_hold([young], None, 2, NOW)
    assert may_hold([young, old], None, 2, NOW)
    assert not may_hold([young], "preparing", 2, NOW)
    assert may_hold([young], "cancelled", 2, NOW)
