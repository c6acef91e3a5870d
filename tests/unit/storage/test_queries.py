"""SQL lives in files: named, commented, and found by name."""

from importlib.resources import files
from pathlib import Path

import pytest

import tiffin
from tiffin.storage.queries import load_queries

PACKAGES = sorted(
    ".".join(("tiffin", *file.parent.relative_to(Path(tiffin.__file__).parent).parts))
    for file in Path(tiffin.__file__).parent.rglob("queries.sql")
)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_statement_has_a_name_of_its_own(package: str):
    text = files(package).joinpath("queries.sql").read_text()
    queries = load_queries(package)
    assert len(queries) == text.count("-- name: ")
    assert all(";" in statement for statement in queries.values())


def test_a_statement_runs_from_its_name_to_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    package = tmp_path / "some_store"
    package.mkdir()
    package.joinpath("queries.sql").write_text("-- name: one\n-- why\nSELECT 1;\n\n-- name: two\nSELECT 2;\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert load_queries("some_store") == {"one": "-- why\nSELECT 1;", "two": "SELECT 2;"}
