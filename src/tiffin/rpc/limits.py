"""How much a server takes on at once: each class of callers its own share, so that none starves another."""

from collections import deque
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from tiffin.primitives.errors import Unavailable
from tiffin.rpc.frames import CALL_BYTES_MAX

OVERLOADED_RETRY_MS = 200

Call = TypeVar("Call")

CallerClass = Literal["customer", "restaurant", "background", "health"]


def class_of(role: str) -> CallerClass:
    """Whose share a call takes. A new role of people shares with customers until it is named here."""
    if role == "system":
        return "background"
    return "restaurant" if role in ("restaurant", "courier", "operator") else "customer"


@dataclass(frozen=True)
class Share:
    """Of one class: how many calls are carried out at once, and how many may wait for their turn."""

    running_max: int
    waiting_max: int


@dataclass(frozen=True)
class Limits:
    """Of one server. Group commit likes company: hundreds of calls at once are one batch, not hundreds."""

    customer: Share = Share(512, 1024)
    restaurant: Share = Share(256, 512)
    background: Share = Share(128, 512)
    health: Share = Share(64, 64)
    """Whoever asks for health: it is answered also when nothing else is."""
    frame_bytes_max: int = CALL_BYTES_MAX
    frame_s: float = 10.0
    """How long one frame may take to arrive."""
    connections_max: int = 1000


class Gate(Generic[Call]):
    """Calls of one class, in their order. Whoever was let in gives the place back with `leave`."""

    def __init__(self, share: Share) -> None:
        self._share = share
        self._waiting: deque[Call] = deque()
        self.running = 0

    @property
    def waiting(self) -> int:
        """Calls that have not begun."""
        return len(self._waiting)

    def enter(self, call: Call) -> bool:
        """Whether the call begins now; else it waits. `Unavailable` ("overloaded") if too many do."""
        if self.running < self._share.running_max:
            self.running += 1
            return True
        if len(self._waiting) >= self._share.waiting_max:
            raise Unavailable("overloaded", "too many calls are under way", OVERLOADED_RETRY_MS)
        self._waiting.append(call)
        return False

    def leave(self) -> Call | None:
        """A call has ended. Returns the one that begins in its place: who has waited longest."""
        if self._waiting:
            return self._waiting.popleft()
        self.running -= 1
        return None

    def send_away(self) -> list[Call]:
        """Nobody waits any more. Returns those who did."""
        waiting = [*self._waiting]
        self._waiting.clear()
        return waiting
