import random

from tiffin.load.latency import Latencies


def test_percentiles_are_right_within_one_per_cent():
    drawn = [random.Random(seed).lognormvariate(-5, 1.5) for seed in range(20_000)]
    latencies = Latencies()
    for duration_s in drawn:
        latencies.add(duration_s)
    drawn.sort()
    for share in (0.5, 0.9, 0.99, 0.999):
        exact = drawn[int(len(drawn) * share) - 1]
        assert abs(latencies.at(share) - exact) <= 0.0101 * exact
    assert latencies.percentiles().max_s == drawn[-1]
    assert latencies.percentiles().count == 20_000


def test_one_duration_is_every_percentile():
    latencies = Latencies()
    latencies.add(0.25)
    took = latencies.percentiles()
    assert {round(each, 2) for each in (took.p50_s, took.p99_s, took.p999_s, took.max_s)} == {0.25}
    assert took.p50_s <= took.max_s


def test_no_durations_are_nought():
    assert Latencies().percentiles() == (type(Latencies().percentiles()))(0, 0, 0, 0, 0, 0)


def test_a_duration_of_nothing_and_one_that_went_back_in_time_count():
    latencies = Latencies()
    latencies.add(0.0)
    latencies.add(-1.0)
    assert latencies.percentiles().count == 2
