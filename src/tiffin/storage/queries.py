"""SQL lives in `.sql` files beside the store that uses it; this reads them."""

import re
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


def load_queries(package: str, file: str = "queries.sql") -> dict[str, str]:
    """The named statements of a package's SQL file: each begins with a line `-- name: something`."""
    parts = _NAME.split(files(package).joinpath(file).read_text(encoding="utf-8"))
    return dict(zip(parts[1::2], (statement.strip() for statement in parts[2::2]), strict=True))
