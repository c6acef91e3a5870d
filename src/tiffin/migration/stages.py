"""How far a migration is, who has the truth, and the error that says what to do first. No I/O."""

from typing import Literal

Stage = Literal["planned", "backfilling", "backfilled", "live", "finished"]
"""`live`: beyond the backfill; what then holds is in `dual_write`, `read_share` and `authority`."""
Authority = Literal["old", "new"]
"""Who decides: the old system, or Tiffin."""


class MigrationError(Exception):
    """It cannot go on like this; the message says what to do."""
