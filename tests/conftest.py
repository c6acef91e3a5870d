"""Fixtures for everyone: a real PostgreSQL, one node, four nodes, a clock, ids.

Tests share databases and keep apart by ids of their own (`new_id`); nothing is emptied between them.
"""

import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

import databases
from debian_package import Missing, is_ci
from manual_clock import ManualClock
from mariadb_server import MariadbServer
from rabbitmq_broker import Broker
from tiffin.sharding.router import Router
from tiffin.sharding.topology import read_topology
from tiffin.storage.embedded import EmbeddedServer
from tiffin.storage.node import Node


def pytest_configure(config: pytest.Config) -> None:
    if _is_worker(config):
        return
    os.environ[databases.DIRECTORY] = str(databases.make_directory())
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Runs in the end however the run ended; workers are gone by then."""
    if not _is_worker(config):
        databases.remove_directory(Path(os.environ[databases.DIRECTORY]))


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedServer]:
    """An embedded PostgreSQL, one for all workers; the last of them to end stops it."""
    server = EmbeddedServer.start(Path(os.environ[databases.DIRECTORY]), databases.FAST_SETTINGS)
    yield server
    server.stop()


@pytest.fixture(scope="session")
async def node(server: EmbeddedServer) -> AsyncIterator[Node]:
    """A node with every schema and all shards, named `local`."""
    (node,) = await databases.open_platform(server, ["local"])
    yield node
    await node.close()


@pytest.fixture(scope="session")
async def router(node: Node) -> Router:
    """A router over that one node."""
    return await Router.open([node])


@pytest.fixture(scope="session")
async def four_nodes(server: EmbeddedServer) -> AsyncIterator[list[Node]]:
    """Four nodes with every schema, the shards spread over them; the first is the directory.

    Tests that move shards do it on nodes of their own: here they stay where they are.
    """
    nodes = await databases.open_platform(server, ["north", "east", "south", "west"])
    laid_out = await read_topology(nodes[0])
    yield nodes
    topology = await read_topology(nodes[0])
    for node in nodes:
        await node.close()
    assert topology == laid_out, "a test has moved shards of the shared nodes"


@pytest.fixture(scope="session")
async def four_router(four_nodes: list[Node]) -> Router:
    """A router over the four nodes."""
    return await Router.open(four_nodes)


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """A RabbitMQ node of this worker's own. Whoever kills it starts it again."""
    try:
        broker = Broker(Path(os.environ[databases.DIRECTORY]) / f"rabbitmq-{uuid4().hex[:6]}")
    except Missing as missing:
        (pytest.fail if is_ci() else pytest.skip)(str(missing))
    yield broker
    broker.remove()


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariadbServer]:
    """A MariaDB of this worker's own."""
    try:
        server = MariadbServer(Path(os.environ[databases.DIRECTORY]) / f"mariadb-{uuid4().hex[:6]}")
    except Missing as missing:
        (pytest.fail if is_ci() else pytest.skip)(str(missing))
    yield server
    server.stop()


@pytest.fixture
def clock() -> ManualClock:
    """Stands at noon of a Monday until a test sets or advances it."""
    return ManualClock(datetime(2026, 6, 1, 12, 0, tzinfo=UTC))


@pytest.fixture(scope="session")
def new_id() -> Callable[[str], str]:
    """Makes ids that no other test has: `new_id("customer")`."""
    return lambda prefix: f"{prefix}-{uuid4().hex[:12]}"
