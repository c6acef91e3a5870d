"""A move: some shards of both dimensions, from one node to another, and the steps it takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from tiffin.sharding.slots import DIMENSIONS, Dimension

Step = Literal[
    "planned", "copying", "copied", "switching", "following", "going_back", "back", "finished", "cancelled"
]
"""`planned`: nothing is there yet. `copying`: the target gets all rows, and every change since. `copied`: it
has them, and the two were compared. `switching`: shard after shard is handed over. `following`: the target
has them, the source is kept up to date. `going_back`, `back`: the same in the other direction."""

NEXT: Final[Mapping[Step, frozenset[Step]]] = {
    "planned": frozenset(("copying", "cancelled")),
    "copying": frozenset(("copied", "cancelled")),
    "copied": frozenset(("switching", "cancelled")),
    "switching": frozenset(("following", "going_back")),
    "following": frozenset(("going_back", "finished")),
    "going_back": frozenset(("back",)),
    "back": frozenset(("cancelled",)),
    "finished": frozenset(),
    "cancelled": frozenset(),
}


class MoveError(Exception):
    """A move cannot be planned, or cannot go on; the message says why and what to do."""


class MoveBusy(MoveError):
    """Somebody else is at it."""


@dataclass(frozen=True)
class Move:
    """As it is recorded in the directory."""

    id: int
    source: str
    target: str
    shards: Mapping[Dimension, Sequence[int]]
    step: Step

    @property
    def there(self) -> str:
        """Name of the publication, slot and subscription from the source to the target."""
        return f"tiffin_move_{self.id}"

    @property
    def back(self) -> str:
        """The same from the target to the source."""
        return f"tiffin_move_{self.id}_back"

    @property
    def places(self) -> list[tuple[Dimension, int]]:
        """Every shard of it."""
        return [(dimension, shard) for dimension in DIMENSIONS for shard in self.shards[dimension]]
