"""A breaker: who has failed again and again is left alone for a while, then tried with one call.

Decides; keeps no time of its own. Moments are seconds of any clock that never goes back.
"""

from enum import Enum

FAILURES_TO_OPEN = 5
"""One after another, with no success between them."""
OPEN_S = 1.0
OPEN_MAX_S = 30.0
"""Every trial that fails doubles the rest, up to this."""


class State(Enum):
    """What a breaker lets pass: everything, nothing, or one call on trial."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """One dependency's. Whoever was let through says how it ended: `succeeded`, `failed` or `gave_up`."""

    def __init__(
        self,
        failures_to_open: int = FAILURES_TO_OPEN,
        open_s: float = OPEN_S,
        open_max_s: float = OPEN_MAX_S,
    ) -> None:
        self._failures_to_open = failures_to_open
        self._open_s = open_s
        self._open_max_s = open_max_s
        self._failures = 0
        self._rest_s = open_s
        self._trial_at = 0.0
        self.state = State.CLOSED

    def would_allow(self, now_s: float) -> bool:
        """Whether `allow` would say yes; takes nothing."""
        if self.state is State.OPEN:
            return now_s >= self._trial_at
        return self.state is State.CLOSED

    def allow(self, now_s: float) -> bool:
        """May a call go out? After its rest an open breaker says yes once: that call is the trial."""
        if self.state is State.CLOSED:
            return True
        if self.state is State.OPEN and now_s >= self._trial_at:
            self.state = State.HALF_OPEN
            return True
        return False

    def wait_s(self, now_s: float) -> float:
        """Until the next trial may begin; nothing while closed."""
        return max(0.0, self._trial_at - now_s) if self.state is State.OPEN else 0.0

    def came_back(self, now_s: float) -> None:
        """There is a sign of life: the next trial need not wait any longer."""
        if self.state is State.OPEN:
            self._trial_at = now_s

    def succeeded(self) -> None:
        """An answer came. One that was asked for before the breaker opened does not close it."""
        if self.state is State.OPEN:
            return
        self._failures = 0
        self._rest_s = self._open_s
        self.state = State.CLOSED

    def failed(self, now_s: float) -> None:
        """No answer came."""
        if self.state is State.HALF_OPEN:
            self._rest_s = min(self._rest_s * 2, self._open_max_s)
        elif self.state is State.OPEN:
            return
        else:
            self._failures += 1
            if self._failures < self._failures_to_open:
                return
        self.state = State.OPEN
        self._trial_at = now_s + self._rest_s

    def gave_up(self, now_s: float) -> None:
        """The caller went away before it was known: a trial that says nothing makes way for the next."""
        if self.state is State.HALF_OPEN:
            self.state = State.OPEN
            self._trial_at = now_s
