"""Run by itself: calls a service with classes made by the Apache Thrift compiler, and nothing of ours.

    python apache_client.py HOST PORT binary|accelerated plain|multiplexed < calls > answers

Calls and answers are JSON. A call: {"service": "Orders", "method": "get", "context": {}, "request": {}}.
An answer: {"result" or "refusal" or "unavailable": {}} or {"application": [kind, message]}, and "bytes": the
request's struct in hexadecimal.
"""

import json
import sys
from importlib import import_module
from typing import Any

from thrift.protocol.TBinaryProtocol import TBinaryProtocol, TBinaryProtocolAccelerated
from thrift.protocol.TMultiplexedProtocol import TMultiplexedProtocol
from thrift.Thrift import TApplicationException, TType
from thrift.transport.TSocket import TSocket
from thrift.transport.TTransport import TFramedTransport, TMemoryBuffer


def made(kind: int, of: Any, value: Any) -> Any:
    """JSON as the compiler's objects."""
    if kind == TType.STRUCT:
        specs = {spec[2]: spec for spec in of[0].thrift_spec if spec}
        return of[0](**{name: made(specs[name][1], specs[name][3], part) for name, part in value.items()})
    if kind == TType.LIST:
        return [made(of[0], of[1], part) for part in value]
    return value


def plain(value: Any) -> Any:
    """The compiler's objects as JSON."""
    if isinstance(value, list):
        return [plain(part) for part in value]
    if hasattr(value, "thrift_spec"):
        parts = {spec[2]: getattr(value, spec[2]) for spec in value.thrift_spec if spec}
        return {name: plain(part) for name, part in parts.items() if part is not None}
    return value


def written(struct: Any) -> str:
    buffer = TMemoryBuffer()
    struct.write(TBinaryProtocol(buffer))
    return buffer.getvalue().hex()


def carry_out(protocol: Any, call: dict[str, Any], multiplexed: bool) -> dict[str, Any]:
    base = import_module("tiffin.base.ttypes")
    module = import_module(f"tiffin.{call['service'].lower()}.{call['service']}")
    home = import_module("tiffin.base.Health") if call["method"] == "health" else module
    spec = getattr(home, f"{call['method']}_args").thrift_spec
    context, request = (
        made(TType.STRUCT, spec[at][3], call[name]) for at, name in ((1, "context"), (2, "request"))
    )
    over = TMultiplexedProtocol(protocol, call["service"]) if multiplexed else protocol
    bytes_ = {"bytes": written(request)}
    try:
        return {"result": plain(getattr(module.Client(over), call["method"])(context, request)), **bytes_}
    except base.Refusal as refusal:
        return {"refusal": plain(refusal), **bytes_}
    except base.Unavailable as unavailable:
        return {"unavailable": plain(unavailable), **bytes_}
    except TApplicationException as error:
        return {"application": [error.type, error.message], **bytes_}


def main() -> None:
    host, port, codec, names = sys.argv[1:]
    transport = TFramedTransport(TSocket(host, int(port)))
    transport.open()
    protocol = (TBinaryProtocol if codec == "binary" else TBinaryProtocolAccelerated)(transport)
    answers = [carry_out(protocol, call, names == "multiplexed") for call in json.load(sys.stdin)]
    transport.close()
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
