"""Commands, and the composition root: the only part that reads the environment, the files and the clock.

May import everything. `app.py` is the list of commands; each command's work is a module beside it.
"""

from tiffin.cli.app import main

__all__ = ["main"]
