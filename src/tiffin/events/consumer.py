"""What a consumer is: a name, what it does with events, and what it wants of whoever delivers them."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from tiffin.events.event import Event
from tiffin.events.gathering import NOBODY_WAITS_S
from tiffin.events.reader import BATCH_MAX

Handle = Callable[[Sequence[Event]], Awaitable[None]]

TRIES = 5


@dataclass(frozen=True)
class Consumer:
    """A name, under which all that is known of it is kept, and what to do with events.

    `handle` gets events at least once, those of one key in order, and must be idempotent: by itself or by the
    inbox. `Unavailable` and lost connections say that the world is at fault: the same events come again until
    it is not. Whatever else it raises is counted against the events: they are tried again, alone, and after
    `tries` put among the dead letters.
    """

    name: str
    handle: Handle
    gather_s: float = 0.0
    """How long events may gather between two batches. A batch costs much the same whatever its size, so
    this buys CPU with lag."""
    types: frozenset[str] | None = None
    """The events it wants; it is given no others. None: all."""
    ordered: bool = False
    """What comes after a dead event of the same key. True: it is put behind that one, among the dead letters,
    and comes when that one has been replayed or discarded. False: it goes on."""
    tries: int = TRIES
    """So often an event is handled alone before it is dead."""
    concurrency: int = 1
    """So many batches at a time, those of one key still in order."""
    batch_max: int = BATCH_MAX
    """So many events are read ahead of what has been handled, and no more."""
    together: bool = False
    """What readers of several nodes' logs bring at the same moment is handled as one batch: for who has to do
    with all nodes, whichever one the events come from."""
    depth_max: int = 10_000
    """On the broker: with more than about so many events waiting its queue is cut, and it reads the log until
    it has caught up. Nobody else notices."""
    batches: bool = False
    """On the broker: several events a message, of all types, which costs the broker a tenth."""
    starts_at: datetime | None = None
    """Where one that is not known yet begins: with what happened from then on. None: with all there is."""

    @property
    def listens(self) -> bool:
        """Whether commits wake it. Who lets events gather for long looks by itself: every wake-up costs."""
        return self.gather_s < NOBODY_WAITS_S
