"""The running server of a data directory: how it says that it is up, and how others find or start it."""

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psutil

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 30.0
_POLL_S = 0.05


class Running(msgspec.Struct, frozen=True):
    """A server that is up: its process, its URL, the postmaster of its embedded PostgreSQL if it has one."""

    pid: int
    started: float
    url: str
    postmaster: int | None = None
    supervises: bool = False
    """Whether the services are processes of their own, its children."""


def _file(data_directory: Path) -> Path:
    return data_directory / "up.json"


@contextmanager
def claim(data_directory: Path) -> Generator[None]:
    """While inside, no other process becomes the server of this data directory. `SystemExit` if one is."""
    data_directory.mkdir(parents=True, exist_ok=True)
    with (data_directory / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = find(data_directory)
            who = f"process {other.pid} at {other.url}" if other else "another process is starting"
            raise SystemExit(f"tiffin: already up: {who}") from None
        yield


@contextmanager
def announce(
    data_directory: Path, url: str, postmaster: int | None, supervises: bool = False
) -> Generator[None]:
    """While inside, `find` finds this process."""
    file = _file(data_directory)
    me = Running(os.getpid(), psutil.Process().create_time(), url, postmaster, supervises)
    unfinished = file.with_suffix(".new")
    unfinished.write_bytes(msgspec.json.encode(me))
    unfinished.rename(file)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def find(data_directory: Path) -> Running | None:
    """The server that runs on this data directory, if one does. One that was killed does not count."""
    try:
        running = msgspec.json.decode(_file(data_directory).read_bytes(), type=Running)
        alive = psutil.Process(running.pid).create_time() == running.started
    except (FileNotFoundError, psutil.NoSuchProcess):
        return None
    return running if alive else None


@contextmanager
def running_server(
    data_directory: Path, arguments: list[str], environment: dict[str, str] | None = None
) -> Generator[Running]:
    """The running server, or one started as a process of its own for as long as this is entered."""
    if running := find(data_directory):
        yield running
        return
    data_directory.mkdir(parents=True, exist_ok=True)
    with (data_directory / "server.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "tiffin", "up", "--port", "0", *arguments],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **(environment or {})},
            start_new_session=True,
        )  # fmt: skip
    try:
        yield _wait(process, data_directory)
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: "subprocess.Popen[bytes]", data_directory: Path) -> Running:
    until = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        if running := find(data_directory):
            return running
        time.sleep(_POLL_S)
    log = (data_directory / "server.log").read_text(errors="replace").splitlines()
    raise SystemExit("the server did not start:\n" + "\n".join(log[-20:]))
