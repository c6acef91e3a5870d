"""Writes `docs/planted-bugs.md`: `python -m planted.page` with `tests` on the path."""

from planted.bugs import BUGS, NOT_OURS, Bug
from planted.planting import REPOSITORY

PAGE = REPOSITORY / "docs" / "planted-bugs.md"

_BEGINNING = """\
# Planted bugs

What has gone wrong with payments and refunds elsewhere, and what would go wrong here first, each planted in a
copy of the source and caught by a test of the ordinary suite. `make soak` plants all of them
(`tests/planted`), `make test` a few, and it sees to it that each can still be planted. A bug that is not
caught is a failed test; so is one that is caught by a test which fails for another reason.

This page is written by `python -m planted.page`; the changes themselves are in `tests/planted/bugs.py`.

| # | planted | where it happened | in | caught by |
|---|---|---|---|---|
"""
_BETWEEN = """
## Of the same list, and not planted here

| thread | why |
|---|---|
"""


def page() -> str:
    """The page as it has to be."""
    rows = [
        f"| {number} | {bug.name} | {bug.source} | {_files(bug)} | `{bug.test.removeprefix('tests/')}` |\n"
        for number, bug in enumerate(BUGS, 1)
    ]
    others = [f"| {thread} | {why} |\n" for thread, why in NOT_OURS]
    return _BEGINNING + "".join(rows) + _BETWEEN + "".join(others)


def _files(bug: Bug) -> str:
    return ", ".join(dict.fromkeys(f"`{name}`" for name, _, _ in bug.edits))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
