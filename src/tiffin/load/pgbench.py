"""PostgreSQL's own load generator, as the yardstick: one transaction an order, as fast as that can go."""

import asyncio
import re
import resource
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tiffin.load.latency import Latencies
from tiffin.storage.queries import load_queries
from tiffin.storage.server_user import ServerUser, find_programs

THREADS = 2
LATENCY_SHARE = 0.1
"""So many of the transactions are written down with their duration."""

_QUERIES = load_queries("tiffin.load")
_DONE = re.compile(r"number of transactions actually processed: (\d+)")
_FAILED = re.compile(r"number of failed transactions: (\d+)")
_PER_SECOND = re.compile(r"tps = ([\d.]+) \(without initial connection time\)")


@dataclass(frozen=True)
class PgbenchRun:
    """What one run did; `cpu_s` is pgbench's own."""

    transactions: int
    per_second: float
    latencies: Latencies
    cpu_s: float


def find_pgbench() -> Path:
    """The wheel's. `RuntimeError` if there is none."""
    directory = Path(tempfile.gettempdir())  # only asked for if the wheel were out of our own reach
    return find_programs(ServerUser(None), directory) / "pgbench"


async def run_pgbench(
    program: Path, url: str, clients: int, seconds: int, details: str, data: str
) -> PgbenchRun:
    """Place orders into the twin for so many seconds. `RuntimeError` with pgbench's words if it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as directory:
        script = Path(directory) / "place_one.sql"
        script.write_text(_QUERIES["place_one"])
        process = await asyncio.create_subprocess_exec(
            program, "-n", "-M", "prepared", "-c", str(clients), "-j", str(THREADS), "-T", str(seconds),
            "-f", script, "-D", f"details={details}", "-D", f"data={data}",
            "-l", "--log-prefix", Path(directory) / "log", "--sampling-rate", str(LATENCY_SHARE), url,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        output, errors = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"pgbench failed: {errors.decode(errors='replace').strip()}")
        latencies = _read_latencies(Path(directory))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    text = output.decode()
    if (failed := _number(_FAILED, text)) > 0:
        raise RuntimeError(f"pgbench failed in {failed:.0f} transactions")
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return PgbenchRun(int(_number(_DONE, text)), _number(_PER_SECOND, text), latencies, cpu_s)


def _number(pattern: re.Pattern[str], text: str) -> float:
    found = pattern.search(text)
    if found is None:
        raise RuntimeError(f"pgbench printed something else:\n{text}")
    return float(found[1])


def _read_latencies(directory: Path) -> Latencies:
    """The third column of each line is the transaction's time in microseconds."""
    latencies = Latencies()
    for log in directory.glob("log.*"):
        with log.open() as lines:
            for line in lines:
                latencies.add(int(line.split(" ", 3)[2]) / 1e6)
    return latencies
