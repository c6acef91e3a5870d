"""When a call is tried again: a budget that an outage cannot exceed, and the pause before each try."""

from collections.abc import Callable

Chance = Callable[[], float]
"""Gives a number from 0 up to 1, like `random.random`."""

TRIES_MAX = 3
BUDGET_SHARE = 0.1
BUDGET_BURST = 10
PAUSE_S = 0.02
PAUSE_MAX_S = 0.5


class RetryBudget:
    """A token bucket: every call pays in a share of a retry, and at most `burst` of them are saved up.

    Under a full outage calls are multiplied by 1 + `share`, not by `TRIES_MAX`.
    """

    def __init__(self, share: float = BUDGET_SHARE, burst: int = BUDGET_BURST) -> None:
        self._share = share
        self._burst = float(burst)
        self._saved = float(burst)

    def pay_in(self) -> None:
        """A call begins."""
        self._saved = min(self._burst, self._saved + self._share)

    def take(self) -> bool:
        """May a call be tried again? If so it is paid."""
        if self._saved < 1:
            return False
        self._saved -= 1
        return True


def pause_s(retry: int, chance: Chance) -> float:
    """The wait before the first (1), second ... retry: anything up to a limit that doubles, so that callers
    who failed together do not come back together."""
    return chance() * min(PAUSE_S * 2 ** (retry - 1), PAUSE_MAX_S)
