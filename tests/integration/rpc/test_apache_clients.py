"""Clients made by the Apache Thrift compiler, in a process of their own, call every method there is."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog

import apache_client
from debian_package import Missing, is_ci, make_sure_of
from rpc_peers import Peers, serving
from rpc_values import example, past_a_limit
from tiffin.primitives.errors import Refusal, Unavailable
from tiffin.rpc import contracts as c
from tiffin.rpc import wire
from tiffin.rpc.codec import encode
from tiffin.rpc.specs import spec_of

SERVICES = [name for name in c.services if name != "Health"]
METHODS = [(name, method) for name in SERVICES for method in wire.services[name].values()]

Ask = Callable[..., Awaitable[list[dict[str, Any]]]]


def compiler() -> str:
    """The Apache Thrift compiler."""
    try:
        make_sure_of("thrift-compiler", lambda: shutil.which("thrift") is not None)
    except Missing as missing:
        (pytest.fail if is_ci() else pytest.skip)(str(missing))
    return shutil.which("thrift") or ""


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Classes for Python, made from every IDL file."""
    directory = tmp_path_factory.mktemp("generated")
    thrift = compiler()
    for idl in sorted(c.IDL_DIRECTORY.glob("*.thrift")):
        command = [thrift, "-strict", "--gen", "py", "-out", str(directory), str(idl)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return directory


@pytest.fixture
async def peers() -> AsyncIterator[Peers]:
    async with serving(*SERVICES) as peers:
        yield peers


@pytest.fixture
def ask(generated: Path) -> Ask:
    """Lets such a client make calls over one connection."""

    async def ask(
        peers: Peers, calls: list[dict[str, Any]], codec: str = "binary", names: str = "multiplexed"
    ) -> list[dict[str, Any]]:
        host, port = peers.server.address
        process = await asyncio.create_subprocess_exec(
            sys.executable, apache_client.__file__, host, str(port), codec, names,
            env={**os.environ, "PYTHONPATH": str(generated)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate(json.dumps(calls).encode())
        assert process.returncode == 0, err.decode()
        return json.loads(out)

    return ask


def call(
    peers: Peers, service: str, method: wire.MethodWire, request: Any, request_id: str = "r"
) -> dict[str, Any]:
    return {
        "service": service,
        "method": method.name,
        "context": msgspec.to_builtins(peers.context(request_id, timeout_ms=60_000)),
        "request": msgspec.to_builtins(request),
    }


@pytest.mark.parametrize("codec", ["binary", "accelerated"])
async def test_apache_clients_call_every_method_of_every_service(peers: Peers, ask: Ask, codec: str):
    calls = [call(peers, name, method, example(method.method.request)) for name, method in METHODS]
    answers = await ask(peers, calls, codec)
    for (name, method), answer in zip(METHODS, answers, strict=True):
        request = example(method.method.request)
        written = encode(request, spec_of(method.method.request)).hex()
        assert answer.pop("bytes") == written, f"{name}.{method.name}"
        if method.name == "health":
            assert answer == {"result": {"state": "serving", "in_flight": 0}}
            continue
        result = msgspec.convert(answer["result"], method.method.result)
        assert result == example(method.method.result), f"{name}.{method.name}"


async def test_and_are_refused_properly_by_every_one(peers: Peers, ask: Ask):
    for service in peers.services.values():

        async def refuse(context: c.CallContext, request: Any) -> Any:
            raise Refusal("order_not_found", "no such order", {"order_id": "7"})

        async def away(context: c.CallContext, request: Any) -> Any:
            raise Unavailable("database_busy", "later", 17)

        async def fail(context: c.CallContext, request: Any) -> Any:
            raise ValueError("secret-17")

        service.doing |= {"refused": refuse, "away": away, "bug": fail}
    refusal = {"code": "order_not_found", "message": "no such order", "details": '{"order_id":"7"}'}
    expected: list[dict[str, Any]] = []
    calls = []
    for name, method in METHODS:
        if method.name == "health":
            continue
        for request_id in ("refused", "away", "bug"):
            calls.append(call(peers, name, method, example(method.method.request), request_id))
        expected += [
            {"refusal": refusal},
            {"unavailable": {"code": "database_busy", "message": "later", "retry_after_ms": 17}},
            {"application": [wire.INTERNAL_ERROR, "internal error in request bug"]},
        ]
    with structlog.testing.capture_logs() as logs:
        answers = await ask(peers, calls)
    assert len([line for line in logs if line["event"] == "rpc_bug"]) == len(calls) // 3
    for answer in answers:
        del answer["bytes"]
    assert answers == expected


async def test_what_is_past_a_limit_is_refused_to_them_too(peers: Peers, ask: Ask):
    # one a method is enough here: the last that JSON has a word for
    asked = {
        f"{name}.{method.name}": call(peers, name, method, bad)
        for name, method in METHODS
        for where, bad in past_a_limit(method.method.request)
        if "inf" not in repr(bad) and "nan" not in repr(bad)
    }
    for call_, answer in zip(asked.values(), await ask(peers, [*asked.values()]), strict=True):
        assert answer["refusal"]["code"] == "invalid_request", call_


async def test_a_service_alone_answers_clients_that_know_nothing_of_multiplexing(ask: Ask):
    async with serving("Payments") as alone:
        methods = wire.services["Payments"].values()
        calls = [call(alone, "Payments", method, example(method.method.request)) for method in methods]
        answers = await ask(alone, calls, names="plain")
        assert ["result" in answer for answer in answers] == [True] * len(calls)


async def test_a_call_to_another_service_is_an_unknown_method(ask: Ask):
    async with serving("Payments") as alone:
        quote = wire.services["Orders"]["quote"]
        for names in ("plain", "multiplexed"):
            (answer,) = await ask(alone, [call(alone, "Orders", quote, example(c.QuoteRequest))], names=names)
            assert answer["application"][0] == wire.UNKNOWN_METHOD
