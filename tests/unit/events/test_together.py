"""Batches of several readers handled as one: nobody's events are lost, everybody's errors are their own."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from tiffin.events import together
from tiffin.events.event import Event
from tiffin.events.together import Together

NEVER_S = 3600.0


@pytest.fixture(autouse=True)
def _only_who_is_missing_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    monkeypatch.setattr(together, "WAIT_MAX_S", NEVER_S)


class Handler:
    """Remembers the batches it was given; fails for keys it does not like."""

    def __init__(self, bad: str = "", hangs: bool = False) -> None:
        self.batches: list[list[str]] = []
        self._bad = bad
        self._hangs = hangs
        self.began = asyncio.Event()

    async def __call__(self, events: Sequence[Event]) -> None:
        self.batches.append([event.key for event in events])
        self.began.set()
        if self._hangs and len(self.batches) == 1:
            await asyncio.Event().wait()
        if self._bad in self.batches[-1]:
            raise LookupError(self._bad)


def events(*keys: str) -> list[Event]:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return [Event(1, 1, 1, "customer", 1, "order", key, 1, "order.placed", "{}", at, "") for key in keys]


async def begun(joint: Together, *keys: str) -> list[asyncio.Task[None]]:
    """Readers that have come, in this order, with a batch each."""
    tasks = [asyncio.create_task(joint.handle(events(key))) for key in keys]
    await asyncio.sleep(0)
    return tasks


async def test_what_all_readers_bring_is_handled_as_one_batch_each_ones_in_its_order():
    handler = Handler()
    joint = Together(handler, 2 * NEVER_S, lambda: 3)
    await asyncio.gather(*(joint.handle(events(*keys)) for keys in ("ab", "c", "de")))
    assert handler.batches == [["a", "b", "c", "d", "e"]]


async def test_the_next_batches_are_another_group():
    handler = Handler()
    joint = Together(handler, 2 * NEVER_S, lambda: 2)
    for _ in range(2):
        await asyncio.gather(joint.handle(events("a")), joint.handle(events("b")))
    assert handler.batches == [["a", "b"], ["a", "b"]]


async def test_a_single_reader_waits_for_nobody():
    handler = Handler()
    await Together(handler, 2 * NEVER_S, lambda: 1).handle(events("a"))
    assert handler.batches == [["a"]]


async def test_readers_that_bring_nothing_are_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(together, "WAIT_MAX_S", 0.01)
    handler = Handler()
    joint = Together(handler, 2 * NEVER_S, lambda: 3)
    await asyncio.gather(joint.handle(events("a")), joint.handle(events("b")))
    assert handler.batches == [["a", "b"]]


async def test_if_one_batch_of_all_fails_each_is_handled_alone_and_gets_its_own_error():
    handler = Handler(bad="b")
    joint = Together(handler, 2 * NEVER_S, lambda: 3)
    outcomes = await asyncio.gather(*(joint.handle(events(key)) for key in "abc"), return_exceptions=True)
    assert handler.batches[0] == ["a", "b", "c"]
    assert sorted(handler.batches[1:]) == [["a"], ["b"], ["c"]]
    assert [type(outcome) for outcome in outcomes] == [type(None), LookupError, type(None)]


async def test_after_a_failure_nobody_waits_for_or_falls_with_others_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
):
    handler = Handler(bad="b")
    joint = Together(handler, 2 * NEVER_S, lambda: 2)
    await asyncio.gather(joint.handle(events("a")), joint.handle(events("b")), return_exceptions=True)
    handler.batches.clear()
    await joint.handle(events("c"))
    assert handler.batches == [["c"]]
    loop = asyncio.get_running_loop()
    later_s = loop.time() + together.APART_S
    monkeypatch.setattr(loop, "time", lambda: later_s, raising=False)
    await asyncio.gather(joint.handle(events("d")), joint.handle(events("e")))
    assert handler.batches == [["c"], ["d", "e"]]


async def test_who_is_ended_while_it_handles_for_all_leaves_the_others_to_themselves():
    handler = Handler(hangs=True)
    joint = Together(handler, 2 * NEVER_S, lambda: 2)
    first, second = await begun(joint, "a", "b")
    await handler.began.wait()
    first.cancel()
    await second
    assert handler.batches == [["a", "b"], ["b"]]


async def test_who_is_ended_while_it_waits_leaves_the_others_to_themselves():
    handler = Handler()
    joint = Together(handler, 2 * NEVER_S, lambda: 3)
    first, second = await begun(joint, "a", "b")
    first.cancel()
    await second
    assert handler.batches == [["b"]]
    third = asyncio.create_task(joint.handle(events("c")))
    await asyncio.gather(third, joint.handle(events("d")), joint.handle(events("e")))
    assert handler.batches[1:] == [["c", "d", "e"]]


async def test_who_is_ended_while_another_handles_its_events_ends_nobody_else():
    handler = Handler()
    joint = Together(handler, 2 * NEVER_S, lambda: 3)
    first, second = await begun(joint, "a", "b")
    second.cancel()
    await asyncio.gather(first, joint.handle(events("c")))
    assert handler.batches == [["a", "b", "c"]]
