"""What the log holds."""

from datetime import datetime
from typing import Literal, NamedTuple

Stream = Literal["order", "payment", "person", "ledger", "case"]


class Event(NamedTuple):
    """One fact. `(stream, key, version)` names it; `(xid, position)` orders it within its node."""

    xid: int
    position: int
    day: int
    """Days since the epoch; with the cursor's day a reader knows which partitions to open."""
    dimension: str
    shard: int
    stream: Stream
    key: str
    """The order's id, as text; a payment's events carry the id of the payment, a person's theirs, the
    ledger's the entry's or settlement's, a case's the case's."""
    version: int
    type: str
    """Past tense: `order.accepted`."""
    data: str
    """JSON of the contract's event: `OrderEvent`, `PaymentEvent` or `PersonEvent`."""
    at: datetime
    trace: str
    """The request that made it."""
