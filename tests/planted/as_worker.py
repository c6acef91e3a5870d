"""A pytest plugin: this run shares the database server of another one, as a worker of it would."""

import os

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    config.workerinput = {"workerid": os.environ["PYTEST_XDIST_WORKER"]}  # type: ignore[attr-defined]
