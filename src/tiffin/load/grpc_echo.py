"""grpc.aio's side of the RPC bench: the same menu as protobuf messages, by generic handlers.

What it needs, `grpcio` and `protobuf`, is installed for development only.
"""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module
from typing import Any

from tiffin.load.rpc_bench import Call, Mode
from tiffin.load.rpc_echo import caller_context, menu
from tiffin.primitives.clock import Clock
from tiffin.rpc import contracts as c
from tiffin.rpc.context import TIMEOUT_MS

_grpc: Any = import_module("grpc")  # without types
_aio: Any = import_module("grpc.aio")
_descriptors: Any = import_module("google.protobuf.descriptor_pb2")
_pool: Any = import_module("google.protobuf.descriptor_pool")
_factory: Any = import_module("google.protobuf.message_factory")

PACKAGE = "tiffin.bench"
METHOD = f"/{PACKAGE}.Restaurants/set_menu"
MESSAGES: Mapping[str, Sequence[str]] = {
    "Caller": ("string role", "string id"),
    "CallContext": ("string request_id", "Caller caller", "int64 deadline_ms", "string trace_parent"),
    "OptionChoice": ("string id", "string name", "int64 price"),
    "MenuItem": (
        "string id", "string name", "int64 price", "string category", "string description",
        "repeated OptionChoice options", "bool available", "bool limited",
    ),
    "SetMenu": ("CallContext context", "string restaurant_id", "repeated MenuItem items"),
    "Menu": ("string restaurant_id", "string currency", "int32 version", "repeated MenuItem items"),
}  # fmt: skip
"""The contract's structs as protobuf would have them; the context is a part of the request."""


def _message_classes() -> dict[str, Any]:
    kinds = _descriptors.FieldDescriptorProto
    file = _descriptors.FileDescriptorProto(name="bench.proto", package=PACKAGE, syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, spelled in enumerate(fields, start=1):
            *repeated, kind, field = spelled.split()
            label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
            made = message.field.add(name=field, number=number, label=label)
            if kind in MESSAGES:
                made.type, made.type_name = kinds.TYPE_MESSAGE, f".{PACKAGE}.{kind}"
            else:
                made.type = kinds.Type.Value(f"TYPE_{kind.upper()}")
    pool = _pool.DescriptorPool()
    pool.Add(file)
    return {
        name: _factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}")) for name in MESSAGES
    }


_classes = _message_classes()
_SetMenu, _Menu = _classes["SetMenu"], _classes["Menu"]


async def serve(clock: Clock, ready: Callable[[int], None]) -> None:
    """As `Side.serve`."""

    async def set_menu(request: Any, context: Any) -> Any:
        answer = _Menu(restaurant_id=request.restaurant_id, currency="EUR", version=1)
        answer.items.extend(request.items)
        return answer

    handler = _grpc.unary_unary_rpc_method_handler(
        set_menu, request_deserializer=_SetMenu.FromString, response_serializer=_Menu.SerializeToString
    )
    server = _aio.server()
    server.add_generic_rpc_handlers(
        (_grpc.method_handlers_generic_handler(f"{PACKAGE}.Restaurants", {"set_menu": handler}),)
    )
    ready(server.add_insecure_port("127.0.0.1:0"))
    await server.start()
    await server.wait_for_termination()


@asynccontextmanager
async def connect(clock: Clock, port: int, mode: Mode) -> AsyncGenerator[Sequence[Call]]:
    """As `Side.connect`: a channel is a connection."""
    async with AsyncExitStack() as stack:
        calls: list[Call] = []
        for _ in range(mode.connections):
            options = [("grpc.use_local_subchannel_pool", 1)]  # else all channels share one connection
            channel = await stack.enter_async_context(
                _aio.insecure_channel(f"127.0.0.1:{port}", options=options)
            )
            await channel.channel_ready()
            calls += [_call(channel, clock)] * mode.calls_per_connection
        yield calls


def _call(channel: Any, clock: Clock) -> Call:
    method = channel.unary_unary(
        METHOD, request_serializer=_SetMenu.SerializeToString, response_deserializer=_Menu.FromString
    )
    wanted = _as_message(menu(), caller_context(clock))

    async def call() -> int:
        answer = await method(wanted, timeout=TIMEOUT_MS / 1000)
        return len(answer.items)

    return call


def _as_message(request: c.SetMenu, context: c.CallContext) -> Any:
    message = _SetMenu(restaurant_id=request.restaurant_id)
    message.context.request_id = context.request_id
    message.context.caller.role, message.context.caller.id = context.caller.role, context.caller.id
    message.context.deadline_ms = context.deadline_ms
    for item in request.items:
        added = message.items.add(
            id=item.id, name=item.name, price=item.price, category=item.category,
            description=item.description, available=True,
        )  # fmt: skip
        for option in item.options or []:
            added.options.add(id=option.id, name=option.name, price=option.price)
    return message
