"""CPU time by process, from /proc: what a thing costs, whatever else the machine does."""

from collections import defaultdict
from collections.abc import Mapping, Set

import psutil

READ_TRIES_MAX = 20


class CpuMeter:
    """CPU seconds since the meter was made, by name: of a process, all it started, all that those started.

    Those that have ended meanwhile count too, once their parent has waited for them. A process that is named
    itself counts there and not with the one that started it (until it ends: then it is its parent's past).
    Right to about 10 ms a process.
    """

    def __init__(self, pids: Mapping[str, int]) -> None:
        """`psutil.NoSuchProcess` if one is not there, now or later."""
        self._pids = dict(pids)
        self._before = self._totals()

    def seconds(self) -> dict[str, float]:
        """By name: user and system time together."""
        return {name: total - self._before[name] for name, total in self._totals().items()}

    def _totals(self) -> dict[str, float]:
        named = frozenset(self._pids.values())
        return {name: _tree_seconds(pid, named - {pid}) for name, pid in self._pids.items()}


def process_seconds(pid: int) -> float:
    """CPU seconds of one process, its children aside."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def _tree_seconds(pid: int, elsewhere: Set[int]) -> float:
    """A process that ends between two reads would be missed or counted twice: then all is read again."""
    total = 0.0
    for _ in range(READ_TRIES_MAX):
        tree = _tree(pid, elsewhere)
        try:
            times = [process.cpu_times() for process in tree]
        except psutil.NoSuchProcess:
            continue
        total = sum(each.user + each.system + each.children_user + each.children_system for each in times)
        if _tree(pid, elsewhere) == tree:
            break
    return total


def _tree(pid: int, elsewhere: Set[int]) -> list[psutil.Process]:
    children: defaultdict[int, list[psutil.Process]] = defaultdict(list)
    for process in psutil.process_iter(["ppid"]):
        if process.pid not in elsewhere:
            children[process.info["ppid"]].append(process)
    found = [psutil.Process(pid)]
    for process in found:
        found += children[process.pid]
    return found
