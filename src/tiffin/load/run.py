"""What the actors of one run share."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from tiffin.load.catalogue import Menu
from tiffin.load.day import Arrival
from tiffin.load.journal import Acknowledged, Journal
from tiffin.load.pace import Pace
from tiffin.load.platform import Platform
from tiffin.load.tally import Tally
from tiffin.primitives.clock import Clock, to_text
from tiffin.rpc import contracts as c

SOON_S = 1.0
"""A scheduled order is released no sooner than so long after it is placed: it must rest for a moment."""


WATCHED_S = 60.0
"""A deadline of the platform's beyond this is not waited for: people end the matter themselves."""


@dataclass(frozen=True)
class Deadlines:
    """The running platform's policy, as far as the actors' waiting depends on it. Real seconds."""

    payment_s: float = 900.0
    acceptance_s: float = 300.0
    schedule_lead_s: float = 3000.0


class View(msgspec.Struct, frozen=True, gc=False):
    """What an actor needs to know of an order."""

    id: str
    state: str
    version: int
    courier_id: str | None = None


@dataclass(frozen=True)
class Run:
    """One day driven once against one platform."""

    name: str
    """Part of every idempotency key: another run of the same day places other orders."""
    platform: Platform
    menus: Mapping[str, Menu]
    pace: Pace
    deadlines: Deadlines
    tally: Tally
    clock: Clock
    midnight: datetime | None
    """The real moment of the day's second 0, if the day runs at a speed."""
    journal: Journal | None = None

    def acknowledged(self, key: str, answer: bytes) -> View:
        """The order in a 2xx answer, noted in the journal."""
        view = read_view(answer)
        if self.journal is not None:
            self.journal.write(Acknowledged(key, view.id, view.state, view.version))
        return view

    def case_acknowledged(self, key: str, case: c.Case) -> c.Case:
        """A case that a 2xx answer told of, noted in the journal beside its order's key."""
        if self.journal is not None:
            self.journal.write(Acknowledged(key, case.order_id, case.state, case.version, case.id))
        return case

    def scheduled_for(self, arrival: Arrival) -> datetime | None:
        """The time to ask for, on the platform's clock, which does not run at the day's speed.

        The platform releases a scheduled order a fixed lead before its time. In a day played faster than it
        was, most times are nearer than that: such an order asks for the lead and a moment more, so that it
        rests and is released. At real speed it asks for its own time.
        """
        if arrival.wanted_at_s is None:
            return None
        earliest = self.clock() + timedelta(seconds=self.deadlines.schedule_lead_s + SOON_S)
        if self.midnight is None or self.pace.speed is None:
            return earliest
        return max(earliest, self.midnight + timedelta(seconds=arrival.wanted_at_s / self.pace.speed))

    def rests_s(self, scheduled_for: datetime) -> float:
        """Seconds from now until the platform releases an order for this time."""
        return (scheduled_for - self.clock()).total_seconds() - self.deadlines.schedule_lead_s


read_view = msgspec.json.Decoder(View).decode


def text_of(moment: datetime | None) -> str | None:
    return None if moment is None else to_text(moment)
