"""A RabbitMQ node of the tests' own: private ports, nothing open to other machines, and it may be killed."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from debian_package import make_sure_of

PROGRAMS = Path("/usr/lib/rabbitmq/bin")
"""Of Debian's package. The programs on the path insist on the system's own node."""
START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 60
ATTEMPTS_MAX = 5


def find_programs() -> None:
    """Make sure that RabbitMQ is there; `Missing` if it is not to be had."""
    make_sure_of(
        "rabbitmq-server",
        lambda: (PROGRAMS / "rabbitmq-server").exists() and shutil.which("epmd") is not None,
    )


class Broker:
    """A node in a directory, started; `start` again after `stop` or `kill`: what it has kept is there."""

    def __init__(self, directory: Path) -> None:
        find_programs()
        self._user = pwd.getpwnam("rabbitmq") if os.geteuid() == 0 else None
        self._directory = directory
        directory.mkdir()
        if self._user is not None:
            os.chown(directory, self._user.pw_uid, self._user.pw_gid)
        self._epmd: subprocess.Popen[bytes] | None = None
        self._node: subprocess.Popen[bytes] | None = None
        self._ports = (0, 0, 0)
        self.start()

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        return self._ports[0]

    @property
    def pid(self) -> int:
        """Of the running node."""
        assert self._node is not None
        return self._node.pid

    def url(self, virtual_host: str = "%2F") -> str:
        """Where to connect, password included."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/{virtual_host}"

    def empty_host(self) -> str:
        """The URL of a virtual host that nobody has been in."""
        name = uuid4().hex[:8]
        self.control("add_vhost", name)
        self.control("set_permissions", "-p", name, "guest", ".*", ".*", ".*")
        return self.url(name)

    def start(self) -> None:
        """Returns when it can be connected to. `RuntimeError` with what it said if it does not come up."""
        for attempt in range(1, ATTEMPTS_MAX + 1):
            if not self._ports[0]:
                self._ports = _free_ports()
                (self._directory / "rabbitmq.conf").write_text(self._configuration())
            if self._epmd is None:
                port = str(self._ports[1])
                self._epmd = self._spawn(
                    [shutil.which("epmd") or "epmd", "-port", port, "-address", "127.0.0.1"]
                )
            self._node = self._spawn([PROGRAMS / "rabbitmq-server"])
            if self._wait_until_up():
                return
            if attempt == ATTEMPTS_MAX or any((self._directory / "mnesia").glob("*/quorum")):
                raise RuntimeError((self._directory / "output").read_text()[-5000:])
            self.remove()
            self._ports = (0, 0, 0)

    def kill(self) -> None:
        """At once, whatever it does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """In order, and wait for that."""
        self._end(signal.SIGTERM)

    def remove(self) -> None:
        """For good."""
        self.kill()
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait()
            self._epmd = None

    def control(self, *arguments: str, timeout_s: float = START_TIMEOUT_S) -> str:
        """`rabbitmqctl`; takes a second or two. Returns what it printed. What may be done twice."""
        command = [PROGRAMS / "rabbitmqctl", "--quiet", "-n", self._name, *arguments]
        for _ in range(ATTEMPTS_MAX):
            done = subprocess.run(
                command, env=self._environment(), cwd="/", check=False, text=True, timeout=timeout_s,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **self._as_user(),
            )  # fmt: skip
            if done.returncode == 0:
                return done.stdout
            if done.stdout.strip():  # on a busy machine it may not get through, and says nothing
                break
        raise RuntimeError(f"{arguments[0]} ends with {done.returncode}: {done.stdout}")

    @property
    def _name(self) -> str:
        return f"tiffin-{self._ports[0]}@localhost"

    def _end(self, how: signal.Signals) -> None:
        if self._node is not None:
            self._node.send_signal(how)
            try:
                self._node.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._node.kill()
                self._node.wait()
            self._node = None

    def _wait_until_up(self) -> bool:
        assert self._node is not None
        until = time.monotonic() + START_TIMEOUT_S
        while self._node.poll() is None and time.monotonic() < until:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return True
            time.sleep(0.05)
        return False

    def _spawn(self, command: Sequence[str | Path]) -> "subprocess.Popen[bytes]":
        with (self._directory / "output").open("ab") as output:
            process = subprocess.Popen(
                command, env=self._environment(), cwd="/", stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True, **self._as_user(),
            )  # fmt: skip
        with (self._directory / "pids").open("a") as pids:  # for who finds it when we have been killed
            pids.write(f"{process.pid}\n")
        return process

    def _as_user(self) -> dict[str, object]:
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}

    def _configuration(self) -> str:
        return (
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\nlog.file.level = warning\nlog.console = false\n"
            "disk_free_limit.absolute = 10MB\nraft.wal_max_size_bytes = 16000000\n"
        )

    def _environment(self) -> dict[str, str]:
        home = self._directory
        return {
            "PATH": "/usr/bin:/bin", "HOME": str(home), "LC_ALL": "C.UTF-8",
            "RABBITMQ_NODENAME": self._name, "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
            "RABBITMQ_LOG_BASE": str(home / "log"), "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(home / "advanced"), "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
            "RABBITMQ_DIST_PORT": str(self._ports[2]), "ERL_EPMD_PORT": str(self._ports[1]),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RUNNING_UNDER_SYSTEMD": "1",  # no shell in between that signals would only reach
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS":  # idle schedulers do not spin: others need the processor
                "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none",
        }  # fmt: skip


def _free_ports() -> tuple[int, int, int]:
    with socket.socket() as one, socket.socket() as two, socket.socket() as three:
        for each in (one, two, three):
            each.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1], three.getsockname()[1]
