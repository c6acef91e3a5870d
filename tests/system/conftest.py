"""Fixtures of whole platforms: `tiffin up` as a process of its own, killed and started again at will."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

import databases
from system.commands import Demo, run_demo
from tiffin_process import TiffinProcess


@pytest.fixture
def data_directory() -> Iterator[Path]:
    """An empty data directory. The PostgreSQL in it has fsync on: what is tested here is durability."""
    directory = databases.make_directory()
    yield directory
    databases.remove_directory(directory)


@pytest.fixture(scope="module")
def platform() -> Iterator[TiffinProcess]:
    """A running platform that the tests of a module share."""
    directory = databases.make_directory()
    with TiffinProcess(directory) as process:
        yield process
    databases.remove_directory(directory)


@pytest.fixture(scope="session")
def demos() -> Iterator[Mapping[int, "Future[Demo]"]]:
    """A demo on one node and one on four: their days pass side by side, while other tests run."""
    with ThreadPoolExecutor(2) as at_once:
        demos = {nodes: at_once.submit(run_demo, databases.make_directory(), nodes) for nodes in (1, 4)}
        yield demos
    for demo in demos.values():
        databases.remove_directory(demo.result().directory)
