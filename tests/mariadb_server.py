"""A MariaDB of the tests' own: a directory, a private port, nobody else's data, gone with the directory."""

import os
import pwd
import signal
import socket
import subprocess
import time
from pathlib import Path
from uuid import uuid4

import pymysql

from debian_package import make_sure_of

SERVER = Path("/usr/sbin/mariadbd")
INSTALL = Path("/usr/bin/mariadb-install-db")
START_TIMEOUT_S = 120
USER, PASSWORD = "tiffin", "of the tests"


def find_programs() -> None:
    """Make sure that MariaDB is there; `Missing` if it is not to be had."""
    make_sure_of("mariadb-server", lambda: SERVER.exists() and INSTALL.exists())


class MariadbServer:
    """Started in a directory that is not there yet. `options` are the server's, as on its command line."""

    def __init__(self, directory: Path, *options: str) -> None:
        find_programs()
        self._directory = directory
        self._user = pwd.getpwnam("mysql") if os.geteuid() == 0 else None
        directory.mkdir()
        directory.chmod(0o755)
        if self._user is not None:
            os.chown(directory, self._user.pw_uid, self._user.pw_gid)
        self._run([
            INSTALL, "--no-defaults", f"--datadir={directory / 'data'}",
            "--auth-root-authentication-method=normal", "--skip-test-db",
        ])  # fmt: skip
        self.port = _free_port()
        with (directory / "output").open("wb") as output:
            self._server = subprocess.Popen(
                [
                    SERVER, "--no-defaults", f"--datadir={directory / 'data'}", "--bind-address=127.0.0.1",
                    f"--port={self.port}", f"--socket={directory / 'socket'}",
                    f"--pid-file={directory / 'pid'}", "--innodb-flush-log-at-trx-commit=0",
                    "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=64M", "--skip-name-resolve",
                    *options,
                ],
                stdout=output, stderr=output, **self._as_user(),
            )  # fmt: skip
        self._wait_until_up()
        self._make_user()

    def url(self, database: str) -> str:
        """Where to connect, password included."""
        return f"mariadb://{USER}:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{self.port}/{database}"

    def create_database(self, prefix: str) -> str:
        """A new, empty database; its name."""
        name = f"{prefix}_{uuid4().hex[:8]}"
        with self.connect("") as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        return name

    def connect(self, database: str) -> "pymysql.Connection[pymysql.cursors.Cursor]":
        """A connection of one's own."""
        return pymysql.connect(
            host="127.0.0.1", port=self.port, user=USER, password=PASSWORD, database=database or None,
            autocommit=True, charset="utf8mb4", init_command="SET SESSION time_zone = '+00:00'",
        )  # fmt: skip

    def stop(self) -> None:
        """At once: nothing of it is needed any more."""
        self._server.send_signal(signal.SIGKILL)
        self._server.wait()

    def _make_user(self) -> None:
        socket_path = str(self._directory / "socket")
        with (
            pymysql.connect(user="root", unix_socket=socket_path) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(f"CREATE USER '{USER}'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'")
            cursor.execute(f"GRANT ALL ON *.* TO '{USER}'@'127.0.0.1'")

    def _wait_until_up(self) -> None:
        until_s = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                with socket.socket(socket.AF_UNIX) as probe:
                    probe.connect(str(self._directory / "socket"))
                return
            except OSError:
                if self._server.poll() is not None or time.monotonic() > until_s:
                    self._server.kill()
                    raise RuntimeError((self._directory / "output").read_text()[-5000:]) from None
                time.sleep(0.1)

    def _run(self, command: list[str | Path]) -> None:
        done = subprocess.run(command, check=False, capture_output=True, text=True, **self._as_user())
        if done.returncode:
            raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])

    def _as_user(self) -> dict[str, object]:
        if self._user is None:
            return {}
        return {
            "user": self._user.pw_uid,
            "group": self._user.pw_gid,
            "extra_groups": [],
            "cwd": self._directory,
        }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
