"""Looking for garbage, in a process that serves.

Reference counts free what calls leave behind; cycles are rare. Python looks for them every 700 new objects
all the same, and now and then through all that was ever loaded: a tenth of a call's CPU.
"""

import gc

NEW_OBJECTS_MAX = 50_000
"""Containers more than were freed, before it is looked for cycles among them."""


def settle() -> None:
    """What is there now stays for good; what comes is looked through less often. Once, when all is loaded."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS_MAX, *gc.get_threshold()[1:])
