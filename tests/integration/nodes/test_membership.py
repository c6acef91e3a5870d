"""What may become a node, what may leave, and what is left when it may not."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from io import StringIO

import asyncpg
import msgspec
import pytest
from rich.console import Console

import databases
from tiffin.cli.config import Config
from tiffin.cli.membership import add, remove
from tiffin.cli.node_list import list_nodes
from tiffin.cli.nodes import enter_nodes, open_nodes
from tiffin.cli.schemas import SCHEMAS
from tiffin.cli.secret import read_secret
from tiffin.sharding import registry
from tiffin.sharding.moving import mover
from tiffin.sharding.registry import NodeError
from tiffin.sharding.topology import move_shards, read_topology
from tiffin.sharding.watching import watch
from tiffin.storage.embedded import EmbeddedServer
from tiffin.storage.migrations import migrate
from tiffin.storage.node import Node
from tiffin.storage.roles import role_name

WITHIN_S = 60.0


@dataclass
class Place:
    """A platform without processes, and a server that makes databases for it."""

    config: Config
    server: EmbeddedServer
    directory: Node
    made: list[str]
    new_id: Callable[[str], str]

    async def empty(self) -> tuple[str, str]:
        """Name and URL of an empty database."""
        name = self.new_id("n")
        await self.server.create_database(name)
        self.made.append(name)
        return name, self.server.url(name)

    async def add(self, url: str, name: str | None = None) -> None:
        await add(self.config, url, name, Console(quiet=True))

    async def remove(self, name: str) -> None:
        await remove(self.config, name, Console(quiet=True))

    async def nodes(self) -> list[str]:
        listed = await registry.listed(self.directory)
        return [name for name, each in listed.items() if not each.removed]


@pytest.fixture(scope="module")
async def place(
    server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory, new_id: Callable[[str], str]
) -> AsyncIterator[Place]:
    name = new_id("hub")
    await server.create_database(name)
    config = Config(data_directory=tmp_path_factory.mktemp("platform"), nodes={"hub": server.url(name)})
    place = Place(config, server, Node.__new__(Node), [name], new_id)
    async with open_nodes(config) as nodes:
        place.directory = nodes.all[0]
        yield place
    for name in place.made:
        await databases.drop(server, name)


async def test_a_running_process_enters_a_node_that_is_added_and_leaves_one_that_is_removed(place: Place):
    name, url = await place.empty()
    secret = read_secret(place.config.data_directory)
    async with enter_nodes(place.config.nodes, "orders", secret) as router:
        watching = asyncio.create_task(watch(router.directory, [router]))
        before = router.nodes
        try:
            async with asyncio.timeout(WITHIN_S):
                await place.add(url)
                nodes = await router.other_nodes(before)
                assert [node.name for node in nodes] == ["hub", name]
                row = await nodes[1].fetchrow("SELECT current_user, current_database()")
                assert tuple(row) == (role_name(name, "orders"), name)
                await place.remove(name)
                assert await router.other_nodes(nodes) == before
        finally:
            watching.cancel()


async def test_who_has_not_heard_of_a_node_finds_the_shards_that_went_there(place: Place):
    name, url = await place.empty()
    secret = read_secret(place.config.data_directory)
    async with enter_nodes(place.config.nodes, "orders", secret) as router:
        await place.add(url)
        await move_shards(place.directory, "customer", [7], name)
        try:
            asked: list[str] = []

            async def ask(node: Node) -> list[object]:
                asked.append(node.name)
                return []

            await router.read("customer", 7, ask)
            assert asked == ["hub", name]
        finally:
            await move_shards(place.directory, "customer", [7], "hub")
    await place.remove(name)


async def test_adding_again_and_by_two_at_once_is_adding(place: Place):
    name, url = await place.empty()
    await asyncio.gather(place.add(url), place.add(url))
    epoch = (await read_topology(place.directory)).epoch
    await place.add(url)
    assert (await read_topology(place.directory)).epoch == epoch, "nobody had to be told"
    assert (await place.nodes()).count(name) == 1
    await place.remove(name)


async def test_one_database_is_not_two_nodes_and_one_name_not_two_databases(place: Place):
    _, url = await place.empty()
    other, other_url = await place.empty()
    results = await asyncio.gather(place.add(url, "first"), place.add(url, "second"), return_exceptions=True)
    (error,) = [result for result in results if result is not None]
    assert isinstance(error, NodeError)
    assert error.code == "known_as"
    (there,) = set(await place.nodes()) & {"first", "second"}
    await refused("name_taken", place.add(other_url, there))
    await untouched(place.server, other)
    await refused("known_as", place.add(place.directory.url, "again"))
    await place.remove(there)


async def test_what_cannot_be_a_node_is_refused_and_nothing_is_written(
    place: Place, monkeypatch: pytest.MonkeyPatch
):
    name, url = await place.empty()
    nodes = await place.nodes()
    await refused("bad_url", place.add("http://there/db"))
    await refused("bad_name", place.add(url, "No Name"))
    await refused("unreachable", place.add("postgresql://a:b@127.0.0.1:1/there"))
    await refused("unreachable", place.add(place.server.url("there-is-none"), "none"))
    await refused("unreachable", place.add(url.replace("://tiffin:", "://tiffin:wrong")))
    with monkeypatch.context() as patched:
        patched.setattr(mover, "VERSION_MIN", 990000)
        await refused("no_room", place.add(url))
    await refused("missing_rights", place.add(await somebody(place.server, name, url)))
    await untouched(place.server, name)
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE SCHEMA orders")
    await connection.close()
    await refused("foreign_schema", place.add(url))
    assert await place.nodes() == nodes


async def test_a_database_of_another_platform_is_refused(place: Place):
    name, url = await place.empty()
    node = await Node.open("theirs", url)
    await migrate(node, SCHEMAS)
    await registry.claim(node, None)
    await node.close()
    await refused("another_platform", place.add(url))
    await refused("another_platform", place.add(url, "theirs"))
    assert name not in await place.nodes()


async def test_a_node_that_is_needed_stays(place: Place):
    name, url = await place.empty()
    await refused("unknown", place.remove("nobody"))
    await refused("is_directory", place.remove("hub"))
    await place.add(url)
    await move_shards(place.directory, "restaurant", [3], name)
    await refused("holds_shards", place.remove(name))
    await move_shards(place.directory, "restaurant", [3], "hub")
    connection = await asyncpg.connect(url)
    await connection.execute(
        "INSERT INTO log.events (dimension, shard, stream, key, version, type, data, at, trace)"
        " VALUES ('customer', 1, 'order', '1', 1, 'order.placed', '{}', now(), '')"
    )
    await refused("unread_log", place.remove(name))
    await connection.execute("DELETE FROM log.events")
    await connection.close()
    await place.remove(name)
    await refused("unknown", place.remove(name))


async def test_a_node_that_left_does_not_come_back_by_the_configuration_but_by_being_added(place: Place):
    name, url = await place.empty()
    named = msgspec.structs.replace(place.config, nodes={**place.config.nodes, name: url})
    async with open_nodes(named) as opened:
        assert [node.name for node in opened.all] == ["hub", name]
    await place.remove(name)
    async with open_nodes(named) as opened:
        assert [node.name for node in opened.all] == ["hub"]
    await place.add(url)
    async with open_nodes(place.config) as opened:
        assert [node.name for node in opened.all] == ["hub", name], "the directory knows how to enter it"
    await place.remove(name)


async def test_the_list_tells_of_a_node_that_is_away(place: Place):
    name, url = await place.empty()
    await place.add(url)
    await databases.drop(place.server, name)
    console = Console(width=100, record=True, file=StringIO())
    await list_nodes(place.config, console)
    lines = console.export_text().splitlines()
    assert any(line.startswith("hub") and line.rstrip().endswith("directory") for line in lines)
    assert any(line.startswith(name) and line.rstrip().endswith("away") for line in lines)
    await registry.strike(place.directory, name)


async def refused(code: str, doing) -> None:
    with pytest.raises(NodeError) as refused:
        await doing
    assert refused.value.code == code, refused.value


async def untouched(server: EmbeddedServer, name: str) -> None:
    """There is nothing of ours in the database."""
    connection = await asyncpg.connect(server.url(name))
    try:
        assert not await connection.fetchval("SELECT to_regnamespace('tiffin') IS NOT NULL")
    finally:
        await connection.close()


async def somebody(server: EmbeddedServer, name: str, url: str) -> str:
    """The URL of a user who may only connect."""
    connection = await asyncpg.connect(server.url("postgres"))
    await connection.execute(f"CREATE ROLE \"{name}_guest\" LOGIN PASSWORD 'guest'")
    await connection.close()
    return f"postgresql://{name}_guest:guest@{url.rpartition('@')[2]}"
