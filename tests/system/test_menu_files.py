"""`tiffin menu export` and `import`, as somebody types them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import databases
from system.commands import tiffin
from system.town import Town
from tiffin_process import TiffinProcess


@pytest.fixture(scope="module")
def platform() -> Iterator[TiffinProcess]:
    with databases.directory() as directory, TiffinProcess(directory) as process:
        yield process


async def test_a_menu_goes_through_a_file_and_what_is_wrong_is_shown(platform: TiffinProcess, tmp_path: Path):
    async with Town.open(platform) as town:
        restaurant, empty = await town.add_restaurant(), await town.add_restaurant(menu=[])
    menu = tmp_path / "menu.csv"
    exported = platform.run("menu", "export", restaurant, str(menu))
    assert exported.returncode == 0, exported.stdout
    imported = platform.run("menu", "import", empty, str(menu))
    assert imported.returncode == 0, imported.stdout
    assert "3 dishes are good, 0 faults: the menu is version" in imported.stdout
    menu.write_text(menu.read_text() + "item,,tea,Tea,cheap,,,,,,,,,,,\n")
    refused = platform.run("menu", "import", empty, str(menu))
    assert refused.returncode == 1
    assert "is a whole number of minor units" in refused.stdout
    assert "stays as it is" in refused.stdout


def test_without_a_server_or_a_known_kind_of_file_nothing_is_done(tmp_path: Path):
    (tmp_path / "menu.txt").write_text("")
    assert "no server is up" in tiffin(tmp_path, "menu", "export", "roma", "menu.csv").stderr
    assert "a .csv or a .json file" in tiffin(tmp_path, "menu", "import", "roma", "menu.txt").stderr
    assert not (tmp_path / "menu.csv").exists()
