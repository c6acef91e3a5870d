"""Programs that come as Debian packages: there, installed where that is allowed, or said to be missing."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

LOCK = Path("/run/lock/tiffin-test-packages")
"""Workers that want packages at the same time take turns: apt itself turns the second away."""
LOCK_TIMEOUT_S = 300
_POLICY = Path("/usr/sbin/policy-rc.d")


class Missing(Exception):
    """It is not on this machine, and was not to be installed; the message says what to do."""


def is_ci() -> bool:
    """Where what is missing is a failure."""
    return os.environ.get("CI") == "true"


def make_sure_of(package: str, is_there: Callable[[], bool]) -> None:
    """Root installs it in CI, and where TIFFIN_TEST_INSTALL=1 says so; else `Missing` if it is not there."""
    if is_there():
        return
    wanted = is_ci() or os.environ.get("TIFFIN_TEST_INSTALL") == "1"
    if not (wanted and os.geteuid() == 0 and shutil.which("apt-get")):
        raise Missing(
            f"{package} is not installed: apt-get install {package},"
            " or let the tests do it: as root, TIFFIN_TEST_INSTALL=1 make test"
        )
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_there():
            _install(package)
    if not is_there():
        raise Missing(f"{package} is installed, and what is wanted of it is not there")


def _install(package: str) -> None:
    unguarded = not _POLICY.exists()
    if unguarded:  # a package with a service would start one of the system's
        _POLICY.write_text("#!/bin/sh\nexit 101\n")
        _POLICY.chmod(0o755)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "--quiet", "-o", f"DPkg::Lock::Timeout={LOCK_TIMEOUT_S}"]
    try:
        for command in (["update"], ["install", "--yes", "--no-install-recommends", package]):
            done = subprocess.run(
                [*apt, *command], env=environment, check=False, text=True, capture_output=True
            )
            if done.returncode:
                raise Missing(f"{package} cannot be installed: {done.stderr or done.stdout}")
    finally:
        if unguarded:
            _POLICY.unlink()
