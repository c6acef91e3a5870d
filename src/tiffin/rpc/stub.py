"""Writes `contracts.pyi` from the IDL: `python -m tiffin.rpc.stub` (`--check` fails if it has drifted)."""

import sys
import types
import typing
from pathlib import Path

import msgspec

from tiffin.rpc import contracts

STUB = Path(__file__).with_name("contracts.pyi")

_HEADER = '''"""Made from idl/*.thrift by `python -m tiffin.rpc.stub`. Do not edit."""

from pathlib import Path
from types import ModuleType
from typing import Any, Literal, Protocol

import msgspec

IDL_DIRECTORY: Path
TEXT_LENGTH_MAX: int

class Method(msgspec.Struct, frozen=True):
    name: str
    request: type[msgspec.Struct]
    result: type[msgspec.Struct]
    doc: str
    repeatable: bool

structs: dict[str, type[msgspec.Struct]]
exceptions: dict[str, type[msgspec.Struct]]
thrift_specs: dict[str, dict[int, Any]]
services: dict[str, dict[str, Method]]

def parse_idl() -> list[ModuleType]: ...
def field_docs(struct_name: str) -> dict[str, str]: ...
'''


def _spelled(annotation: object) -> str:
    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    if origin is typing.Annotated:
        return _spelled(arguments[0])
    if origin is list:
        return f"list[{_spelled(arguments[0])}]"
    if origin is typing.Literal:
        return f"Literal[{', '.join(map(repr, arguments))}]"
    if origin in (typing.Union, types.UnionType):
        return " | ".join(_spelled(argument) for argument in arguments)
    return "None" if annotation is type(None) else getattr(annotation, "__name__", repr(annotation))


def stub() -> str:
    """The stub's text."""
    parts = [_HEADER]
    for name, struct in contracts.structs.items():
        parts.append(f"\nclass {name}(msgspec.Struct, kw_only=True):\n")
        fields = msgspec.structs.fields(struct)
        for field in fields:
            default = "" if field.required else f" = {field.default!r}"
            parts.append(f"    {field.name}: {_spelled(field.type)}{default}\n")
        if not fields:
            parts.append("    pass\n")
    for name, methods in contracts.services.items():
        parts.append(f"\nclass {name}(Protocol):\n")
        for method in methods.values():
            parts.append(
                f"    async def {method.name}(self, context: CallContext, request: {method.request.__name__})"
                f" -> {method.result.__name__}: ...\n"
            )
    return "".join(parts)


def main() -> int:
    if "--check" in sys.argv:
        same = STUB.read_text() == stub()
        print(
            "contracts.pyi matches the IDL"
            if same
            else "contracts.pyi has drifted: python -m tiffin.rpc.stub"
        )
        return 0 if same else 1
    STUB.write_text(stub())
    return 0


if __name__ == "__main__":
    sys.exit(main())
