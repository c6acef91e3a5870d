"""A clock that tests set."""

from datetime import datetime, timedelta


class ManualClock:
    """Stands still until told otherwise."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def set(self, moment: datetime) -> None:
        self.now = moment

    def advance(self, seconds: float) -> datetime:
        """Let time pass. Returns the new moment."""
        self.now += timedelta(seconds=seconds)
        return self.now
