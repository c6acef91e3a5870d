from datetime import UTC, datetime, timedelta

from manual_clock import ManualClock
from tiffin.load.day import demo_day
from tiffin.load.pace import FlatOut, Timed
from tiffin.load.run import SOON_S, Deadlines, Run
from tiffin.load.tally import Tally

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
LATER = next(arrival for arrival in demo_day(200) if arrival.wanted_at_s is not None)
AT_ONCE = next(arrival for arrival in demo_day(200) if arrival.wanted_at_s is None)


def run_of(pace, midnight):
    deadlines = Deadlines(schedule_lead_s=3000)
    return Run("r", None, {}, pace, deadlines, Tally(), ManualClock(NOW), midnight)


async def test_an_order_for_now_asks_for_no_time():
    assert run_of(FlatOut(), None).scheduled_for(AT_ONCE) is None


async def test_at_real_speed_a_scheduled_order_asks_for_its_own_time():
    placed_at = NOW - timedelta(seconds=LATER.wanted_at_s - 3600)
    run = run_of(Timed(1.0, 0), placed_at)
    assert run.scheduled_for(LATER) == NOW + timedelta(hours=1)
    assert run.rests_s(run.scheduled_for(LATER)) == 600


async def test_in_a_hurried_day_a_scheduled_order_rests_for_a_moment_and_no_longer():
    for run in (run_of(FlatOut(), None), run_of(Timed(2000.0, 0), NOW)):
        scheduled_for = run.scheduled_for(LATER)
        assert scheduled_for > NOW
        assert run.rests_s(scheduled_for) == SOON_S
