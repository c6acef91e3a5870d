"""CPU accounting against processes whose cost is known from elsewhere."""

import os
import subprocess
import sys

import psutil
import pytest

from tiffin.load.cpu import CpuMeter, process_seconds

BURN = "import time\nwhile time.process_time() < 0.3: pass\n"
READY_THEN_STAY = "print('ready', flush=True); input()"


def _start(program: str) -> subprocess.Popen[str]:
    """Run a program up to its `ready`."""
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def _end(process: subprocess.Popen[str]) -> None:
    process.communicate("\n")


def test_a_child_that_has_ended_still_counts() -> None:
    meter = CpuMeter({"self": os.getpid()})
    subprocess.run([sys.executable, "-c", BURN], check=True)
    assert meter.seconds()["self"] >= 0.28


def test_a_grandchild_that_still_runs_counts() -> None:
    program = (
        "import subprocess, sys\n"
        f"program = {BURN + READY_THEN_STAY!r}\n"
        "child = subprocess.Popen([sys.executable, '-c', program], stdin=subprocess.PIPE)\n"
        "input(); child.communicate(b'\\n')\n"
    )
    meter = CpuMeter({"self": os.getpid()})
    process = _start(program)
    assert meter.seconds()["self"] >= 0.28
    _end(process)


def test_a_named_child_counts_under_its_own_name_only() -> None:
    process = _start("print('ready', flush=True); input()\n" + BURN + READY_THEN_STAY)
    assert process.stdin is not None and process.stdout is not None
    meter = CpuMeter({"self": os.getpid(), "child": process.pid})
    own = process_seconds(os.getpid())
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "ready\n"
    seconds = meter.seconds()
    assert seconds["child"] >= 0.25
    assert seconds["self"] <= process_seconds(os.getpid()) - own + 0.02
    _end(process)


def test_a_process_that_is_not_there_is_told() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    with pytest.raises(psutil.NoSuchProcess):
        CpuMeter({"gone": process.pid})
