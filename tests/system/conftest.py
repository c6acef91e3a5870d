"""Fixtures of whole platforms: `tiffin up` as a process of its own, killed and started again at will."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import databases
from tiffin_process import TiffinProcess


@pytest.fixture
def data_directory() -> Iterator[Path]:
    """An empty data directory. The PostgreSQL in it has fsync on: what is tested here is durability."""
    with databases.directory() as directory:
        yield directory


@pytest.fixture(scope="module")
def platform() -> Iterator[TiffinProcess]:
    """A running platform that the tests of a module share."""
    with databases.directory() as directory, TiffinProcess(directory) as process:
        yield process
