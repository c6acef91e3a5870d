"""The README's own commands, cut out of it."""

import re
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def shell_example() -> str:
    """The walk with curl, without the activation of the virtual environment."""
    found = re.search(r"```sh\n(.*?)```", README.read_text(), re.DOTALL)
    assert found, "the README has no shell example any more"
    return found[1].replace("source .venv/bin/activate\n", "")
