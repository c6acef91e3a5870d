import gzip

import pytest

from tiffin.load.orders_csv import COLUMNS, BadFile, read_orders

ORDER = {
    "city": "medellin", "day": "C", "instance": "14", "order_id": "7", "poi_id": "330",
    "pick_up_lat": "6.212117", "pick_up_lng": "-75.59346", "drop_off_lat": "6.233", "drop_off_lng": "-75.603",
    "distance_m": "2587",
    "placed_s": "43200", "prep_start_s": "43260", "ready_s": "44460", "promised_s": "45000", "wrapped": "0",
}  # fmt: skip


def text_of(*orders, columns=COLUMNS):
    lines = [",".join(columns)] + [",".join({**ORDER, **order}[name] for name in columns) for order in orders]
    return "\n".join(lines) + "\n"


@pytest.fixture
def read(tmp_path):
    def read(text):
        file = tmp_path / "day.csv"
        file.write_text(text)
        return read_orders(file)

    return read


def test_an_order_is_read_as_it_was(read):
    (order,) = read(text_of({}))
    assert (order.at_s, order.city, order.restaurant_id) == (43200, "medellin", "medellin-330")
    assert order.timing[:2] == (60, 1200)
    assert order.pick_up == (6.212117, -75.59346)
    assert order.wanted_at_s is None


def test_an_order_promised_in_two_hours_is_scheduled(read):
    (order,) = read(text_of({"promised_s": "50400"}))
    assert order.wanted_at_s == 50400


def test_a_gzipped_file_is_the_same_day(read, tmp_path):
    file = tmp_path / "day.csv.gz"
    file.write_bytes(gzip.compress(text_of({}).encode()))
    assert read_orders(file) == read(text_of({}))


def test_what_a_file_does_not_say_is_drawn_the_same_each_time(read):
    assert read(text_of({}, {"order_id": "8"})) == read(text_of({}, {"order_id": "8"}))


def test_orders_come_in_order_of_time_and_those_of_one_second_as_in_the_file(read):
    day = read(text_of({"order_id": "3", "placed_s": "43210"}, {"order_id": "2"}, {"order_id": "1"}))
    assert [order.id.rpartition("-")[2] for order in day] == ["2", "1", "3"]


def test_clocks_that_began_anew_at_midnight_count_on(read):
    (order,) = read(
        text_of({"placed_s": "86000", "prep_start_s": "86100", "ready_s": "700", "promised_s": "1400"})
    )
    assert order.timing.prepare_s == 86_400 + 700 - 86_100
    (late,) = read(
        text_of({"placed_s": "86390", "prep_start_s": "20", "ready_s": "620", "promised_s": "4200"})
    )
    assert (late.timing.accept_s, late.timing.prepare_s, late.wanted_at_s) == (30, 600, 86_400 + 4200)


def test_clocks_that_already_count_past_midnight_stay_as_they_are(read):
    (order,) = read(
        text_of({"placed_s": "86000", "prep_start_s": "86100", "ready_s": "87100", "promised_s": "87800"})
    )
    assert order.timing.prepare_s == 1000


@pytest.mark.parametrize(
    ("order", "complaint"),
    [
        ({"placed_s": "noon"}, "placed_s is 'noon'"),
        ({"placed_s": "-1"}, "placed_s is '-1'"),
        ({"placed_s": "999999"}, "placed_s is '999999'"),
        ({"ready_s": "43259"}, "ready_s is before prep_start_s"),
        ({"prep_start_s": "43199"}, "prep_start_s is before placed_s"),
        ({"promised_s": "43199"}, "promised_s is before placed_s"),
        ({"drop_off_lat": "north"}, "north"),
        ({"drop_off_lat": "91"}, "drop_off is no place"),
        ({"drop_off_lat": "nan"}, "drop_off is no place"),
        ({"city": "são paulo"}, "city is 'são paulo'"),
        ({"poi_id": ""}, "poi_id is ''"),
    ],
)
def test_a_line_that_makes_no_sense_is_named(read, order, complaint):
    with pytest.raises(BadFile, match=f"line 3: .*{complaint}"):
        read(text_of({"order_id": "1"}, order))


def test_a_line_with_too_few_or_too_many_fields_is_named(read):
    with pytest.raises(BadFile, match="line 2: not 15 fields"):
        read(",".join(COLUMNS) + "\nmedellin,C,14\n")
    with pytest.raises(BadFile, match="line 2: not 15 fields"):
        read(text_of({}).rstrip() + ",more\n")


def test_the_same_order_twice_is_refused(read):
    with pytest.raises(BadFile, match="line 3: a second order medellin-C-14-7"):
        read(text_of({}, {}))


def test_missing_and_unknown_columns_are_named(read):
    columns = tuple(name for name in COLUMNS if name != "poi_id")
    with pytest.raises(BadFile, match="line 1: columns without poi_id"):
        read(text_of({}, columns=columns))
    with pytest.raises(BadFile, match="line 1: columns with unknown tip"):
        read(",".join((*COLUMNS, "tip")) + "\n")


def test_a_file_without_orders_or_that_is_no_text_is_refused(read, tmp_path):
    with pytest.raises(BadFile, match="no orders"):
        read(",".join(COLUMNS) + "\n")
    file = tmp_path / "day.csv.gz"
    file.write_bytes(b"no gzip")
    with pytest.raises(BadFile, match=r"day\.csv\.gz"):
        read_orders(file)
