"""What import contracts cannot say: who reads clock, environment and chance, and what primitives use."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tiffin

SOURCE = Path(tiffin.__file__).parent

ONLY_IN = {
    "os.environ": ("cli",),
    "os.getenv": ("cli",),
    "time.time": ("cli",),
    "time.time_ns": ("cli",),
    "datetime.datetime.now": ("cli",),
    "datetime.datetime.utcnow": ("cli",),
    "datetime.date.today": ("cli",),
    "random.Random": ("cli", "load"),  # seeded: the same day of orders again
}
"""Name to the parts of the platform that may use it."""

NOBODY = ("random.",)
"""Everything else whose name begins like this."""

EMPTY_NAMES = {"utils", "util", "common", "helpers", "helper", "manager", "managers", "misc"}


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def used_names(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Every dotted name of an imported thing, spelled in full, with its line."""
    full = {}
    for statement in ast.walk(tree):
        if isinstance(statement, ast.Import):
            full |= {alias.asname or alias.name: alias.name for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom) and not statement.level:
            names = {
                alias.asname or alias.name: f"{statement.module}.{alias.name}" for alias in statement.names
            }
            full |= names
            yield from ((name, statement.lineno) for name in names.values())
    for expression in ast.walk(tree):
        parts: list[str] = []
        inner: ast.AST = expression
        while isinstance(inner, ast.Attribute):
            parts.insert(0, inner.attr)
            inner = inner.value
        if parts and isinstance(inner, ast.Name) and inner.id in full:
            yield ".".join([full[inner.id], *parts]), expression.lineno


def offences(path: Path, text: str) -> list[str]:
    part = path.relative_to(SOURCE).parts[0]
    found = []
    for name, line in used_names(ast.parse(text)):
        for forbidden, parts in ONLY_IN.items():
            if name == forbidden or name.startswith(f"{forbidden}."):
                if part not in parts:
                    found.append(f"{path}:{line} uses {name}")
                break
        else:
            if name.startswith(NOBODY):
                found.append(f"{path}:{line} uses {name}")
    return found


def test_only_the_composition_root_reads_clock_environment_and_chance():
    assert [offence for path in modules() for offence in offences(path, path.read_text())] == []


@pytest.mark.parametrize(
    "text",
    [
        "import os\nos.environ['A']",
        "from os import environ",
        "import os as system\nsystem.environ.get('A')",
        "import time\ntime.time()",
        "from time import time",
        "import datetime\ndatetime.datetime.now()",
        "from datetime import datetime\ndatetime.now(None)",
        "from datetime import date\ndate.today()",
        "import random\nrandom.random()",
        "from random import Random",
        "from random import choice",
    ],
)
def test_an_offence_is_noticed_however_it_is_spelled(text: str):
    assert offences(SOURCE / "services" / "orders" / "x.py", text)


def test_load_may_draw_seeded_numbers_and_no_others():
    load = SOURCE / "load" / "x.py"
    assert not offences(load, "import random\nrandom.Random(1)")
    assert offences(load, "import random\nrandom.random()")


def test_primitives_import_the_standard_library_only():
    foreign = {
        (path.name, name)
        for path in (SOURCE / "primitives").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for name in _imported(node)
        if name.split(".")[0] not in sys.stdlib_module_names and not name.startswith("tiffin.primitives")
    }
    assert foreign == set()


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def test_every_package_says_what_it_is():
    silent = [
        path for path in SOURCE.rglob("*/__init__.py") if not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_no_module_has_an_empty_name():
    assert [path for path in modules() if path.stem in EMPTY_NAMES] == []


def test_no_service_relies_on_the_inbox():
    """Its marks stay on their node when shards move. Effects of ours happen once by unique keys and versions,
    which move with their rows; whoever begins to use the inbox has to have marks moved first."""
    for part in ("services", "gateway", "cli"):
        for path in (SOURCE / part).rglob("*.py"):
            assert "events.inbox" not in path.read_text(), path
