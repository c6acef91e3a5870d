"""How long events gather before they are read, by the number of nodes."""

import asyncio

import pytest

from tiffin.events import gathering
from tiffin.events.gathering import NOBODY_WAITS_MAX_S, SOMEBODY_WAITS_MAX_S, gathered, gathering_s


def test_on_one_node_events_gather_as_long_as_their_consumer_says():
    assert gathering_s(0.02, 1) == 0.02


def test_on_many_nodes_they_gather_longer_but_nobody_waits_for_long():
    assert gathering_s(0.02, 4) == 0.08
    assert gathering_s(0.02, 100) == gathering_s(0.1, 8) == SOMEBODY_WAITS_MAX_S
    assert gathering_s(0.5, 8) == NOBODY_WAITS_MAX_S


def test_who_gathers_for_longer_anyway_is_left_alone():
    assert gathering_s(5.0, 8) == 5.0


async def test_who_lets_events_gather_comes_back_at_the_same_moments_after_half_to_one_and_a_half_of_it(
    monkeypatch: pytest.MonkeyPatch,
):
    """So readers that began at different moments meet."""
    slept: list[float] = []

    async def note(seconds: float) -> None:
        slept.append(seconds)

    for now_s in (100.0, 100.3, 100.49, 100.51, 100.99):
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda now_s=now_s: now_s, raising=False)
        monkeypatch.setattr(gathering.asyncio, "sleep", note)
        await gathered(1.0)
        monkeypatch.undo()
    assert [round(seconds, 6) for seconds in slept] == [1.0, 0.7, 0.51, 1.49, 1.01]
