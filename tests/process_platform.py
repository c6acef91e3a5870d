"""`tiffin up --processes`: a platform of many processes, each of which can be killed."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from tiffin.cli.addresses import free_addresses
from tiffin.cli.health import ask
from tiffin.cli.parts import PARTS
from tiffin.cli.roll import Entry, read_roll
from tiffin_process import TiffinProcess

DEADLINE_S = 90.0


class ProcessPlatform(TiffinProcess):
    """A supervisor and its children."""

    command = ("up", "--processes")

    def entry(self, service: str) -> Entry:
        """What the supervisor notes of a service's process."""
        (entry,) = (entry for entry in read_roll(self.data_directory) if entry.service == service)
        return entry

    @property
    def services(self) -> list[str]:
        """All that run, in the order of their start."""
        return [entry.service for entry in read_roll(self.data_directory)]

    def kill_service(self, service: str) -> int:
        """`kill -9` of one process. Returns how often it had been started again before."""
        entry = self.entry(service)
        assert entry.pid is not None
        assert entry.restarts is not None
        os.kill(entry.pid, signal.SIGKILL)
        return entry.restarts

    async def until_back(self, service: str, restarts: int) -> None:
        """Until its process has been started once more."""
        until = time.monotonic() + DEADLINE_S
        while (entry := self.entry(service)).restarts != restarts + 1 or entry.pid is None:
            assert time.monotonic() < until, f"{service} was not started again"
            await asyncio.sleep(0.05)

    def family(self) -> list[psutil.Process]:
        """The supervisor's children and theirs. (The postmaster is nobody's child.)"""
        assert self._process is not None
        return psutil.Process(self._process.pid).children(recursive=True)


class ByHand(TiffinProcess):
    """Processes started one by one, as a `tiffin.toml` says: two of `orders`, one of everything else."""

    def __init__(self, directory: Path, database_url: str) -> None:
        super().__init__(directory)
        del self.environment["TIFFIN_NODES"]
        addresses = free_addresses(("sandbox", *PARTS, "orders again", "gateway"))
        self._port = int(addresses.pop("gateway").rpartition(":")[2])
        self.second = addresses.pop("orders again")
        self.addresses = [*addresses.items(), ("orders", self.second), ("gateway", f"127.0.0.1:{self._port}")]
        lines = [f"server.port = {self._port}", f'nodes.north = "{database_url}"']
        for service, address in addresses.items():
            several = [address, self.second] if service == "orders" else [address]
            lines.append(f"services.{service}.addresses = {several}")
        (directory / "tiffin.toml").write_text("\n".join(lines))
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def serve(self, name: str, *arguments: str) -> None:
        """Start a process; `name` tells it from another of the same service."""
        with (self.data_directory / "server.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [sys.executable, "-m", "tiffin", "serve", *(arguments or (name,))],
                env=self.environment, cwd=self.data_directory,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def serve_all(self) -> None:
        """Start one of each, and two of orders."""
        for name in ("sandbox", *PARTS, "gateway"):
            self.serve(name)
        self.serve("second", "orders", "--listen", self.second)

    async def until_all_serve(self) -> None:
        """Until every process says that it serves."""
        until = time.monotonic() + DEADLINE_S
        for service, address in self.addresses:
            while (await ask(service, address)).state != "serving":
                assert time.monotonic() < until, f"{service} at {address} does not serve"
                await asyncio.sleep(0.05)

    def stop_all(self) -> dict[str, int]:
        """SIGTERM; the exit codes of those that had not ended."""
        running = {name: process for name, process in self.running.items() if process.poll() is None}
        for process in running.values():
            process.terminate()
        return {name: process.wait(60) for name, process in running.items()}
