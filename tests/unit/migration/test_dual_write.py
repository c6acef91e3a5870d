"""The file that a monolith takes in: it asks nothing of the monolith, and sorts its customers for ever."""

import ast
import sys
from pathlib import Path

import tiffin_dual_write
from tiffin_dual_write import share_of

SOURCE = Path(tiffin_dual_write.__file__).read_text()


def test_it_needs_python_3_8_and_nothing_else() -> None:
    tree = ast.parse(SOURCE, feature_version=(3, 8))
    imported = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    imported += [name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names]
    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names


def test_a_greater_share_has_everybody_of_a_smaller_one() -> None:
    of_five = {number for number in range(20_000) if share_of(number) < 5}
    of_fifty = {number for number in range(20_000) if share_of(number) < 50}
    assert of_five < of_fifty
    assert 900 < len(of_five) < 1100
    assert all(0 <= share_of(number) < 100 for number in range(20_000))


def test_a_customer_stays_where_they_are_whatever_their_ids_type_is() -> None:
    assert share_of(17) == share_of("17") == 52.82
