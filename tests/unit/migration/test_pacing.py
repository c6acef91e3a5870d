"""A source is asked before it is read, and left in peace while it is busy or its replicas are behind."""

import pytest

from tiffin.migration import pacing
from tiffin.migration.pacing import Pace, patiently
from tiffin.migration.sources import Load
from tiffin.primitives.errors import Refusal, Unavailable


class Source:
    """Is as busy as is said, one after the other."""

    def __init__(self, *loads: Load) -> None:
        self.loads = list(loads)

    async def load(self) -> Load:
        return self.loads.pop(0)


async def test_a_busy_source_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "LOOK_INTERVAL_S", 0.0)
    source = Source(Load(17, 0.0), Load(3, 60.0), Load(16, 1.0), Load(99, 0.0))
    await Pace(source, busy=16, rows_per_s=None).step(500)  # type: ignore[arg-type]
    assert source.loads == [Load(99, 0.0)]


async def test_what_is_away_for_a_moment_is_asked_again_and_a_no_is_a_no(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pacing, "PAUSE_S", 0.0)
    answers: list[Exception | int] = [
        Unavailable("a", "b"),
        Unavailable("a", "b"),
        7,
        Refusal("forbidden", "c"),
    ]

    async def ask() -> int:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert await patiently(ask) == 7
    with pytest.raises(Refusal):
        await patiently(ask)
    assert answers == []
