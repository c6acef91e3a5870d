"""The commands of the README and of pages like it, cut out of them."""

import re
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def shell_example(page: Path = README) -> str:
    """The walk with curl, without the activation of the virtual environment."""
    found = re.search(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)
    assert found, f"{page.name} has no shell example any more"
    return found[1].replace("source .venv/bin/activate\n", "")
