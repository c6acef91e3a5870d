"""Bugs that others have had, planted one by one: the suite notices each."""

from pathlib import Path

import pytest

from planted.bugs import BUGS, Bug
from planted.page import PAGE, page
from planted.planting import changes_tables, copy_source, is_caught, plant, run
from tiffin.storage.embedded import EmbeddedServer

QUICK = ("money is split as floating-point numbers", "a signature is not compared")
"""Need no database: planted with every run of the tests."""
_by_name = pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name.replace(" ", "_"))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy without a bug."""
    return copy_source(tmp_path_factory.mktemp("sound"))


@_by_name
def test_it_can_be_planted_still(bug: Bug, sound: Path) -> None:
    files = {name: (sound / "tiffin" / name).read_text(encoding="utf-8") for name, _, _ in bug.edits}
    try:
        plant(bug, sound)
    finally:
        for name, text in files.items():
            (sound / "tiffin" / name).write_text(text, encoding="utf-8")


@pytest.mark.parametrize("name", QUICK)
def test_it_is_caught(name: str, tmp_path: Path) -> None:
    (bug,) = [bug for bug in BUGS if bug.name == name]
    check(bug, tmp_path)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_the_same_tests_pass_without_a_bug(sound: Path, tmp_path: Path, server: EmbeddedServer) -> None:
    ran = run(sorted({bug.test for bug in BUGS}), sound, tmp_path / "scratch", server)
    assert ran.code == 0, ran.output


@pytest.mark.soak
@pytest.mark.timeout(3600)
@_by_name
def test_each_is_caught(bug: Bug, tmp_path: Path, server: EmbeddedServer) -> None:
    check(bug, tmp_path, None if changes_tables(bug) else server)


def check(bug: Bug, directory: Path, server: EmbeddedServer | None = None) -> None:
    packages = copy_source(directory)
    plant(bug, packages)
    ran = run([bug.test], packages, directory / "scratch", server)
    assert is_caught(bug, ran), ran.output


def test_the_page_tells_of_all_of_them() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m planted.page"
