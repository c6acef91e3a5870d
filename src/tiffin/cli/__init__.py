"""Commands, and the composition root: the only part that reads the environment, the files and the clock.

May import everything. `commands/` is what can be typed; each command's work is a module beside it.
"""

from tiffin.cli.app import main

__all__ = ["main"]
