"""The embedded server: a real PostgreSQL from a wheel, for a laptop, a demo and the tests.

Its data is kept between runs in one directory: `data/` (the cluster), `password`, `port`, `lock`, `users`.
Everything here blocks for up to a second or so and is called before or beside the event loop.
"""

import fcntl
import secrets
import shutil
import socket
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Self

import asyncpg
import psutil

from tiffin.storage.server_user import ServerUser, find_home, find_programs

SUPERUSER = "tiffin"
START_TIMEOUT_S = 300
"""Long: after a crash the server first replays what was committed and not yet written in place."""
STOP_TIMEOUT_S = 60
PORT_ATTEMPTS_MAX = 5

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # a socket's path may be 107 bytes long, a checkout's is what it is
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "wal_level": "logical",  # shards move between nodes by logical replication
    # Every open move follows there and back, and more so while it copies.
    "max_logical_replication_workers": "24",
    "max_worker_processes": "40",
    "max_replication_slots": "40",
    "max_wal_senders": "40",
    "max_locks_per_transaction": "256",  # one statement may touch every partition of a node
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class EmbeddedServer:
    """A running server that this process uses. The last process to stop using it shuts it down."""

    def __init__(self, home: Path, users: TextIOWrapper) -> None:
        self._home = home
        self._users = users
        self._password = (home / "password").read_text()
        self._postmaster, self._port = _read_pid_file(home)

    @classmethod
    def start(cls, directory: Path, settings: Mapping[str, str] | None = None) -> Self:
        """Start the server of a directory, made if missing, or join it if it runs.

        Safe by several processes at once and after `kill -9`. `settings` are PostgreSQL's and count only for
        the process that really starts it. `RuntimeError` with the server's words if it does not come up.
        """
        home = find_home(directory.resolve())
        with _locked(home):
            user = ServerUser.choose(home / "data")
            programs = find_programs(user, home)
            if not (home / "data").exists():
                _create_cluster(home, user, programs)
            if not _wait_for_running(home):
                _launch(home, user, programs, {**SETTINGS, **(settings or {})})
            users = (home / "users").open("w")
            fcntl.flock(users, fcntl.LOCK_SH)
            return cls(home, users)

    @property
    def pid(self) -> int:
        """The postmaster's process id; every other process of the server is its child."""
        return self._postmaster

    def url(self, database: str) -> str:
        """Where to connect, password included."""
        return f"postgresql://{SUPERUSER}:{self._password}@127.0.0.1:{self._port}/{database}"

    async def create_database(self, name: str) -> None:
        """Create a database if it is missing."""
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
                await connection.execute(f'CREATE DATABASE "{name}"')
        except (asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
            pass  # another process was faster
        finally:
            await connection.close()

    def stop(self) -> bool:
        """Stop using the server. True if nobody else uses it and it was therefore shut down."""
        with _locked(self._home):
            try:
                fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            finally:
                self._users.close()
            _shut_down(self._home)
            return True


@contextmanager
def _locked(home: Path) -> Generator[None]:
    """One process at a time starts or stops the server."""
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _create_cluster(home: Path, user: ServerUser, programs: Path) -> None:
    """Make the cluster beside its place and move it there whole: a broken attempt leaves nothing behind."""
    password = secrets.token_urlsafe(24)
    unfinished, secret = home / "data.new", home / "password.new"
    shutil.rmtree(unfinished, ignore_errors=True)
    secret.unlink(missing_ok=True)
    secret.touch(mode=0o600)
    secret.write_text(password)
    user.own(secret)
    unfinished.mkdir(mode=0o700)
    user.own(unfinished)
    user.run([
        programs / "initdb", "-D", unfinished, "-U", SUPERUSER, "--pwfile", secret,
        "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--data-checksums",
    ])  # fmt: skip
    with (unfinished / "postgresql.conf").open("a") as configuration:
        configuration.write("include 'tiffin.conf'\n")
    secret.unlink()
    (home / "password").unlink(missing_ok=True)
    (home / "password").touch(mode=0o600)
    (home / "password").write_text(password)
    unfinished.rename(home / "data")


def _launch(home: Path, user: ServerUser, programs: Path, settings: Mapping[str, str]) -> None:
    """Start the server on the port it had, or on another if that is taken now."""
    data = home / "data"
    _forget_dead_postmaster(data)
    for attempt in range(1, PORT_ATTEMPTS_MAX + 1):
        port = _choose_port(home / "port")
        lines = [f"{name} = '{value}'" for name, value in {**settings, "port": str(port)}.items()]
        configuration = data / "tiffin.conf"
        configuration.write_text("\n".join(lines) + "\n")
        user.own(configuration)
        command = [programs / "pg_ctl", "start", "-D", data, "-l", data / "server.log"]
        try:
            user.run([*command, "-w", "-t", str(START_TIMEOUT_S), "-s"])
        except RuntimeError as error:
            if _is_free(port) or attempt == PORT_ATTEMPTS_MAX:
                log = (data / "server.log").read_text(errors="replace").splitlines()
                raise RuntimeError("\n".join([str(error), *log[-20:]])) from error
            continue
        (home / "port").write_text(str(port))
        return


def _shut_down(home: Path) -> None:
    data = home / "data"
    if not _wait_for_running(home):
        return
    user = ServerUser.choose(data)
    pg_ctl = find_programs(user, home) / "pg_ctl"
    try:
        user.run([pg_ctl, "stop", "-D", data, "-m", "fast", "-w", "-t", str(STOP_TIMEOUT_S), "-s"])
    except RuntimeError:
        if _wait_for_running(home):  # otherwise it was killed a moment ago
            raise


def _read_pid_file(home: Path) -> tuple[int, int]:
    """Process id and port of the postmaster, zeros if there is none."""
    try:
        lines = (home / "data" / "postmaster.pid").read_text().splitlines()
        return int(lines[0]), int(lines[3])
    except (FileNotFoundError, IndexError):
        return 0, 0


def _wait_for_running(home: Path) -> bool:
    """Whether the directory's server runs. One that is still coming up or going down is waited for."""
    data = home / "data"
    until = time.monotonic() + START_TIMEOUT_S
    while _read_pid_file(home)[0] in _processes_in(data):
        lines = (data / "postmaster.pid").read_text().splitlines()
        if len(lines) >= 8 and lines[7].strip() == "ready":
            return True
        if time.monotonic() > until:
            raise RuntimeError(f"the server in {data} is neither up nor down")
        time.sleep(0.02)
    return False


def _forget_dead_postmaster(data: Path) -> None:
    """After `kill -9` wait for the orphaned backends to notice, then remove the dead one's pid file.

    Left there, a later process with the same number keeps the server from starting (containers start
    counting at 1 again). Removed while a backend still runs, two servers could write to the same data.
    """
    until = time.monotonic() + STOP_TIMEOUT_S
    while _processes_in(data):
        if time.monotonic() > until:
            raise RuntimeError(f"processes of a dead server still work in {data}")
        time.sleep(0.02)
    (data / "postmaster.pid").unlink(missing_ok=True)


def _processes_in(data: Path) -> list[int]:
    """Processes that work in the directory, as PostgreSQL's do from beginning to end."""
    found: list[int] = []
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()) == data:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def _choose_port(kept: Path) -> int:
    if kept.exists() and _is_free(port := int(kept.read_text())):
        return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
