"""The lock files: complete, hashed, and of no particular registry."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUNTIME = [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["build"]]
DEVELOPMENT = [*RUNTIME, *(entry for entry in PROJECT["dependency-groups"]["dev"] if isinstance(entry, str))]


@pytest.mark.parametrize(
    ("file", "wanted"), [("requirements.lock", RUNTIME), ("requirements-dev.lock", DEVELOPMENT)]
)
def test_the_lock_names_everything_the_project_asks_for(file: str, wanted: list[str]):
    text = (ROOT / file).read_text()
    locked = set(re.findall(r"^([a-z0-9._-]+)(?:\[[a-z,]+\])?==", text, re.MULTILINE))
    assert {re.match(r"[A-Za-z0-9._-]+", name)[0].lower() for name in wanted} <= locked, "make lock"
    assert "://" not in text
    assert "--index" not in text


@pytest.mark.parametrize("file", ["requirements.lock", "requirements-dev.lock"])
def test_every_locked_package_has_hashes(file: str):
    entries = re.split(r"^(?=[a-z0-9])", (ROOT / file).read_text(), flags=re.MULTILINE)[1:]
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_both_locks_agree():
    runtime, development = (
        set(re.findall(r"^[^\s#].*==\S+", (ROOT / file).read_text(), re.MULTILINE))
        for file in ("requirements.lock", "requirements-dev.lock")
    )
    assert runtime <= development
